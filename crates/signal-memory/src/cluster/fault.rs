use crate::rng::Rng;

/// What happens to nodes and to the bus between them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// A node starts.
    Start,
    /// A node drains, and ends when its peers have moved.
    Drain,
    /// A node ends without a sign.
    Crash,
    /// Half of the nodes cannot hear the other half, for less time than it takes to be gone.
    ShortCut,
    /// The same for longer.
    LongCut,
    /// A node is not heard by some, but hears them.
    OneWayCut,
    /// Two nodes cannot hear each other, and a third one hears both.
    PartialCut,
    /// Nobody hears anybody.
    Outage,
    /// The same for so long that nothing is kept any more of what was said at its beginning.
    LongOutage,
    /// The bus loses some messages.
    Loss,
    /// The bus is slow.
    Delay,
    /// The bus brings some messages twice.
    Repeat,
    /// The clock of a node is set forward or back.
    Jump,
    /// A node stands still, and goes on.
    Pause,
    /// A node takes its time for each message.
    Slow,
    /// A node has the id of another, and perhaps its seed.
    Twin,
    /// Peers publish more than a ring holds while nothing is acknowledged.
    Flood,
    /// As [`OneWayCut`](Self::OneWayCut), for as long as a [`LongOutage`](Self::LongOutage).
    LongOneWayCut,
    /// The bus loses four messages of five, for as long.
    HeavyLoss,
    /// The bus takes up to four seconds for a message, for as long.
    LongDelay,
}

/// How much of a hundred messages is lost at most, and how long the others take.
pub(super) const LOSS_MAX: u64 = 80;
pub(super) const DELAY_MAX: u64 = 4_000;

impl Fault {
    /// Those that a bus has sooner or later.
    pub const ALL: [Self; 17] = [
        Self::Start,
        Self::Drain,
        Self::Crash,
        Self::ShortCut,
        Self::LongCut,
        Self::OneWayCut,
        Self::PartialCut,
        Self::Outage,
        Self::LongOutage,
        Self::Loss,
        Self::Delay,
        Self::Repeat,
        Self::Jump,
        Self::Pause,
        Self::Slow,
        Self::Twin,
        Self::Flood,
    ];

    /// Those of a bus that does not deserve the name.
    pub const HARSH: [Self; 3] = [Self::LongOneWayCut, Self::HeavyLoss, Self::LongDelay];

    /// How long it lasts, in milliseconds.
    pub(super) fn draw_length(self, rng: &mut Rng) -> u64 {
        match self {
            Self::Start | Self::Crash | Self::Jump | Self::Twin => 0,
            Self::Drain => 7_500,
            Self::ShortCut => rng.within(50..=3_500),
            Self::LongCut => rng.within(7_000..=20_000),
            Self::OneWayCut | Self::PartialCut => rng.within(50..=12_000),
            Self::Outage => rng.within(50..=15_000),
            Self::LongOutage => rng.within(15_000..=45_000),
            Self::LongOneWayCut | Self::HeavyLoss | Self::LongDelay => rng.within(0..=40_000),
            Self::Loss | Self::Delay | Self::Repeat | Self::Slow => rng.within(500..=6_000),
            Self::Pause => rng.within(500..=12_000),
            Self::Flood => rng.within(500..=3_000),
        }
    }
}

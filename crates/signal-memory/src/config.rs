use std::time::Duration;

use signal_core::{Grant, Limits};

use crate::Fault;

/// How a world is made. Change single fields of [`Config::new`]:
///
/// ```
/// use signal_memory::{Config, World};
///
/// let mut config = Config::new(42);
/// config.rooms = 3;
/// config.limits.topics_per_peer_max = 4;
/// let world = World::with_config(config);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Decides everything that is left to chance: delays, and the order in which peers are
    /// restored.
    pub seed: u64,
    /// How many rooms there are: relays, or Durable Objects, that know nothing of each other.
    /// Default: 1.
    pub rooms: usize,
    /// The limits of every room.
    pub limits: Limits,
    /// The longest base delay of a link; each link draws its own, from 1 ms. Default: 80 ms, half a
    /// world away.
    pub delay_max: Duration,
    /// How much longer a single message may take. It never overtakes an earlier one of its link.
    /// Default: 20 ms.
    pub jitter_max: Duration,
    /// Messages that may wait for one peer to read them; one more and it is ended as a slow
    /// consumer. Default: 1,024.
    pub outbound_frames_max: usize,
    /// Bytes that may wait for one peer to read them. Default: 1 MiB.
    pub outbound_bytes_max: usize,
    /// Lines of transcript that are kept. Default: 100,000.
    pub transcript_lines_max: usize,
    /// A rule to break on purpose, to see that a check notices. Default: none.
    pub fault: Option<Fault>,
}

impl Config {
    /// A world with one room, the default limits, and links like those between homes.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rooms: 1,
            limits: Limits::default(),
            delay_max: Duration::from_millis(80),
            jitter_max: Duration::from_millis(20),
            outbound_frames_max: 1_024,
            outbound_bytes_max: 1024 * 1024,
            transcript_lines_max: 100_000,
            fault: None,
        }
    }
}

/// A room of a world, counted from 0.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RoomId(pub usize);

/// How a peer connects.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PeerOptions {
    /// Where. Default: the first room.
    pub room: RoomId,
    /// What it may do. Default: everything.
    pub grant: Grant,
    /// The delay of its link in each direction. Default: drawn from the seed.
    pub delay: Option<Duration>,
    /// How long it takes over each message it reads. Default: no time.
    pub pace: Duration,
}

impl PeerOptions {
    /// An unlimited peer of the first room.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connects to this room instead.
    #[must_use]
    pub fn room(mut self, room: RoomId) -> Self {
        self.room = room;
        self
    }

    /// Connects with this grant. Its expiry is read on the room's own [clock](crate::World::clock).
    #[must_use]
    pub fn grant(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }

    /// Connects over a link of this delay.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Reads slowly: one message in this time.
    #[must_use]
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }
}

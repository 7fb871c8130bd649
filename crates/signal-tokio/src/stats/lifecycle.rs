//! How far a relay is in its life.

/// Whether a relay takes new peers. It only moves forward.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Lifecycle {
    /// It takes new peers.
    #[default]
    Serving,
    /// It takes none, and closes those it has.
    Draining,
    /// All have gone.
    Drained,
}

impl Lifecycle {
    /// All states, in their order.
    pub const ALL: [Self; 3] = [Self::Serving, Self::Draining, Self::Drained];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Drained => "drained",
        }
    }
}

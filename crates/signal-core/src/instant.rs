use core::time::Duration;

/// A point in time: milliseconds since an origin that the host chooses.
///
/// The core never reads a clock; every call that depends on time takes `now`. A server counts from its start, a host that
/// hibernates uses Unix time, a test writes `Instant::from_millis(30_000)`. Time that goes back is clamped to the latest
/// time seen, and arithmetic saturates, so no clock can make the core panic. A clock that is set back an hour therefore stops
/// budgets and deadlines for that hour: a host that can choose passes a monotonic one.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Self = Self(0);

    /// The instant this many milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This instant moved by `duration`, which is rounded down to milliseconds.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        let millis = duration.as_millis();
        let millis = if millis > u64::MAX as u128 {
            u64::MAX
        } else {
            millis as u64
        };
        Self(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this instant is; zero if it is not.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

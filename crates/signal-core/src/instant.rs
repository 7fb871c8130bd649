use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

/// A point in time: milliseconds since an origin that the host chooses.
///
/// The core never reads a clock; every call that depends on time takes `now`. A server counts from
/// its start, a host that hibernates uses Unix time, a test writes `Instant::from_millis(30_000)`.
/// Time that goes back is clamped to the latest time seen, and arithmetic saturates, so no clock
/// can make the core panic. A clock that is set back an hour therefore stops budgets and deadlines
/// for that hour: a host that can choose passes a monotonic one.
///
/// An `Option<Instant>` needs no more room than an `Instant`; for that, the last millisecond of a
/// `u64` is taken for the one before it.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(
    /// Milliseconds, the origin's included.
    NonZeroU64,
);

impl Instant {
    /// The origin.
    pub const ZERO: Self = Self::from_millis(0);

    /// The instant this many milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(millis))
    }

    /// Milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.0.get() - 1
    }

    /// This instant moved by `duration`, which is rounded down to milliseconds.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        let seconds = duration.as_secs().saturating_mul(1_000);
        let millis = seconds.saturating_add(duration.subsec_millis() as u64);
        Self(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this instant is; zero if it is not.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.as_millis().saturating_sub(earlier.as_millis()))
    }
}

impl Default for Instant {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instant").field(&self.as_millis()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn milliseconds_come_back_as_they_were_given() {
        for millis in [0, 1, 30_000, u64::MAX - 1] {
            let instant = Instant::from_millis(millis);
            assert_eq!(instant.as_millis(), millis);
            assert_eq!(format!("{instant:?}"), format!("Instant({millis})"));
        }
        assert_eq!(Instant::default(), Instant::ZERO);
    }

    #[test]
    fn the_end_of_time_is_one_instant() {
        let end = Instant::from_millis(u64::MAX);
        assert_eq!(end, Instant::from_millis(u64::MAX - 1));
        assert_eq!(end.saturating_add(Duration::MAX), end);
        assert_eq!(Instant::ZERO.saturating_since(end), Duration::ZERO);
    }
}

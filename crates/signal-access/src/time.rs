use core::time::Duration;

use signal_core::Instant;

/// A point in time by the calendar: milliseconds since 1970, which is what the times in a token
/// count from.
///
/// The crate reads no clock; the host passes the time in.
///
/// ```
/// use signal_access::UnixTime;
/// use std::time::SystemTime;
///
/// let now = UnixTime::since_1970(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default());
/// assert!(now > UnixTime::from_secs(1_700_000_000));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The time this many seconds after 1970 began.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// The time this many milliseconds after 1970 began.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time this long after 1970 began, which is how `std` measures it.
    pub const fn since_1970(elapsed: Duration) -> Self {
        // The origin of the core's time is the host's choice; here it is 1970.
        Self(Instant::ZERO.saturating_add(elapsed).as_millis())
    }

    /// Whole seconds since 1970.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This time moved by `duration`.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(
            Instant::from_millis(self.0)
                .saturating_add(duration)
                .as_millis(),
        )
    }

    /// How long after `earlier` this time is; zero if it is not.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

//! The time, as the core counts it.

use std::time::Duration;

use signal_core::Instant;
use tokio::time::Instant as RuntimeInstant;

/// Longer than any timer need run: timers are set again when they fire.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Counts since the relay began. It is the clock of the runtime, so that tests can move it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: RuntimeInstant,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        Self {
            origin: RuntimeInstant::now(),
        }
    }

    pub(crate) fn now(self) -> Instant {
        let elapsed = self.origin.elapsed().as_millis();
        Instant::from_millis(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// A moment as the runtime counts it. What lies too far ahead is a year from now.
    pub(crate) fn runtime_instant(self, at: Instant) -> RuntimeInstant {
        let since_origin = Duration::from_millis(at.as_millis());
        self.origin
            .checked_add(since_origin)
            .unwrap_or_else(first_timer)
    }
}

/// What a timer is made with before its deadline is known: later than it need ever be set.
pub(crate) fn first_timer() -> RuntimeInstant {
    RuntimeInstant::now() + YEAR
}

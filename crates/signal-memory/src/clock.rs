use std::time::Duration;

use signal_core::Instant;

/// How a clock is set wrong, or right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Jump {
    /// By so much into the future.
    Forward(Duration),
    /// By so much into the past.
    Back(Duration),
}

/// The clock of one host: the time of the world, moved by what its jumps add up to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    ahead_millis: u64,
}

impl Default for Clock {
    /// A day ahead, so that it can be set back.
    fn default() -> Self {
        Self {
            ahead_millis: 24 * 60 * 60 * 1_000,
        }
    }
}

impl Clock {
    /// What this clock shows at a moment of the world.
    pub(crate) fn at(self, now: Instant) -> Instant {
        now.saturating_add(Duration::from_millis(self.ahead_millis))
    }

    /// The moment of the world at which this clock shows `clock`.
    pub(crate) fn when(self, clock: Instant) -> Instant {
        Instant::from_millis(clock.as_millis().saturating_sub(self.ahead_millis))
    }

    /// Sets the clock. It cannot be set back to before it began.
    pub(crate) fn jump(&mut self, jump: Jump) {
        let millis = |by: Duration| u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.ahead_millis = match jump {
            Jump::Forward(by) => self.ahead_millis.saturating_add(millis(by)),
            Jump::Back(by) => self.ahead_millis.saturating_sub(millis(by)),
        };
    }
}

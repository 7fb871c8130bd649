use core::time::Duration;

use signal_core::Instant;

/// The time that the machine goes by: that of the host, without its jumps.
///
/// A step of more than `step_max` counts as one of `step_max`, whether the clock was set forward or
/// the process stood still: who was not looking cannot say that others were silent. A step back of
/// more than that is a clock that was set, and time goes on from there; a smaller one is a call
/// that came late, and counts as now.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    step_max: Duration,
    /// What the host said last.
    host: Instant,
    now: Instant,
    /// How much the host's time went forward beyond the machine's, and when that last happened.
    skipped: Duration,
    skipped_at: Instant,
}

impl Clock {
    pub(crate) const fn new(host: Instant, step_max: Duration) -> Self {
        // Far from the origin, so that what was long ago can be said.
        let now = Instant::from_millis(1 << 40);
        Self {
            step_max,
            host,
            now,
            skipped: Duration::ZERO,
            skipped_at: now,
        }
    }

    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    pub(crate) const fn host(&self) -> Instant {
        self.host
    }

    /// Takes the host's time, and returns the machine's.
    pub(crate) fn advance(&mut self, host: Instant) -> Instant {
        let back = self.host.saturating_since(host);
        if back.is_zero() || back > self.step_max {
            let forward = host.saturating_since(self.host);
            let step = forward.min(self.step_max);
            self.host = host;
            self.now = self.now.saturating_add(step);
            if forward > step {
                // One jump is remembered; earlier ones are added to it, which errs to the safe
                // side.
                self.skipped = self.skipped.saturating_add(forward - step);
                self.skipped_at = self.now;
            }
        }
        self.now
    }

    /// A time to come, as the host will say it.
    pub(crate) const fn to_host(&self, at: Instant) -> Instant {
        self.host.saturating_add(at.saturating_since(self.now))
    }

    /// A time that is over, as the host said it then, or earlier.
    pub(crate) fn past_to_host(&self, at: Instant) -> Instant {
        let skipped = if at <= self.skipped_at {
            self.skipped
        } else {
            Duration::ZERO
        };
        let ago = self.now.saturating_since(at).saturating_add(skipped);
        before(self.host, ago)
    }
}

/// The instant `duration` before this one.
pub(crate) fn before(instant: Instant, duration: Duration) -> Instant {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Instant::from_millis(instant.as_millis().saturating_sub(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(1);

    fn passed(hosts: &[u64]) -> u64 {
        let mut clock = Clock::new(Instant::from_millis(10_000), STEP);
        let start = clock.now();
        for host in hosts {
            clock.advance(Instant::from_millis(*host));
        }
        clock.now().saturating_since(start).as_millis() as u64
    }

    #[test]
    fn jumps_count_as_one_step_and_late_calls_not_at_all() {
        assert_eq!(passed(&[10_400, 10_900]), 900);
        assert_eq!(passed(&[99_000, 99_100]), 1_100);
        assert_eq!(passed(&[10_500, 10_300, 10_600]), 600);
        assert_eq!(passed(&[10_500, 3_000, 3_200]), 700);
    }

    #[test]
    fn the_past_is_as_the_host_said_it_or_earlier() {
        let mut clock = Clock::new(Instant::from_millis(10_000), STEP);
        let start = clock.now();
        clock.advance(Instant::from_millis(10_600));
        assert_eq!(clock.past_to_host(start), Instant::from_millis(10_000));
        clock.advance(Instant::from_millis(70_600));
        assert_eq!(clock.past_to_host(start), Instant::from_millis(10_000));
    }
}

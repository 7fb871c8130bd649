use std::time::Duration;

/// How long to wait before the next try: exponential, with full jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            failures: 0,
        }
    }

    /// The longest the next wait may be.
    fn ceiling(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.min.saturating_mul(factor).min(self.max)
    }

    /// Notes a failure and picks the wait after it, `fraction` of the longest.
    pub(super) fn fail(&mut self, fraction: f64) -> Duration {
        let wait = self.ceiling().mul_f64(fraction);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Notes a connection that lasted. One that broke at once counts as a failure: a relay that
    /// accepts and closes must not be asked again at full speed.
    pub(super) fn lasted(&mut self, duration: Duration) {
        if duration >= self.max {
            self.failures = 0;
        } else if duration >= self.min {
            self.failures = self.failures.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_a_random_part_of_it() {
        let mut backoff = Backoff::new(millis(100), millis(1_000));
        let waits: Vec<_> = (0..6).map(|_| backoff.fail(1.0)).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000].map(millis));
        assert_eq!(backoff.fail(0.25), millis(250));
    }

    #[test]
    fn only_a_connection_that_lasted_is_forgiven_everything() {
        let mut backoff = Backoff::new(millis(100), millis(1_000));
        for _ in 0..80 {
            backoff.fail(1.0);
        }
        backoff.lasted(millis(5));
        assert_eq!(backoff.ceiling(), millis(1_000));
        backoff.lasted(millis(1_000));
        assert_eq!(backoff.ceiling(), millis(100));
    }
}

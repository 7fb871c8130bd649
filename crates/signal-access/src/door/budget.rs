use core::time::Duration;

use signal_core::Instant;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// More in a minute cannot be told apart in whole milliseconds.
const PER_MINUTE_MAX: u32 = 60_000;

/// So many a minute, all at once or spread: a GCRA bucket, as the time at which it will be full
/// again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Budget {
    full_at: Instant,
}

impl Budget {
    /// How long until one more is within the budget; zero if it is now.
    pub(crate) fn wait(self, now: Instant, per_minute: u32) -> Duration {
        let full_at = self.after_one_more(now, per_minute);
        full_at.saturating_since(now).saturating_sub(MINUTE)
    }

    /// Takes one, if it is within the budget.
    pub(crate) fn take(&mut self, now: Instant, per_minute: u32) -> bool {
        let is_within = self.wait(now, per_minute).is_zero();
        if is_within {
            self.full_at = self.after_one_more(now, per_minute);
        }
        is_within
    }

    /// Gives one back.
    pub(crate) fn give_back(&mut self, per_minute: u32) {
        let millis = u64::try_from(interval(per_minute).as_millis()).unwrap_or(u64::MAX);
        self.full_at = Instant::from_millis(self.full_at.as_millis().saturating_sub(millis));
    }

    /// When the budget will be full again, and nothing needs to be known of it.
    pub(crate) fn full_at(self) -> Instant {
        self.full_at
    }

    fn after_one_more(self, now: Instant, per_minute: u32) -> Instant {
        self.full_at.max(now).saturating_add(interval(per_minute))
    }
}

fn interval(per_minute: u32) -> Duration {
    MINUTE
        .checked_div(per_minute.clamp(1, PER_MINUTE_MAX))
        .unwrap_or(MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_minutes_worth_may_be_taken_at_once_and_comes_back_one_by_one() {
        let mut budget = Budget::default();
        for _ in 0..6 {
            assert!(budget.take(at(0), 6));
        }
        assert!(!budget.take(at(0), 6));
        assert_eq!(budget.wait(at(0), 6), Duration::from_secs(10));
        assert!(!budget.take(at(9_999), 6));
        assert!(budget.take(at(10_000), 6));
        assert!(!budget.take(at(10_000), 6));
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let mut budget = Budget::default();
        for _ in 0..1_000 {
            assert!(budget.take(at(5), 1));
            budget.give_back(1);
        }
    }

    #[test]
    fn no_rate_and_no_time_is_too_much() {
        let end = at(u64::MAX);
        for per_minute in [0, 1, 60_000, u32::MAX] {
            let mut budget = Budget::default();
            assert!(budget.take(end, per_minute));
            budget.give_back(per_minute);
            assert!(budget.take(at(0), per_minute) || budget.full_at() > at(60_000));
        }
    }
}

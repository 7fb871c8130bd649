use signal_core::Instant;

use crate::pace::taken_in;
use crate::queue::{Level, QueueLimits};

/// What waited for a reader at some moment, and by when one that is not slow has taken it: tells
/// those that only have much on its way from those that keep it, however little that is.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    level: Level,
    /// How much of it is not taken yet.
    behind: u64,
    late_at: Instant,
}

impl Backlog {
    /// Begins with what waits now.
    pub fn new(now: Instant, level: Level, limits: &QueueLimits) -> Self {
        let patience = limits.grace.saturating_add(taken_in(level.waiting));
        Self {
            level,
            behind: level.waiting,
            late_at: now.saturating_add(patience),
        }
    }

    /// Goes on by how full the queue is now. Once all that waited is taken, it begins anew.
    #[must_use]
    pub fn after(self, now: Instant, level: Level, limits: &QueueLimits) -> Self {
        let behind = self.behind.saturating_sub(level.taken_since(self.level));
        if behind == 0 {
            return Self::new(now, level, limits);
        }
        Self {
            level,
            behind,
            late_at: self.late_at,
        }
    }

    /// Whether what waited is not taken in time.
    pub fn is_late(&self, now: Instant) -> bool {
        self.behind > 0 && self.late_at <= now
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    const LIMITS: QueueLimits = QueueLimits {
        bytes_max: 1 << 20,
        grace: Duration::from_secs(1),
    };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn level(waiting: u64, queued: u64) -> Level {
        Level { waiting, queued }
    }

    #[test]
    fn what_is_not_taken_in_time_is_late_however_little_it_is() {
        let backlog = Backlog::new(at(0), level(25_000, 25_000), &LIMITS);
        assert!(!backlog.is_late(at(1_099)));
        let more = backlog.after(at(900), level(50_000, 50_000), &LIMITS);
        assert!(more.is_late(at(1_100)), "what comes later changes nothing");
    }

    #[test]
    fn who_takes_what_waited_begins_anew_however_much_comes() {
        let mut backlog = Backlog::new(at(0), level(25_000, 25_000), &LIMITS);
        for second in 1..100 {
            let queued = 25_000 * (second + 1);
            backlog = backlog.after(at(second * 1_000), level(25_000, queued), &LIMITS);
            assert!(!backlog.is_late(at(second * 1_000)));
        }
    }

    #[test]
    fn who_takes_half_of_it_is_late() {
        let backlog = Backlog::new(at(0), level(25_000, 25_000), &LIMITS);
        let half = backlog.after(at(500), level(12_500, 25_000), &LIMITS);
        assert!(half.is_late(at(1_100)));
    }
}

use core::time::Duration;

use signal_core::Instant;

use crate::pace::taken_in;
use crate::queue::{Level, QueueLimits};

/// How much of what waited for a reader at some moment it has not taken yet, and by when one that
/// is not slow has taken it all: tells those that only have much on its way from those that keep
/// it, however little that is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behind {
    bytes: u64,
    late_at: Instant,
}

impl Behind {
    /// Notes that so much waits now, unless some of an earlier moment does still. A reader has this
    /// long to take it, and as long as a slow one needs for it.
    pub fn expect(&mut self, now: Instant, bytes: u64, patience: Duration) {
        if self.bytes == 0 {
            self.bytes = bytes;
            self.late_at = now.saturating_add(patience.saturating_add(taken_in(bytes)));
        }
    }

    /// Notes that so much was taken.
    pub const fn taken(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Whether not all of it is taken in time.
    pub fn is_late(&self, now: Instant) -> bool {
        self.bytes > 0 && self.late_at <= now
    }
}

/// [`Behind`], on a host whose runtime has the queue and only says how much is in it.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    level: Level,
    behind: Behind,
}

impl Backlog {
    /// Begins with what waits now.
    pub fn new(now: Instant, level: Level, limits: &QueueLimits) -> Self {
        let mut behind = Behind::default();
        behind.expect(now, level.waiting, limits.grace);
        Self { level, behind }
    }

    /// Goes on by how full the queue is now. Once all that waited is taken, it begins anew.
    #[must_use]
    pub fn after(self, now: Instant, level: Level, limits: &QueueLimits) -> Self {
        let mut behind = self.behind;
        behind.taken(level.taken_since(self.level));
        behind.expect(now, level.waiting, limits.grace);
        Self { level, behind }
    }

    /// Whether what waited is not taken in time.
    pub fn is_late(&self, now: Instant) -> bool {
        self.behind.is_late(now)
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

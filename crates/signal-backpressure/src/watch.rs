use core::time::Duration;

use signal_core::Instant;

use crate::pace::Pace;
use crate::queue::{Level, QueueLimits};

/// How long it is not looked again, unless the grace is shorter: what is taken in less says little.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A reader for which more waits than may, on a host whose runtime has the queue and only says how
/// much is in it.
///
/// It is enough to look when [`poll_timeout`](Self::poll_timeout) has come, after the runtime has
/// had a chance to write.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    pace: Pace,
    look_at: Instant,
    level: Level,
}

/// How a reader does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// No more waits for it than may: it need not be watched.
    Within,
    /// More does, and it takes it fast enough.
    Over,
    /// More does, and it is to be ended.
    Slow,
}

impl Watch {
    /// Begins, as more waits than may.
    pub fn new(now: Instant, level: Level, limits: &QueueLimits) -> Self {
        let pace = Pace::new(now, limits.grace);
        Self {
            pace,
            look_at: pace.late_at(),
            level,
        }
    }

    /// Judges by how full the queue is now.
    pub fn look(&mut self, now: Instant, level: Level, limits: &QueueLimits) -> Verdict {
        let taken = level.taken_since(self.level);
        self.level = level;
        if level.waiting <= limits.bytes_max {
            return Verdict::Within;
        }
        // A host that comes late has not written meanwhile either. One that takes nothing gains
        // nothing by it.
        self.pace.forgive(now.saturating_since(self.look_at));
        let waited = level.waiting.saturating_add(taken);
        self.pace.earn(now, limits.grace, taken, waited);
        if self.pace.is_late(now) {
            return Verdict::Slow;
        }
        if self.look_at <= now {
            let pause = LOOK_INTERVAL.min(limits.grace);
            self.look_at = self.pace.late_at().max(now.saturating_add(pause));
        }
        Verdict::Over
    }

    /// When to look next.
    pub const fn poll_timeout(&self) -> Instant {
        self.look_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1024 * 1024;
    const LIMITS: QueueLimits = QueueLimits {
        bytes_max: LIMIT,
        grace: Duration::from_secs(1),
    };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// When a reader is ended for which so much waits at first, and comes each second, and which
    /// takes so much each second, all of it looked at only when it is due. None if it is up to
    /// date before, or stays for a minute.
    fn ended_after(waiting: u64, more: u64, taken: u64) -> Option<u64> {
        let level = |millis: u64| {
            let queued = waiting + more * millis / 1_000;
            let taken = (taken * millis / 1_000).min(queued);
            Level {
                waiting: queued - taken,
                queued,
            }
        };
        let mut watch = Watch::new(at(0), level(0), &LIMITS);
        loop {
            let due = watch.poll_timeout();
            match watch.look(due, level(due.as_millis()), &LIMITS) {
                Verdict::Within => return None,
                Verdict::Over if due > at(60_000) => return None,
                Verdict::Over => {
                    assert!(watch.poll_timeout() > due, "it would be looked at forever")
                }
                Verdict::Slow => return Some(due.as_millis()),
            }
        }
    }

    #[test]
    fn one_that_takes_nothing_is_slow_after_the_grace() {
        assert_eq!(ended_after(2 * LIMIT, 0, 0), Some(1_000));
        assert_eq!(ended_after(128 * LIMIT, 0, 0), Some(1_000));
    }

    #[test]
    fn one_that_takes_2_mbit_of_a_burst_is_not() {
        assert_eq!(ended_after(2 * LIMIT, 0, 250_000), None);
        assert_eq!(
            ended_after(2 * LIMIT, 250_000, 250_000),
            None,
            "it is up to date"
        );
        assert!(ended_after(2 * LIMIT, 0, 125_000).is_some());
    }

    #[test]
    fn one_that_takes_a_burst_of_a_hundred_peers_in_ten_seconds_is_not() {
        let waiting = 100 * LIMIT;
        assert_eq!(ended_after(waiting, 0, waiting / 10), None);
        assert!(ended_after(waiting, 0, waiting / 20).is_some());
    }

    #[test]
    fn one_that_takes_less_than_comes_is_slow_once_it_would_be_old() {
        let ended = ended_after(LIMIT + 1, 393_216, 250_000);
        assert!(
            ended.is_some_and(|ended| (10_000..45_000).contains(&ended)),
            "{ended:?}"
        );
    }

    #[test]
    fn a_host_that_was_away_does_not_end_one_that_reads_and_does_one_that_does_not() {
        let level = |waiting| Level {
            waiting,
            queued: 30 * LIMIT,
        };
        let mut reads = Watch::new(at(0), level(30 * LIMIT), &LIMITS);
        assert_eq!(
            reads.look(at(5_000), level(29 * LIMIT), &LIMITS),
            Verdict::Over
        );
        assert!(reads.poll_timeout() > at(5_000));
        let mut stopped = Watch::new(at(0), level(30 * LIMIT), &LIMITS);
        assert_eq!(
            stopped.look(at(5_000), level(30 * LIMIT), &LIMITS),
            Verdict::Slow
        );
    }

    #[test]
    fn a_look_before_its_time_neither_ends_nor_forgives() {
        let level = Level {
            waiting: 2 * LIMIT,
            queued: 2 * LIMIT,
        };
        let mut watch = Watch::new(at(0), level, &LIMITS);
        for millis in 0..1_000 {
            assert_eq!(watch.look(at(millis), level, &LIMITS), Verdict::Over);
            assert_eq!(watch.poll_timeout(), at(1_000));
        }
        assert_eq!(watch.look(at(1_000), level, &LIMITS), Verdict::Slow);
    }

    #[test]
    fn a_trickle_earns_no_look_after_look() {
        let mut watch = Watch::new(at(0), level_after(0), &LIMITS);
        let mut looks = 0;
        loop {
            let due = watch.poll_timeout();
            looks += 1;
            match watch.look(due, level_after(due.as_millis()), &LIMITS) {
                Verdict::Over => assert!(looks < 20, "{due:?}"),
                Verdict::Within => panic!("a trickle is not enough"),
                Verdict::Slow => break,
            }
        }
    }

    /// A reader that takes a byte each millisecond.
    fn level_after(millis: u64) -> Level {
        Level {
            waiting: 4 * LIMIT - millis,
            queued: 4 * LIMIT,
        }
    }

    #[test]
    fn without_grace_it_is_judged_at_the_first_look() {
        let limits = QueueLimits {
            grace: Duration::ZERO,
            ..LIMITS
        };
        let level = Level {
            waiting: 2 * LIMIT,
            queued: 2 * LIMIT,
        };
        let mut watch = Watch::new(at(7), level, &limits);
        assert_eq!(watch.poll_timeout(), at(7));
        assert_eq!(watch.look(at(7), level, &limits), Verdict::Slow);
    }
}

use core::time::Duration;

use signal_core::Instant;

/// The slowest reader that is not to blame for what waits for it takes so much: 2 Mbit/s.
const BYTES_PER_MILLI_MIN: u64 = 250;
/// And of much that waits a part as large as if all of it were to be taken in this time: what is
/// older is of no use to anybody who wants to connect.
const BACKLOG_MILLIS_MAX: u64 = 10_000;
/// How many times its limit a queue may hold at once. What it holds past the limit is judged by how
/// fast it is taken; this is only there to be an end. It has room for what all peers that one
/// address may have can say at once, with their whole bursts.
const BURST_FACTOR: u64 = 128;
/// But at least so much: what many say in a moment is not less for a low limit.
const BURST_BYTES_MIN: u64 = 32 * 1024 * 1024;

/// By when no more may wait for a reader than its limit.
///
/// It begins when more does, and each byte that is taken puts it off: a reader may pause for its
/// grace, and not read too slowly for long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    late_at: Instant,
}

impl Pace {
    /// Begins, as more waits than may.
    pub const fn new(now: Instant, grace: Duration) -> Self {
        Self {
            late_at: now.saturating_add(grace),
        }
    }

    /// Notes that so many bytes were taken of those that waited. They earn the time in which a
    /// reader that is not slow takes them, up to the grace that there was at first.
    pub fn earn(&mut self, now: Instant, grace: Duration, taken: u64, waited: u64) {
        let full = now.saturating_add(grace);
        let late_at = self.late_at.saturating_add(due_in(taken, waited));
        self.late_at = late_at.min(full);
    }

    /// Notes that for so long the reader could not have been served, whatever it did.
    pub fn forgive(&mut self, away: Duration) {
        self.late_at = self.late_at.saturating_add(away);
    }

    /// When the reader is too slow, unless it takes something until then.
    pub const fn late_at(&self) -> Instant {
        self.late_at
    }

    /// Whether it is too slow.
    pub fn is_late(&self, now: Instant) -> bool {
        self.late_at <= now
    }
}

/// How long a reader that is not to blame may need for so many bytes of those that wait for it.
pub fn due_in(bytes: u64, waiting: u64) -> Duration {
    let pace = waiting
        .checked_div(BACKLOG_MILLIS_MAX)
        .unwrap_or_default()
        .max(BYTES_PER_MILLI_MIN);
    Duration::from_millis(bytes.div_ceil(pace))
}

/// How long the slowest reader that is not to blame needs for so many bytes.
pub const fn taken_in(bytes: u64) -> Duration {
    Duration::from_millis(bytes / BYTES_PER_MILLI_MIN)
}

/// How much may wait for one reader at once, however fast it reads, if so much may for longer.
pub const fn burst_bytes_max(bytes_max: u64) -> u64 {
    let burst = bytes_max.saturating_mul(BURST_FACTOR);
    if burst < BURST_BYTES_MIN {
        return BURST_BYTES_MIN;
    }
    burst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_taken_at_two_megabits_and_much_in_ten_seconds() {
        assert_eq!(due_in(250, 1_000_000), Duration::from_millis(1));
        assert_eq!(due_in(1, 0), Duration::from_millis(1));
        assert_eq!(due_in(10_000, 100_000_000), Duration::from_millis(1));
        assert_eq!(due_in(u64::MAX, u64::MAX), Duration::from_millis(10_001));
        assert_eq!(taken_in(500_000), Duration::from_secs(2));
    }

    #[test]
    fn a_burst_has_room_for_a_crowd_whatever_the_limit_is() {
        assert_eq!(burst_bytes_max(1), 32 << 20);
        assert_eq!(burst_bytes_max(1 << 20), 128 << 20);
        assert_eq!(burst_bytes_max(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_reader_may_pause_for_its_grace_and_no_longer() {
        let at = Instant::from_millis;
        let grace = Duration::from_secs(1);
        let mut pace = Pace::new(at(0), grace);
        pace.earn(at(900), grace, 8 << 20, 16 << 20);
        assert!(!pace.is_late(at(1_899)));
        assert!(pace.is_late(at(1_900)));
    }
}

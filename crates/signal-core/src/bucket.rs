use crate::Instant;

const NANOS_PER_MILLI: u64 = 1_000_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// How fast a budget refills and how much it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    pub(crate) const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }

    /// The time one unit takes to refill.
    fn interval(self) -> u64 {
        NANOS_PER_SECOND / u64::from(self.per_second.max(1))
    }

    /// How far ahead of the clock a bucket may run: a full burst.
    fn tolerance(self) -> u64 {
        self.interval().saturating_mul(u64::from(self.burst))
    }
}

/// A token bucket in one integer: the generic cell rate algorithm.
///
/// The integer is the *theoretical arrival time* in nanoseconds: the moment at which the bucket
/// will be full again. It needs no timer and no clock of its own, and fits into a snapshot as it
/// is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) full_at: u64,
}

impl Bucket {
    /// Takes one unit if there is one.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let now = nanos(now);
        let after = self.full_at.max(now).saturating_add(rate.interval());
        if after.saturating_sub(now) > rate.tolerance() {
            return false;
        }
        self.full_at = after;
        true
    }

    /// Whether the bucket owes more than its burst.
    pub(crate) fn is_overdrawn(&self, now: Instant, rate: Rate) -> bool {
        self.full_at.saturating_sub(nanos(now)) >= rate.tolerance()
    }

    /// Takes `units`, into debt if need be.
    pub(crate) fn charge(&mut self, now: Instant, rate: Rate, units: u64) {
        let cost = rate.interval().saturating_mul(units);
        self.full_at = self.full_at.max(nanos(now)).saturating_add(cost);
    }
}

fn nanos(now: Instant) -> u64 {
    now.as_millis().saturating_mul(NANOS_PER_MILLI)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(10, 3);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_burst_passes_and_the_next_unit_waits_for_its_interval() {
        let mut bucket = Bucket::default();
        assert!((0..3).all(|_| bucket.take(at(0), RATE)));
        assert!(!bucket.take(at(99), RATE));
        assert!(bucket.take(at(100), RATE));
        assert!(!bucket.take(at(100), RATE));
    }

    #[test]
    fn a_refused_unit_costs_nothing() {
        let mut bucket = Bucket::default();
        assert!((0..3).all(|_| bucket.take(at(0), RATE)));
        assert!((0..1_000).all(|_| !bucket.take(at(50), RATE)));
        assert!(bucket.take(at(100), RATE));
    }

    #[test]
    fn a_debt_is_paid_at_the_rate() {
        let mut bucket = Bucket::default();
        bucket.charge(at(0), RATE, 13);
        assert!(bucket.is_overdrawn(at(1_000), RATE));
        assert!(!bucket.is_overdrawn(at(1_001), RATE));
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let mut bucket = Bucket::default();
        bucket.charge(at(u64::MAX), RATE, u64::MAX);
        let _ = bucket.take(at(u64::MAX), RATE);
        let _ = bucket.is_overdrawn(at(0), RATE);
    }
}

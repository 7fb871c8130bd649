use crate::Limits;

/// Thousandths of a unit in a unit: what refills in a millisecond is a whole number of them.
const PARTS: u64 = 1_000;

/// A token bucket: how much of a budget is used, in thousandths of a unit. It may be more than the
/// budget, as a debt.
///
/// It has no clock of its own; its peer's refills it. So nothing here is divided or rounded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) used: u64,
}

impl Bucket {
    /// Takes one unit if there is one.
    pub(crate) fn take(&mut self, burst: u32) -> bool {
        let is_there = self.used.saturating_add(PARTS) <= u64::from(burst) * PARTS;
        self.used += if is_there { PARTS } else { 0 };
        is_there
    }

    /// Whether nothing is left, or less than nothing.
    pub(crate) fn is_spent(&self, burst: u64) -> bool {
        self.used >= burst.saturating_mul(PARTS)
    }

    /// Takes `units`, into debt if need be.
    pub(crate) fn charge(&mut self, units: u64) {
        self.used = self.used.saturating_add(units.saturating_mul(PARTS));
    }

    fn refill(&mut self, millis: u64, per_second: u64) {
        self.used = self.used.saturating_sub(millis.saturating_mul(per_second));
    }
}

/// All budgets of a peer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Budgets {
    pub(crate) messages: Bucket,
    pub(crate) pings: Bucket,
    pub(crate) bytes: Bucket,
    pub(crate) fan_out: Bucket,
    pub(crate) fan_out_bytes: Bucket,
    pub(crate) strikes: Bucket,
}

impl Budgets {
    /// In the order of a snapshot.
    pub(crate) fn each(&mut self) -> [&mut Bucket; 6] {
        [
            &mut self.messages,
            &mut self.pings,
            &mut self.bytes,
            &mut self.fan_out,
            &mut self.fan_out_bytes,
            &mut self.strikes,
        ]
    }

    /// Gives back what time has earned.
    pub(crate) fn refill(&mut self, millis: u64, limits: &Limits) {
        let rates = [
            limits.messages_per_second.into(),
            limits.pings_per_second.into(),
            limits.bytes_per_second.into(),
            limits.fan_out_per_second.into(),
            limits.fan_out_bytes_per_second,
            limits.strikes_per_second.into(),
        ];
        for (bucket, per_second) in self.each().into_iter().zip(rates) {
            bucket.refill(millis, per_second);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_unit_waits_for_its_time() {
        let mut bucket = Bucket::default();
        assert!((0..3).all(|_| bucket.take(3)));
        bucket.refill(99, 10);
        assert!(!bucket.take(3));
        bucket.refill(1, 10);
        assert!(bucket.take(3));
        assert!(!bucket.take(3));
    }

    #[test]
    fn a_refused_unit_costs_nothing() {
        let mut bucket = Bucket::default();
        assert!((0..3).all(|_| bucket.take(3)));
        bucket.refill(50, 10);
        assert!((0..1_000).all(|_| !bucket.take(3)));
        bucket.refill(50, 10);
        assert!(bucket.take(3));
    }

    #[test]
    fn a_debt_is_paid_at_the_rate() {
        let mut bucket = Bucket::default();
        bucket.charge(13);
        bucket.refill(1_000, 10);
        assert!(bucket.is_spent(3));
        bucket.refill(1, 10);
        assert!(!bucket.is_spent(3));
    }

    #[test]
    fn thirds_of_a_second_add_up() {
        let mut bucket = Bucket::default();
        bucket.charge(3);
        (0..1_000).for_each(|_| bucket.refill(1, 3));
        assert_eq!(bucket, Bucket::default());
    }

    #[test]
    fn the_end_of_numbers_does_not_overflow() {
        let mut bucket = Bucket::default();
        bucket.charge(u64::MAX);
        assert!(!bucket.take(u32::MAX) && bucket.is_spent(u64::MAX));
        bucket.refill(u64::MAX, u64::MAX);
        assert!(bucket.take(1));
    }
}

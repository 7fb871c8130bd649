use signal_core::Instant;

/// How long a period is. A peer counts as settled after one to two of them: longer than a client
/// lasts that is closed for what it sends, and comes back at once.
const PERIOD_MILLIS: u64 = 10_000;

/// When somebody came: in which period.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Period(u32);

impl Period {
    pub(crate) fn of(now: Instant) -> Self {
        let number = now.as_millis().checked_div(PERIOD_MILLIS).unwrap_or(0);
        // Neighbours stay neighbours, and that is all that is compared.
        Self(number as u32)
    }

    /// A period in which everybody has settled by now.
    pub(crate) fn long_before(now: Instant) -> Self {
        Self::of(now).before().before()
    }

    fn before(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }
}

/// Those who are connected from one address, by how they behave: each of them in one of the four.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Crowd {
    /// The latest period in which somebody was looked at.
    period: Period,
    /// Who came in this period.
    young: u32,
    /// Who came in the one before.
    older: u32,
    settled: u32,
    /// Who has done what peers are closed for.
    offending: u32,
}

impl Crowd {
    pub(crate) fn count(&self) -> u32 {
        self.young
            .saturating_add(self.older)
            .saturating_add(self.settled)
            .saturating_add(self.offending)
    }

    /// Those who have been here for a while and have done nothing wrong.
    pub(crate) fn settled(&self, now: Instant) -> u32 {
        let mut crowd = *self;
        crowd.age(now);
        crowd.settled
    }

    pub(crate) fn enter(&mut self, now: Instant, period: Period) {
        self.age(now);
        *self.group(period) = self.group(period).saturating_add(1);
    }

    pub(crate) fn leave(&mut self, now: Instant, period: Period, has_offended: bool) {
        self.age(now);
        let group = if has_offended {
            &mut self.offending
        } else {
            self.group(period)
        };
        *group = group.saturating_sub(1);
    }

    pub(crate) fn offend(&mut self, now: Instant, period: Period) {
        self.leave(now, period, false);
        self.offending = self.offending.saturating_add(1);
    }

    fn group(&mut self, period: Period) -> &mut u32 {
        if period == self.period {
            &mut self.young
        } else if period == self.period.before() {
            &mut self.older
        } else {
            &mut self.settled
        }
    }

    /// Moves on to the period of now.
    fn age(&mut self, now: Instant) {
        let period = Period::of(now);
        if period == self.period {
            return;
        }
        let is_next = period.before() == self.period;
        self.settled = self.settled.saturating_add(self.older);
        if !is_next {
            self.settled = self.settled.saturating_add(self.young);
        }
        self.older = if is_next { self.young } else { 0 };
        self.young = 0;
        self.period = period;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn peers_settle_after_ten_to_twenty_seconds() {
        let mut crowd = Crowd::default();
        for second in [1, 9] {
            crowd.enter(at(second), Period::of(at(second)));
        }
        for (second, settled) in [(9, 0), (10, 0), (19, 0), (20, 2), (1_000, 2)] {
            assert_eq!(crowd.settled(at(second)), settled, "at {second} s");
        }
        assert_eq!(crowd.count(), 2);
    }

    #[test]
    fn each_is_counted_out_of_the_group_that_it_is_in() {
        let mut crowd = Crowd::default();
        let periods = [1, 15, 25, 26].map(|second| {
            crowd.enter(at(second), Period::of(at(second)));
            Period::of(at(second))
        });
        assert_eq!((crowd.settled, crowd.older, crowd.young), (1, 1, 2));
        crowd.offend(at(27), periods[1]);
        crowd.leave(at(28), periods[0], false);
        assert_eq!((crowd.settled, crowd.older, crowd.young), (0, 0, 2));
        crowd.leave(at(31), periods[1], true);
        assert_eq!((crowd.older, crowd.offending), (2, 0));
        crowd.leave(at(90), periods[2], false);
        crowd.leave(at(91), periods[3], false);
        assert_eq!(crowd.count(), 0);
    }

    #[test]
    fn a_peer_that_was_here_before_has_settled() {
        for second in [0, 5, 10, 600] {
            let mut crowd = Crowd::default();
            crowd.enter(at(second), Period::long_before(at(second)));
            assert_eq!(crowd.settled(at(second)), 1, "at {second} s");
        }
    }
}

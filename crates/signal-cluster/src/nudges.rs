use core::time::Duration;

use signal_core::Instant;

/// When to make local peers announce again, because others may have missed what they said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nudges {
    /// Since when another node has had another view.
    differs: Option<Instant>,
    planned: Option<Planned>,
    /// For topics of which it is not known yet that there is somebody elsewhere: since when peers
    /// must have published, and until when it counts.
    late: Option<(Instant, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    due: Instant,
    /// It is not put off beyond that.
    latest: Instant,
    since: Instant,
}

impl Nudges {
    /// A gap that began at `since` is over: once all is settled, those announce again who published
    /// since then. Gaps that end together are one.
    pub(crate) fn plan(&mut self, now: Instant, since: Instant, settled_after: Duration) {
        let due = now.saturating_add(settled_after);
        self.planned = Some(match self.planned {
            None => Planned {
                due,
                latest: due.saturating_add(settled_after),
                since,
            },
            Some(planned) => Planned {
                due: due.min(planned.latest),
                latest: planned.latest,
                since: since.min(planned.since),
            },
        });
    }

    /// Notes whether all nodes have the same view, and returns since when they had not if that has
    /// just ended.
    pub(crate) fn views_differ(&mut self, now: Instant, differ: bool) -> Option<Instant> {
        if differ {
            self.differs.get_or_insert(now);
            None
        } else {
            self.differs.take()
        }
    }

    /// Whether another node has had another view when it was heard last.
    pub(crate) const fn do_views_differ(&self) -> bool {
        self.differs.is_some()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.planned.map(|planned| planned.due)
    }

    /// Since when peers must have published to announce again now. For as long as it takes to lose
    /// a node, it counts for topics that turn out to have subscribers elsewhere.
    pub(crate) fn take_due(&mut self, now: Instant, dead_after: Duration) -> Option<Instant> {
        let planned = self.planned.take_if(|planned| planned.due <= now)?;
        self.late = Some((planned.since, now.saturating_add(dead_after)));
        Some(planned.since)
    }

    /// Since when peers may have been missed of whom it is not settled yet.
    pub(crate) fn unsettled_since(&self, now: Instant) -> Option<Instant> {
        let planned = self.planned.map(|planned| planned.since);
        let times = [planned, self.late(now), self.differs];
        times.into_iter().flatten().min()
    }

    /// Since when peers of a topic must have published to announce again now that there is somebody
    /// elsewhere.
    pub(crate) fn late(&self, now: Instant) -> Option<Instant> {
        let (since, until) = self.late?;
        (now <= until).then_some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn gaps_that_end_together_are_one_and_not_put_off_without_end() {
        let (mut nudges, settled) = (Nudges::default(), Duration::from_millis(2_500));
        nudges.plan(at(10_000), at(7_000), settled);
        nudges.plan(at(11_000), at(5_000), settled);
        assert_eq!(nudges.poll_timeout(), Some(at(13_500)));
        nudges.plan(at(13_400), at(6_000), settled);
        assert_eq!(nudges.take_due(at(14_999), settled), None);
        assert_eq!(nudges.late(at(14_999)), None);
        assert_eq!(nudges.take_due(at(15_000), settled), Some(at(5_000)));
        assert_eq!(nudges.take_due(at(20_000), settled), None);
        assert_eq!(nudges.late(at(17_500)), Some(at(5_000)));
        assert_eq!(nudges.late(at(17_501)), None);
    }

    #[test]
    fn the_beginning_of_a_difference_is_known_when_it_ends() {
        let mut nudges = Nudges::default();
        assert_eq!(nudges.views_differ(at(1), true), None);
        assert_eq!(nudges.views_differ(at(2), true), None);
        assert_eq!(nudges.views_differ(at(3), false), Some(at(1)));
        assert_eq!(nudges.views_differ(at(4), false), None);
    }
}

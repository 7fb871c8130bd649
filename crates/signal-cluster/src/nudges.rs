use core::time::Duration;

use signal_core::Instant;

use crate::clock::before;

/// When to make local peers announce again, because others may have missed what they said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nudges {
    /// Since when another node has had another view.
    differs: Option<Instant>,
    /// Since when peers had published who announced again meanwhile: who had the other view may not
    /// have heard it.
    early: Option<Instant>,
    /// The same of those who did so while a link did not carry what was said.
    open: Option<Instant>,
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

    /// Notes whether all nodes have the same view. If they had not, and that has just ended after
    /// longer than `settled_after`, returns since when peers may have been missed for it: `margin`
    /// before it began, or what was to be made up for meanwhile.
    pub(crate) fn views_differ(
        &mut self,
        now: Instant,
        differ: bool,
        settled_after: Duration,
        margin: Duration,
    ) -> Option<Instant> {
        if differ {
            self.differs.get_or_insert(now);
            return None;
        }
        let (began, early) = (self.differs.take()?, self.early.take());
        let began_before = before(began, margin);
        let since = early.map_or(began_before, |early| early.min(began_before));
        (now.saturating_since(began) > settled_after).then_some(since)
    }

    /// Once all links carry what is said: since when peers must have published to announce once
    /// more, as they did so while one did not.
    pub(crate) fn take_open(&mut self, is_settled: bool) -> Option<Instant> {
        self.open.take_if(|_| is_settled)
    }

    /// Whether another node has had another view when it was heard last.
    pub(crate) const fn do_views_differ(&self) -> bool {
        self.differs.is_some()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.planned.map(|planned| planned.due)
    }

    /// Since when peers must have published to announce again now. For as long as it takes to lose
    /// a node, it counts for topics that turn out to have subscribers elsewhere. `is_settled` says
    /// whether all links carry what is said.
    pub(crate) fn take_due(
        &mut self,
        now: Instant,
        dead_after: Duration,
        is_settled: bool,
    ) -> Option<Instant> {
        let planned = self.planned.take_if(|planned| planned.due <= now)?;
        self.late = Some((planned.since, now.saturating_add(dead_after)));
        if self.differs.is_some() {
            let early = self.early.unwrap_or(planned.since);
            self.early = Some(early.min(planned.since));
        }
        if !is_settled {
            let open = self.open.unwrap_or(planned.since);
            self.open = Some(open.min(planned.since));
        }
        Some(planned.since)
    }

    /// Since when peers may have been missed of whom it is not settled yet.
    pub(crate) fn unsettled_since(&self, now: Instant) -> Option<Instant> {
        let planned = self.planned.map(|planned| planned.since);
        let times = [planned, self.late(now), self.differs, self.early, self.open];
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
        assert_eq!(nudges.take_due(at(14_999), settled, true), None);
        assert_eq!(nudges.late(at(14_999)), None);
        assert_eq!(nudges.take_due(at(15_000), settled, true), Some(at(5_000)));
        assert_eq!(nudges.take_due(at(20_000), settled, true), None);
        assert_eq!(nudges.late(at(17_500)), Some(at(5_000)));
        assert_eq!(nudges.late(at(17_501)), None);
    }

    #[test]
    fn a_difference_that_lasts_is_made_up_for_from_before_its_beginning() {
        let mut nudges = Nudges::default();
        let mut see = |now, differ| {
            let (settled, margin) = (Duration::from_millis(2_500), Duration::from_secs(15));
            nudges.views_differ(at(now), differ, settled, margin)
        };
        assert_eq!(see(20_000, true), None);
        assert_eq!(see(22_000, true), None);
        assert_eq!(see(22_500, false), None, "it was short");
        assert_eq!(see(30_000, true), None);
        assert_eq!(see(32_501, false), Some(at(15_000)));
        assert_eq!(see(40_000, false), None);
    }

    #[test]
    fn those_who_announced_again_while_views_differed_do_so_once_more() {
        let (mut nudges, settled) = (Nudges::default(), Duration::from_millis(2_500));
        let margin = Duration::from_secs(15);
        let see = |nudges: &mut Nudges, now, differ| {
            nudges.views_differ(at(now), differ, settled, margin)
        };
        nudges.plan(at(56_000), at(7_000), settled);
        assert_eq!(see(&mut nudges, 56_000, true), None);
        assert_eq!(nudges.take_due(at(58_500), settled, true), Some(at(7_000)));
        assert_eq!(nudges.unsettled_since(at(66_000)), Some(at(7_000)));
        assert_eq!(see(&mut nudges, 67_000, false), Some(at(7_000)));
        assert_eq!(nudges.unsettled_since(at(67_000)), None);
    }

    #[test]
    fn those_who_announced_again_while_a_link_was_not_settled_do_so_once_more() {
        let (mut nudges, settled) = (Nudges::default(), Duration::from_millis(2_500));
        nudges.plan(at(40_000), at(20_000), settled);
        assert_eq!(
            nudges.take_due(at(42_500), settled, false),
            Some(at(20_000))
        );
        assert_eq!(nudges.take_open(false), None);
        assert_eq!(nudges.unsettled_since(at(60_000)), Some(at(20_000)));
        assert_eq!(nudges.take_open(true), Some(at(20_000)));
        assert_eq!(nudges.take_open(true), None);
        nudges.plan(at(60_000), at(20_000), settled);
        assert_eq!(nudges.take_due(at(62_500), settled, true), Some(at(20_000)));
        assert_eq!(nudges.take_open(true), None);
    }
}

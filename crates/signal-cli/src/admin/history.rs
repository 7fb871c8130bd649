use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use signal_tokio::{SentType, Stats};

/// How often the numbers are noted.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// Five minutes.
const POINTS: usize = 150;

/// The numbers of the plots over the last minutes, so that somebody who opens the page sees what
/// led to now.
#[derive(Debug, Default)]
pub(super) struct History {
    points: VecDeque<Point>,
    /// When the last refusal was noted, in milliseconds since the start.
    last_refusal: Option<u64>,
}

/// The numbers of one moment. Those that count are since the start; the page makes rates of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Point {
    /// Milliseconds since the start.
    at: u64,
    peers: u64,
    topics: u64,
    messages: u64,
    deliveries: u64,
    sent_bytes: u64,
    queue_bytes: u64,
    upgrades: u64,
    refusals: u64,
}

impl Point {
    pub(super) fn new(at: Duration, stats: &Stats) -> Self {
        Self {
            at: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            peers: stats.peers,
            topics: stats.topics,
            messages: stats.messages_received(),
            deliveries: stats.sent(SentType::Publish).count,
            sent_bytes: stats.sent.iter().map(|(_, traffic)| traffic.bytes).sum(),
            queue_bytes: stats.queue_bytes,
            upgrades: stats.upgrades,
            refusals: stats.refusals.iter().map(|(_, count)| count).sum(),
        }
    }
}

impl History {
    pub(super) fn note(&mut self, at: Duration, stats: &Stats) {
        let point = Point::new(at, stats);
        self.last_refusal = self.last_refusal(&point);
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    /// When the last refusal was by `now`, which may have seen another; as exact as points are
    /// noted.
    pub(super) fn last_refusal(&self, now: &Point) -> Option<u64> {
        let seen = self.points.back().map_or(0, |point| point.refusals);
        (now.refusals > seen)
            .then_some(now.at)
            .or(self.last_refusal)
    }

    pub(super) fn points(&self) -> Vec<Point> {
        self.points.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_last_refusal_is_kept_longer_than_the_points() {
        let mut history = History::default();
        let mut stats = Stats::default();
        let at = Duration::from_secs;
        history.note(at(2), &stats);
        assert_eq!(history.last_refusal(&Point::new(at(3), &stats)), None);
        stats.refusals = vec![(signal_tokio::RefusalCause::Origin, 1)];
        let now = Point::new(at(3), &stats);
        assert_eq!(history.last_refusal(&now), Some(3_000), "not noted yet");
        for second in 4..400 {
            history.note(at(second), &stats);
        }
        let now = Point::new(at(400), &stats);
        assert_eq!(history.last_refusal(&now), Some(4_000));
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let mut history = History::default();
        let stats = Stats::default();
        for second in 0..200 {
            history.note(Duration::from_secs(second), &stats);
        }
        let points = history.points();
        assert_eq!(points.len(), POINTS);
        assert_eq!((points[0].at, points[POINTS - 1].at), (50_000, 199_000));
    }
}

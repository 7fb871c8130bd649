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
pub(super) struct History(VecDeque<Point>);

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
        if self.0.len() == POINTS {
            self.0.pop_front();
        }
        self.0.push_back(Point::new(at, stats));
    }

    pub(super) fn points(&self) -> Vec<Point> {
        self.0.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! What the relay refuses and closes, as sums.

use std::time::{Duration, Instant};

use signal_tokio::{CloseReason, Ending, Stats};

/// The least time between two lines.
const EVERY: Duration = Duration::from_secs(60);

/// Tells of refused upgrades and of closed connections, at most once a minute, and not at all while
/// there are none.
#[derive(Debug)]
pub(super) struct Trouble {
    told: Counts,
    /// Since when what is not reported yet has been counted.
    since: Instant,
    told_at: Option<Instant>,
}

/// How often which cause was seen since the start.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Counts {
    refused: Vec<(&'static str, u64)>,
    closed: Vec<(&'static str, u64)>,
}

/// What is to be reported.
#[derive(Debug, Eq, PartialEq)]
struct Line {
    refused: u64,
    closed: u64,
    seconds: u64,
    causes: String,
}

impl Trouble {
    pub(super) fn new(now: Instant, stats: &Stats) -> Self {
        Self {
            told: Counts::of(stats),
            since: now,
            told_at: None,
        }
    }

    /// Reads what has been counted, and reports it if it is time.
    pub(super) fn look(&mut self, now: Instant, stats: &Stats) {
        if let Some(line) = self.line(now, Counts::of(stats)) {
            line.tell();
        }
    }

    fn line(&mut self, now: Instant, counts: Counts) -> Option<Line> {
        if counts == self.told {
            self.since = now;
            return None;
        }
        let is_early = |at| now.saturating_duration_since(at) < EVERY;
        if self.told_at.is_some_and(is_early) {
            return None;
        }
        let line = Line::between(
            &self.told,
            &counts,
            now.saturating_duration_since(self.since),
        );
        (self.told, self.since, self.told_at) = (counts, now, Some(now));
        Some(line)
    }
}

/// Tells of everything since the start, at the end.
pub(super) fn tell_all(stats: &Stats) {
    let counts = Counts::of(stats);
    let line = Line::between(&Counts::default(), &counts, Duration::ZERO);
    if line.refused + line.closed > 0 {
        tracing::info!(
            refused = line.refused,
            closed = line.closed,
            "since the start: {}",
            line.causes
        );
    }
}

impl Counts {
    fn of(stats: &Stats) -> Self {
        let refused = stats.refusals.iter();
        let closed = stats
            .endings
            .iter()
            .filter(|(ending, _)| is_trouble(*ending));
        Self {
            refused: refused
                .map(|(cause, count)| (cause.name(), *count))
                .collect(),
            closed: closed
                .map(|(ending, count)| (ending.name(), *count))
                .collect(),
        }
    }
}

/// Whether the relay ended it for what the peer did or did not do. Peers that leave, vanish, are
/// drained or closed by hand are expected.
fn is_trouble(ending: Ending) -> bool {
    match ending {
        Ending::ByRelay(reason) => {
            !matches!(reason, CloseReason::Draining | CloseReason::ByOperator)
        }
        Ending::WriteDeadline => true,
        Ending::ByPeer | Ending::Lost | _ => false,
    }
}

impl Line {
    fn between(before: &Counts, now: &Counts, time: Duration) -> Self {
        let refused = more(&before.refused, &now.refused);
        let closed = more(&before.closed, &now.closed);
        let sum = |counts: &[(&str, u64)]| counts.iter().map(|(_, count)| count).sum();
        let all = refused.iter().chain(&closed);
        let causes: Vec<String> = all.map(|(name, count)| format!("{name} {count}")).collect();
        Self {
            refused: sum(&refused),
            closed: sum(&closed),
            seconds: time.as_secs().max(1),
            causes: causes.join(", "),
        }
    }

    fn tell(&self) {
        let Self {
            refused,
            closed,
            seconds,
            causes,
        } = self;
        tracing::info!(
            refused,
            closed,
            seconds,
            "refused {refused} requests and closed {closed} connections in {seconds} s: {causes}"
        );
    }
}

/// What has been added, without what has not.
fn more(before: &[(&'static str, u64)], now: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
    let added = now.iter().map(|(name, count)| {
        let before = before.iter().find(|(known, _)| known == name);
        (*name, count - before.map_or(0, |(_, count)| *count))
    });
    added.filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rate: u64, origin: u64, slow: u64) -> Counts {
        Counts {
            refused: vec![("connect_rate", rate), ("origin", origin)],
            closed: vec![("slow_consumer", slow)],
        }
    }

    #[test]
    fn a_storm_is_one_line_at_once_and_then_one_a_minute() {
        let start = Instant::now();
        let mut trouble = Trouble {
            told: counts(0, 0, 0),
            since: start,
            told_at: None,
        };
        let mut lines = Vec::new();
        for second in (10..=600).step_by(10) {
            let counts = counts(second * 1_000, 0, second / 100);
            let line = trouble.line(start + Duration::from_secs(second), counts);
            lines.extend(line.map(|line| (second, line)));
        }
        let seconds: Vec<u64> = lines.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [10, 70, 130, 190, 250, 310, 370, 430, 490, 550]);
        let first = Line {
            refused: 10_000,
            closed: 0,
            seconds: 10,
            causes: "connect_rate 10000".to_owned(),
        };
        assert_eq!(lines[0].1, first);
        let third = Line {
            refused: 60_000,
            closed: 1,
            seconds: 60,
            causes: "connect_rate 60000, slow_consumer 1".to_owned(),
        };
        assert_eq!(lines[2].1, third);
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let start = Instant::now();
        let mut trouble = Trouble {
            told: counts(5, 5, 5),
            since: start,
            told_at: None,
        };
        for minute in 1..10 {
            let now = start + Duration::from_secs(60 * minute);
            assert_eq!(trouble.line(now, counts(5, 5, 5)), None);
        }
        let late = start + Duration::from_secs(610);
        let line = trouble.line(late, counts(5, 6, 5)).expect("a line");
        assert_eq!((line.refused, line.seconds), (1, 70), "since the last look");
    }
}

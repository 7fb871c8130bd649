//! Which server is tried next, and when.

use std::time::Duration;

use tokio::time::Instant;

use crate::problem::Problem;
use crate::server::Server;

/// The pause after all servers have failed once; it doubles with each round.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause, so that an engine that is back is noticed within the time in which a node
/// that is silent counts as gone.
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// Nodes that have lost the same server do not all come to the next one at once.
const SPREAD: Duration = Duration::from_millis(100);
/// A connection that was lost sooner counts as one that has failed.
const STABLE_AFTER: Duration = Duration::from_secs(5);
/// How long a server that has announced its end is left alone. NATS servers take two minutes for
/// it.
const LAME_FOR: Duration = Duration::from_secs(180);
/// It counts as one that has failed so often more. It may be back, and the only one that is.
const LAME_FAILURES: u32 = 2;

pub(crate) struct Servers {
    entries: Vec<Entry>,
    /// Attempts since a connection was stable.
    failures: u32,
    connected_at: Option<Instant>,
}

struct Entry {
    server: Server,
    failures: u32,
    lame_until: Option<Instant>,
    /// What was said of it, so that it is said once.
    reported: Option<Problem>,
}

impl Servers {
    pub(crate) fn new(servers: &[Server]) -> Self {
        let entry = |server: &Server| Entry {
            server: server.clone(),
            failures: 0,
            lame_until: None,
            reported: None,
        };
        Self {
            entries: servers.iter().map(entry).collect(),
            failures: 0,
            connected_at: None,
        }
    }

    /// The server to try next, and how long to wait before: of those that have failed least, any.
    pub(crate) fn choose(&mut self, now: Instant) -> (usize, Server, Duration) {
        let is_lame = |entry: &Entry| entry.lame_until.is_some_and(|until| now < until);
        let rank = |index: &usize| {
            let entry = &self.entries[*index];
            let is_lame = is_lame(entry);
            let extra = if is_lame { LAME_FAILURES } else { 0 };
            (entry.failures.saturating_add(extra), is_lame)
        };
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        fastrand::shuffle(&mut order);
        let index = order.into_iter().min_by_key(rank).unwrap_or_default();
        (index, self.entries[index].server.clone(), self.pause())
    }

    fn pause(&self) -> Duration {
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX).max(1);
        let rounds = self.failures / count;
        let spread = if self.failures == 0 && self.connected_at.is_none() {
            Duration::ZERO
        } else {
            SPREAD
        };
        let pause = match rounds.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => PAUSE.saturating_mul(1 << doublings.min(10)).min(PAUSE_MAX) / count,
        };
        pause.mul_f64(0.5 + fastrand::f64() / 2.0) + spread.mul_f64(fastrand::f64())
    }

    /// Notes that a server could not be used. True if that is news.
    pub(crate) fn failed(&mut self, index: usize, problem: &Problem) -> bool {
        self.failures = self.failures.saturating_add(1);
        let entry = &mut self.entries[index];
        entry.failures = entry.failures.saturating_add(1);
        // Which words the operating system has for it may change from one attempt to the next.
        let is_news = match (&entry.reported, problem) {
            (None, _) => true,
            (Some(Problem::Unreachable(_)), Problem::Unreachable(_)) => false,
            (Some(reported), problem) => reported != problem,
        };
        if is_news {
            entry.reported = Some(problem.clone());
        }
        is_news
    }

    /// Notes that a server is in use from now on.
    pub(crate) fn connected(&mut self, index: usize, now: Instant) {
        self.connected_at = Some(now);
        let entry = &mut self.entries[index];
        entry.failures = 0;
        entry.lame_until = None;
    }

    /// Notes that the server in use is lost. True if that is news.
    pub(crate) fn lost(&mut self, index: usize, now: Instant, problem: &Problem) -> bool {
        let is_stable = self
            .connected_at
            .is_some_and(|since| now.duration_since(since) >= STABLE_AFTER);
        if is_stable {
            self.failures = 0;
            self.entries[index].reported = None;
        }
        let is_news = self.failed(index, problem);
        if is_stable {
            // The first attempt is not to wait.
            self.failures = 0;
        }
        is_news
    }

    /// Notes that the operator wants it tried anew: at once, and whatever is wrong is said again.
    pub(crate) fn forgive(&mut self) {
        self.failures = 0;
        for entry in &mut self.entries {
            entry.failures = 0;
            entry.reported = None;
        }
    }

    /// Notes that a server has announced its end.
    pub(crate) fn leaves(&mut self, index: usize, now: Instant) {
        self.entries[index].lame_until = Some(now + LAME_FOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: usize) -> Servers {
        let server = |index| format!("nats://s{index}").parse().expect("an address");
        Servers::new(&(0..count).map(server).collect::<Vec<_>>())
    }

    fn gone() -> Problem {
        Problem::Unreachable("connection refused".to_owned())
    }

    #[test]
    fn every_server_is_tried_before_there_is_a_pause() {
        let (mut servers, now) = (servers(3), Instant::now());
        let mut tried = Vec::new();
        for _ in 0..3 {
            let (index, _, pause) = servers.choose(now);
            assert!(pause <= SPREAD, "{pause:?}");
            tried.push(index);
            servers.failed(index, &gone());
        }
        tried.sort_unstable();
        assert_eq!(tried, [0, 1, 2]);
        assert!(servers.choose(now).2 >= PAUSE / 6);
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_never_end_the_attempts() {
        let (mut servers, now) = (servers(1), Instant::now());
        let mut longest = Duration::ZERO;
        for _ in 0..10_000 {
            let (index, _, pause) = servers.choose(now);
            longest = longest.max(pause);
            servers.failed(index, &gone());
        }
        assert!(
            longest > PAUSE_MAX / 2 && longest <= PAUSE_MAX + SPREAD,
            "{longest:?}"
        );
    }

    #[test]
    fn a_stable_connection_that_is_lost_is_made_anew_at_once_and_a_short_one_is_not() {
        let (mut servers, start) = (servers(1), Instant::now());
        for _ in 0..10 {
            servers.failed(0, &gone());
        }
        servers.connected(0, start);
        servers.lost(0, start + Duration::from_secs(1), &gone());
        assert!(servers.choose(start).2 > PAUSE_MAX / 4);
        servers.connected(0, start);
        servers.lost(0, start + STABLE_AFTER, &gone());
        assert!(servers.choose(start).2 <= SPREAD);
    }

    #[test]
    fn a_server_that_announced_its_end_is_tried_once_the_others_have_failed() {
        let (mut servers, now) = (servers(2), Instant::now());
        servers.leaves(0, now);
        for _ in 0..=LAME_FAILURES {
            assert_eq!(servers.choose(now).0, 1);
            servers.failed(1, &gone());
        }
        assert_eq!(servers.choose(now).0, 0);
    }

    #[test]
    fn a_server_is_lame_for_a_while_only() {
        let (mut servers, now) = (servers(2), Instant::now());
        servers.leaves(0, now);
        servers.failed(1, &gone());
        assert_eq!(servers.choose(now).0, 1);
        assert_eq!(servers.choose(now + LAME_FOR).0, 0);
    }

    #[test]
    fn what_is_wrong_is_news_once_and_again_when_it_changes_or_after_it_was_well() {
        let (mut servers, now) = (servers(2), Instant::now());
        let refused = Problem::Credentials("authorization violation".to_owned());
        let other = Problem::Unreachable("timed out".to_owned());
        assert!(servers.failed(0, &gone()));
        assert!(!servers.failed(0, &other));
        assert!(servers.failed(1, &gone()));
        assert!(servers.failed(0, &refused));
        assert!(!servers.failed(0, &refused));
        servers.forgive();
        assert!(servers.failed(0, &refused));
        servers.connected(0, now);
        assert!(servers.lost(0, now + STABLE_AFTER, &refused));
    }
}

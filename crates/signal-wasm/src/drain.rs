//! Ending without a herd: closes are spread, so that not all clients come back at once.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use signal_core::{Instant, PeerId};

/// Peers that are to be closed, each at its time.
#[derive(Debug)]
pub(crate) struct Drain {
    start: Instant,
    spread: Duration,
    count: u32,
    closed: u32,
    peers: vec::IntoIter<PeerId>,
}

impl Drain {
    pub(crate) fn new(start: Instant, spread: Duration, peers: Vec<PeerId>) -> Self {
        Self {
            start,
            spread,
            count: u32::try_from(peers.len()).unwrap_or(u32::MAX).max(1),
            closed: 0,
            peers: peers.into_iter(),
        }
    }

    /// The next peer whose time has come.
    pub(crate) fn next(&mut self, now: Instant) -> Option<PeerId> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.closed += 1;
        self.peers.next()
    }

    /// When the next peer is to be closed: each has an equal slice of the spread.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.peers.as_slice().first()?;
        let after = self.spread.saturating_mul(self.closed) / self.count;
        Some(self.start.saturating_add(after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn closes_are_spread_evenly_from_the_first_moment_on() {
        let peers = [3, 5, 8, 9].map(PeerId::new).to_vec();
        let mut drain = Drain::new(at(1_000), Duration::from_secs(10), peers);
        let mut closes = Vec::new();
        while let Some(due) = drain.poll_timeout() {
            assert_eq!(drain.next(at(due.as_millis() - 1)), None);
            closes.push((due.as_millis(), drain.next(due).map(PeerId::as_u64)));
        }
        let expected = [
            (1_000, Some(3)),
            (3_500, Some(5)),
            (6_000, Some(8)),
            (8_500, Some(9)),
        ];
        assert_eq!(closes, expected);
    }

    #[test]
    fn without_a_spread_all_are_closed_at_once() {
        let peers: Vec<_> = (1..100).map(PeerId::new).collect();
        let mut drain = Drain::new(at(7), Duration::ZERO, peers);
        assert_eq!(core::iter::from_fn(|| drain.next(at(7))).count(), 99);
        assert_eq!(drain.poll_timeout(), None);
    }
}

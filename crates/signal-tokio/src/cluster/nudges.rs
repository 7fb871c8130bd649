use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use signal_core::{CloseReason, Instant, PeerId};

use crate::hub::queue::Outbound;

/// Peers that are to announce again: each is closed at a random moment of a few seconds, so that
/// they do not come back as a herd.
#[derive(Debug, Default)]
pub(super) struct Nudges {
    spread: Duration,
    planned: BTreeMap<(Instant, PeerId), Arc<Outbound>>,
    /// Who is planned, since one may be in many topics.
    known: HashSet<PeerId>,
    /// How many were closed.
    pub(super) count: u64,
}

impl Nudges {
    /// None yet; they will be spread over this time.
    pub(super) fn new(spread: Duration) -> Self {
        Self {
            spread,
            ..Self::default()
        }
    }

    /// Plans one, unless it is planned already.
    pub(super) fn plan(&mut self, now: Instant, peer: PeerId, queue: &Arc<Outbound>) {
        if self.known.insert(peer) {
            let at = now.saturating_add(self.spread.mul_f64(fastrand::f64()));
            self.planned.insert((at, peer), Arc::clone(queue));
        }
    }

    /// Closes those whose time has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(first) = self.planned.first_entry() {
            let (at, peer) = *first.key();
            if at > now {
                return;
            }
            first.remove().end(CloseReason::AnnounceAgain);
            self.known.remove(&peer);
            self.count += 1;
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.planned.first_key_value().map(|((at, _), _)| *at)
    }
}

//! What the sessions of a relay share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use signal_core::{Limits, PeerId};

use crate::config::Config;
use crate::hub::registry::Registry;
use crate::hub::shards::Shards;
use crate::stats::Stats;
use crate::stats::counters::Counters;

/// The rooms of a relay: who is there, who listens to what, and what both are held to.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// As each peer holds them.
    pub(crate) limits: Arc<Limits>,
    /// What may wait for one peer.
    pub(crate) queue_bytes_max: usize,
    pub(crate) shards: Shards,
    pub(crate) registry: Registry,
    pub(crate) counters: Arc<Counters>,
    /// Whether messages are sent back instead of carried out; see
    /// [`Relay::echo`](crate::Relay::echo).
    pub(crate) is_echo: bool,
    next_peer: AtomicU64,
}

impl Rooms {
    pub(crate) fn new(config: &Config, counters: Arc<Counters>, is_echo: bool) -> Self {
        Self {
            limits: Arc::new(config.core.clone()),
            queue_bytes_max: config.outbound_bytes_max,
            shards: Shards::new(config.outbound_bytes_max),
            registry: Registry::default(),
            counters,
            is_echo,
            next_peer: AtomicU64::new(1),
        }
    }

    /// A number that no other peer of this relay has had.
    pub(crate) fn next_peer(&self) -> PeerId {
        PeerId::new(self.next_peer.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        self.shards.fill(stats);
        self.registry.fill(stats);
    }
}

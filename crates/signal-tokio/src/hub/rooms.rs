//! What the sessions of a relay share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use signal_core::{Limits, PeerId};

use crate::config::Config;
use crate::hub::memory::Memory;
use crate::hub::registry::Registry;
use crate::hub::shards::Shards;
use crate::lock::Lock;
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
    pub(crate) memory: Memory,
    /// Held by whoever makes room, so that one is enough: how many turns may pass without a look at
    /// who holds most.
    makes_room: Lock<usize>,
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
            memory: Memory::new(config.memory_max),
            makes_room: Lock::default(),
            is_echo,
            next_peer: AtomicU64::new(1),
        }
    }

    /// A number that no other peer of this relay has had.
    pub(crate) fn next_peer(&self) -> PeerId {
        PeerId::new(self.next_peer.fetch_add(1, Ordering::Relaxed))
    }

    /// Ends those who hold most, if all together hold more than they may.
    ///
    /// What one holds that others hold too, as the frames of a room, is not free when it goes. So
    /// this may take more than one look, and each ends at least a sixteenth of what may be held.
    pub(crate) fn make_room(&self) {
        if self.memory.excess() == 0 {
            return;
        }
        let Some(mut rest) = self.makes_room.try_lock() else {
            return;
        };
        if *rest > 0 {
            *rest -= 1;
            return;
        }
        // Once more: whoever was here before may have made enough.
        let excess = self.memory.excess();
        if excess == 0 {
            return;
        }
        let mut left = excess + self.memory.max() / 16;
        let (mut ended, mut holders) = (0_u64, self.registry.holders());
        holders.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, queue) in &holders {
            if left == 0 || *bytes == 0 {
                break;
            }
            queue.evict();
            ended += 1;
            left = left.saturating_sub(*bytes);
        }
        if ended == 0 {
            // All of it is on its way to sockets that have not been tried. A look costs as much as
            // there are peers, so it is not worth one in each of their turns.
            *rest = holders.len();
            return;
        }
        tracing::warn!(
            held = self.memory.held(),
            memory_max = self.memory.max(),
            ended,
            "more memory is held than may be: ended the peers that hold most"
        );
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        stats.memory_bytes = self.memory.held() as u64;
        stats.memory_bytes_max = self.memory.max() as u64;
        self.shards.fill(stats);
        self.registry.fill(stats);
    }
}

//! What the sessions of a relay share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use signal_backpressure::{Holder, whom_to_end};
use signal_core::{CloseReason, Instant, Limits, PeerId, Publish};

use crate::config::Config;
use crate::hub::batch::Queued;
use crate::hub::memory::Memory;
use crate::hub::observer::Observer;
use crate::hub::queue::{Outbound, Pushed};
use crate::hub::registry::Registry;
use crate::hub::shards::Shards;
use crate::hub::uplink::Uplink;
use crate::lock::Lock;
use crate::stats::counters::Counters;
use crate::stats::{SentType, Stats};

/// The rooms of a relay: who is there, who listens to what, and what both are held to.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// As each peer holds them.
    pub(crate) limits: Arc<Limits>,
    /// What may wait for one peer.
    pub(crate) queue_bytes_max: usize,
    /// How long what is on its way may take, beside what a slow peer needs for it.
    pub(crate) grace: Duration,
    pub(crate) shards: Shards,
    pub(crate) registry: Registry,
    pub(crate) counters: Arc<Counters>,
    pub(crate) memory: Memory,
    /// Locked by the thread that makes room, as one is enough. How many turns may pass without a
    /// look at which peers hold most.
    makes_room: Lock<usize>,
    /// Whether messages are sent back instead of carried out; see
    /// [`Relay::echo`](crate::Relay::echo).
    pub(crate) is_echo: bool,
    next_peer: AtomicU64,
}

impl Rooms {
    pub(crate) fn new(
        config: &Config,
        counters: Arc<Counters>,
        is_echo: bool,
        uplink: Option<Arc<Uplink>>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        Self {
            limits: Arc::new(config.core.clone()),
            queue_bytes_max: config.outbound_bytes_max,
            grace: config.outbound_grace,
            shards: Shards::new(config.outbound_bytes_max, uplink, observer),
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

    /// Queues a publish, which may be of a peer, for all subscribers of its topic and returns how
    /// many they are.
    #[inline]
    pub(crate) fn publish(&self, publish: &Publish<'_>, by: Option<PeerId>) -> usize {
        let receivers = self.shards.publish(publish, by);
        self.counters.count_fan_out(receivers);
        receivers
    }

    /// Queues a frame for one peer.
    pub(crate) fn answer(&self, queue: &Outbound, what: SentType, frame: BytesMut) {
        let frame = Queued::new(frame);
        match queue.push(&frame, self.queue_bytes_max) {
            Pushed::Queued => self.counters.count_sent(what, frame.len()),
            // The next turn hears so from the queue itself.
            Pushed::Overflowed | Pushed::Closed => {}
        }
    }

    /// Ends the connections that a subject has now, and returns how many they are.
    pub(crate) fn end_subject(&self, subject: &str, reason: CloseReason) -> usize {
        let end = PeerId::new(self.next_peer.load(Ordering::Relaxed));
        let mut ended = 0;
        self.registry.for_each_of(subject, end, |queue| {
            queue.end(reason);
            ended += 1;
        });
        ended
    }

    /// Ends the connections that subscribe to a topic now, and returns how many they are.
    pub(crate) fn end_topic(&self, topic: &str, reason: CloseReason) -> usize {
        let queues = self.shards.queues(topic);
        queues.iter().for_each(|queue| queue.end(reason));
        queues.len()
    }

    /// Ends those who hold most, if all together hold more than they may: see [`whom_to_end`]. What
    /// peers keep are topics, messages whose end does not come, and what they take too slowly.
    pub(crate) fn make_room(&self, now: Instant) {
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
        // Once more: the thread that was here before may have made enough.
        let excess = self.memory.excess();
        if excess == 0 {
            return;
        }
        let holders = self.registry.holders(now);
        let weighed = holders
            .iter()
            .enumerate()
            .map(|(key, (holding, _))| Holder {
                key,
                kept: holding.kept as u64,
                passing: holding.passing as u64,
                is_ending: false,
            });
        let bytes_max = self.memory.max() as u64;
        let ended = whom_to_end(weighed.collect(), excess as u64, bytes_max);
        ended.iter().for_each(|key| holders[*key].1.evict());
        if ended.is_empty() {
            // All of it is on its way to sockets that have not been tried. A look costs as much as
            // there are peers, so it is not worth one in each of their turns.
            *rest = holders.len();
            return;
        }
        tracing::warn!(
            held = self.memory.held(),
            memory_max = self.memory.max(),
            ended = ended.len(),
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

//! All connections, for those who must reach every one.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, MutexGuard};

use signal_core::{Instant, PeerId};

use crate::hub::queue::{Holding, Outbound};
use crate::lock::Lock;
use crate::stats::Stats;

const SHARDS: usize = 16;

type Queues = HashMap<PeerId, Arc<Outbound>, BuildHasherDefault<PeerHasher>>;

/// How many connections of a subject are looked up under one lock.
const LOOKED_UP_MAX: usize = 1_024;

/// The queue of every connection, topics or not.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    shards: [Lock<Queues>; SHARDS],
    /// The connections of those that have a subject, by its name.
    subjects: Lock<BTreeSet<(Arc<str>, PeerId)>>,
}

impl Registry {
    pub(crate) fn insert(&self, peer: PeerId, subject: Option<&Arc<str>>, queue: Arc<Outbound>) {
        self.shard(peer).insert(peer, queue);
        if let Some(subject) = subject {
            self.subjects.lock().insert((Arc::clone(subject), peer));
        }
    }

    pub(crate) fn remove(&self, peer: PeerId) {
        self.shard(peer).remove(&peer);
    }

    pub(crate) fn remove_from(&self, subject: &Arc<str>, peer: PeerId) {
        self.subjects.lock().remove(&(Arc::clone(subject), peer));
    }

    /// The queue of a connection, if that is still there.
    #[cfg(feature = "cluster")]
    pub(crate) fn queue(&self, peer: PeerId) -> Option<Arc<Outbound>> {
        self.shard(peer).get(&peer).map(Arc::clone)
    }

    /// Hands out the queues of a subject's connections, in the order in which they came, but for
    /// those with a number from `end` on: one that is ended may come back while this goes on.
    pub(crate) fn for_each_of(&self, subject: &str, end: PeerId, mut each: impl FnMut(&Outbound)) {
        let subject: Arc<str> = subject.into();
        let mut start = PeerId::new(0);
        loop {
            let range = (Arc::clone(&subject), start)..(Arc::clone(&subject), end);
            let subjects = self.subjects.lock();
            let peers = subjects.range(range).take(LOOKED_UP_MAX);
            let peers: Vec<_> = peers.map(|(_, peer)| *peer).collect();
            drop(subjects);
            for peer in &peers {
                let queue = self.shard(*peer).get(peer).map(Arc::clone);
                if let Some(queue) = queue {
                    each(&queue);
                }
            }
            match peers.last() {
                Some(last) if peers.len() == LOOKED_UP_MAX => {
                    start = PeerId::new(last.as_u64() + 1);
                }
                _ => return,
            }
        }
    }

    /// The queues of all connections, in no order.
    pub(crate) fn queues(&self) -> Vec<Arc<Outbound>> {
        let mut queues = Vec::new();
        for shard in &self.shards {
            queues.extend(shard.lock().values().map(Arc::clone));
        }
        queues
    }

    /// The queues of all connections with what each peer makes the relay hold, in no order.
    pub(crate) fn holders(&self, now: Instant) -> Vec<(Holding, Arc<Outbound>)> {
        let mut holders = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            holders.extend(
                shard
                    .values()
                    .map(|queue| (queue.holding(now), Arc::clone(queue))),
            );
        }
        holders
    }

    /// Adds up what waits in the queues, so that nobody has to count while they fill and empty.
    pub(crate) fn fill(&self, stats: &mut Stats) {
        for shard in &self.shards {
            shard.lock().values().for_each(|queue| {
                let bytes = queue.bytes() as u64;
                stats.queue_bytes += bytes;
                stats.queue_bytes_largest = stats.queue_bytes_largest.max(bytes);
            });
        }
    }

    fn shard(&self, peer: PeerId) -> MutexGuard<'_, Queues> {
        self.shards[peer.as_u64() as usize % SHARDS].lock()
    }
}

/// Hashes peer numbers, which we give out ourselves, with one multiplication.
#[derive(Debug, Default)]
struct PeerHasher(u64);

impl Hasher for PeerHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio spreads consecutive numbers over the high bits; the map
        // looks at both ends.
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

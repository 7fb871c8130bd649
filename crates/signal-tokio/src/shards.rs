//! Who listens to what, and where their frames go, in shards by topic.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_core::{CloseReason, Message, PeerId, Publish, Sink, Topics};

use crate::frame::{self, Opcode};
use crate::queue::{Outbound, Pushed, QueueLimits};
use crate::stats::{SentType, Stats, Traffic};

/// More than the cores of any machine this runs on, so that two publishes rarely meet; a shard without topics is 200 bytes.
const SHARDS: usize = 64;

/// All topics.
///
/// A lock is held for one change of a map, or for one walk over the receivers of a publish. Because all queues of a topic are
/// filled under one lock, its subscribers see one order; because each peer has one queue for all its topics, a publisher's
/// messages arrive in the order it sent them.
#[derive(Debug)]
pub(crate) struct Shards {
    shards: Box<[Mutex<Shard>]>,
    /// Clients choose topics, so the hash has a secret.
    hasher: RandomState,
    limits: QueueLimits,
}

#[derive(Debug, Default)]
struct Shard {
    topics: Topics,
    members: HashMap<PeerId, Member, BuildHasherDefault<PeerHasher>>,
    /// How many peers the topics have, each counted as often as it is subscribed.
    subscriptions: u64,
    /// Publishes queued for subscribers.
    sent: Traffic,
}

/// A peer with topics in a shard.
#[derive(Debug)]
struct Member {
    queue: Arc<Outbound>,
    /// How many topics of this shard it is in; the entry goes with the last.
    topics: usize,
}

impl Shards {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            shards,
            hasher: RandomState::new(),
            limits,
        }
    }

    pub(crate) fn subscribe(&self, peer: PeerId, queue: &Arc<Outbound>, topic: &str) {
        let mut shard = self.shard(topic);
        if shard.topics.subscribe(peer, topic) {
            let new = || Member {
                queue: Arc::clone(queue),
                topics: 0,
            };
            shard.members.entry(peer).or_insert_with(new).topics += 1;
            shard.subscriptions += 1;
        }
    }

    pub(crate) fn unsubscribe(&self, peer: PeerId, topic: &str) {
        let mut shard = self.shard(topic);
        if !shard.topics.unsubscribe(peer, topic) {
            return;
        }
        shard.subscriptions -= 1;
        let Some(member) = shard.members.get_mut(&peer) else {
            return;
        };
        member.topics -= 1;
        if member.topics == 0 {
            shard.members.remove(&peer);
        }
    }

    /// Queues a publish for all subscribers of its topic and returns how many they are.
    pub(crate) fn publish(&self, publish: &Publish<'_>) -> usize {
        let mut shard = self.shard(publish.topic());
        let shard = &mut *shard;
        let mut fan_out = FanOut {
            members: &shard.members,
            limits: self.limits,
            sent: Traffic::default(),
        };
        let receivers = shard.topics.publish(publish, &mut fan_out);
        shard.sent += fan_out.sent;
        receivers
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        let mut sent = Traffic::default();
        for shard in &self.shards {
            let shard = lock(shard);
            stats.topics += shard.topics.len() as u64;
            stats.subscriptions += shard.subscriptions;
            sent += shard.sent;
        }
        let publishes = stats.sent.iter_mut();
        publishes
            .filter(|(what, _)| *what == SentType::Publish)
            .for_each(|(_, traffic)| *traffic += sent);
    }

    fn shard(&self, topic: &str) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hasher.hash_one(topic) as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // No code that runs under this lock can panic half-way through a change.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frames a message once and puts the same bytes into every receiver's queue.
struct FanOut<'a> {
    members: &'a HashMap<PeerId, Member, BuildHasherDefault<PeerHasher>>,
    limits: QueueLimits,
    sent: Traffic,
}

impl Sink for FanOut<'_> {
    fn send(&mut self, to: &[PeerId], message: &Message) {
        let frame = frame::encode(Opcode::Text, message.as_bytes());
        for peer in to {
            let Some(member) = self.members.get(peer) else {
                continue;
            };
            match member.queue.push(&frame, self.limits) {
                Pushed::Queued => {
                    self.sent += Traffic {
                        count: 1,
                        bytes: frame.len() as u64,
                    };
                }
                // The connection hears of it from its queue.
                Pushed::Overflowed | Pushed::Closed => {}
            }
        }
    }

    // Pings and closes are the business of the task that owns the socket; `Topics` asks for neither.
    fn ping(&mut self, _to: PeerId) {}
    fn close(&mut self, _peer: PeerId, _reason: CloseReason) {}
}

/// Hashes peer numbers, which we give out ourselves, with one multiplication.
#[derive(Debug, Default)]
pub(crate) struct PeerHasher(u64);

impl Hasher for PeerHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio spreads consecutive numbers over the high bits; the map looks at both ends.
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_counted_as_the_topics_have_them() {
        let shards = Shards::new(QueueLimits {
            bytes_max: 1,
            frames_max: 1,
        });
        let queue = Arc::new(Outbound::default());
        fastrand::seed(7);
        for _ in 0..2_000 {
            let (peer, topic) = (
                PeerId::new(fastrand::u64(..8)),
                fastrand::u8(..).to_string(),
            );
            if fastrand::bool() {
                shards.subscribe(peer, &queue, &topic);
            } else {
                shards.unsubscribe(peer, &topic);
            }
        }
        let mut stats = Stats::default();
        shards.fill(&mut stats);
        let recounted: usize = shards
            .shards
            .iter()
            .flat_map(|shard| {
                let topics = lock(shard).topics.clone();
                topics
                    .iter()
                    .map(|(_, peers)| peers.len())
                    .collect::<Vec<_>>()
            })
            .sum();
        assert!(recounted > 100, "{recounted} subscriptions");
        assert_eq!(stats.subscriptions, recounted as u64);
    }
}

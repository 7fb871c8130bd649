//! Who listens to what, and where their frames go, in shards by topic.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, MutexGuard, Weak};

use signal_core::{Encoding, PeerId, Publish, Subscriber, Topics};

use crate::config::QueueLimits;
use crate::frame;
use crate::hub::batch::Batch;
use crate::hub::queue::{Outbound, Pushed};
use crate::lock::Lock;
use crate::stats::{SentType, Stats, Traffic};

/// More than the cores of any machine this runs on, so that two publishes rarely meet; a shard
/// without topics is 200 bytes.
const SHARDS: usize = 64;

/// Rooms from this size on share batches; for two, a frame for each is as cheap.
const BATCHED_RECEIVERS_MIN: usize = 3;
/// Topics of a shard that may have an open batch.
const OPEN_BATCHES_MAX: usize = 8;

/// All topics.
///
/// A lock is held for one change of a map, or for one walk over the receivers of a publish. Because
/// all queues of a topic are filled under one lock, its subscribers see one order; because each
/// peer has one queue for all its topics, a publisher's messages arrive in the order it sent them.
#[derive(Debug)]
pub(crate) struct Shards {
    shards: Box<[Lock<Shard>]>,
    /// Clients choose topics, so the hash has a secret.
    hasher: RandomState,
    limits: QueueLimits,
}

#[derive(Debug, Default)]
struct Shard {
    topics: Topics<Member>,
    /// How many peers the topics have, each counted as often as it is subscribed.
    subscriptions: u64,
    /// Publishes queued for subscribers.
    sent: Traffic,
    /// What was published last, while more can be added. Of a few topics.
    open: Vec<OpenBatch>,
}

/// A batch in the queues of a topic's subscribers, none of whom has taken it yet.
#[derive(Debug)]
struct OpenBatch {
    topic: Box<str>,
    /// The queues keep it for as long as it waits.
    batch: Weak<Batch>,
    /// Subscribers whose queues are half full or closed; they get frames.
    others: Vec<Arc<Outbound>>,
}

/// A peer in a topic.
#[derive(Debug)]
struct Member {
    peer: PeerId,
    queue: Arc<Outbound>,
}

impl Subscriber for Member {
    fn peer(&self) -> PeerId {
        self.peer
    }
}

impl Shards {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        let shards = (0..SHARDS).map(|_| Lock::default()).collect();
        Self {
            shards,
            hasher: RandomState::new(),
            limits,
        }
    }

    pub(crate) fn subscribe(&self, peer: PeerId, queue: &Arc<Outbound>, topic: &str) {
        let mut shard = self.shard(topic);
        shard.close_batch(topic);
        let queue = Arc::clone(queue);
        if shard.topics.subscribe(Member { peer, queue }, topic) {
            shard.subscriptions += 1;
        }
    }

    pub(crate) fn unsubscribe(&self, peer: PeerId, topic: &str) {
        let mut shard = self.shard(topic);
        shard.close_batch(topic);
        if shard.topics.unsubscribe(peer, topic) {
            shard.subscriptions -= 1;
        }
    }

    /// Queues a publish for all subscribers of its topic and returns how many they are.
    pub(crate) fn publish(&self, publish: &Publish<'_>) -> usize {
        let mut shard = self.shard(publish.topic());
        let shard = &mut *shard;
        let mut fan_out = FanOut {
            topic: publish.topic(),
            open: &mut shard.open,
            limits: self.limits,
            sent: Traffic::default(),
        };
        let to = shard.topics.subscribers(publish.topic());
        if !to.is_empty() {
            fan_out.send(to, &publish.encoding(to.len()));
        }
        shard.sent += fan_out.sent;
        to.len()
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        let mut sent = Traffic::default();
        for shard in &self.shards {
            let shard = shard.lock();
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
        self.shards[self.hasher.hash_one(topic) as usize % SHARDS].lock()
    }
}

impl Shard {
    /// Before the subscribers of a topic change: what is published later is not for the same ones.
    fn close_batch(&mut self, topic: &str) {
        if let Some(place) = self.open.iter().position(|open| *open.topic == *topic) {
            let open = self.open.swap_remove(place);
            if let Some(batch) = open.batch.upgrade() {
                batch.seal();
            }
        }
    }
}

/// Frames a publish once and puts the same bytes into every receiver's queue.
struct FanOut<'a> {
    topic: &'a str,
    open: &'a mut Vec<OpenBatch>,
    limits: QueueLimits,
    sent: Traffic,
}

impl FanOut<'_> {
    fn send(&mut self, to: &[Member], publish: &Encoding<'_>) {
        // The connections of one relay are mostly of one kind.
        let takes_batches = to.first().is_some_and(|first| first.queue.is_in_reactor());
        let is_large = frame::encoded_len(publish.len()) > self.limits.bytes_max / 2;
        if to.len() < BATCHED_RECEIVERS_MIN || !takes_batches || is_large {
            self.push(to.iter().map(|member| &*member.queue), publish);
        } else if let Err(place) = self.add(to, publish) {
            self.start(place, to, publish);
        }
    }

    /// Adds a message to the topic's open batch, if there is one. The place of what was its batch
    /// otherwise.
    fn add(&mut self, to: &[Member], publish: &Encoding<'_>) -> Result<(), Option<usize>> {
        let QueueLimits {
            bytes_max,
            frames_max,
        } = self.limits;
        let place = self.open.iter().position(|open| *open.topic == *self.topic);
        let place = place.ok_or(None)?;
        let batch = self.open[place].batch.upgrade();
        if !batch.is_some_and(|batch| batch.add(publish, bytes_max / 2, frames_max / 2)) {
            return Err(Some(place));
        }
        let others = std::mem::take(&mut self.open[place].others);
        self.count(to.len() - others.len(), publish.len());
        if !others.is_empty() {
            self.push(others.iter().map(|queue| &**queue), publish);
        }
        self.open[place].others = others;
        Ok(())
    }

    /// Puts a new batch into the queues that have room for all that it may become, and a frame into
    /// the others.
    fn start(&mut self, place: Option<usize>, to: &[Member], publish: &Encoding<'_>) {
        let batch = Arc::new(Batch::new(publish));
        let mut others = Vec::new();
        for member in to {
            if !member.queue.push_batch(&batch, self.limits) {
                others.push(Arc::clone(&member.queue));
            }
        }
        self.count(to.len() - others.len(), publish.len());
        if !others.is_empty() {
            self.push(others.iter().map(|queue| &**queue), publish);
        }
        // With most of them elsewhere it would save little.
        let is_open = others.len() <= to.len() / 2;
        match place {
            Some(place) if is_open => {
                self.open[place].batch = Arc::downgrade(&batch);
                self.open[place].others = others;
            }
            Some(place) => drop(self.open.swap_remove(place)),
            None if is_open => {
                if self.open.len() == OPEN_BATCHES_MAX {
                    self.open.remove(0);
                }
                self.open.push(OpenBatch {
                    topic: self.topic.into(),
                    batch: Arc::downgrade(&batch),
                    others,
                });
            }
            None => {}
        }
    }

    /// Puts a frame into each queue.
    fn push<'q>(&mut self, to: impl Iterator<Item = &'q Outbound>, publish: &Encoding<'_>) {
        let frame = frame::encode_publish(publish).freeze();
        let mut queued = 0;
        for queue in to {
            match queue.push(&frame, self.limits) {
                Pushed::Queued => queued += 1,
                // The connection hears of it from its queue.
                Pushed::Overflowed | Pushed::Closed => {}
            }
        }
        self.count(queued, publish.len());
    }

    fn count(&mut self, queued: usize, payload_bytes: usize) {
        let frame_bytes = frame::encoded_len(payload_bytes);
        self.sent += Traffic {
            count: queued as u64,
            bytes: (queued * frame_bytes) as u64,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_stays_small() {
        let bytes = size_of::<Member>();
        assert!(
            bytes <= 16,
            "a subscription has grown to {bytes} bytes; each costs this much while it is idle"
        );
    }

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
        let mut recounted = 0;
        for shard in &shards.shards {
            recounted += shard
                .lock()
                .topics
                .iter()
                .map(|(_, members)| members.len())
                .sum::<usize>();
        }
        assert!(recounted > 100, "{recounted} subscriptions");
        assert_eq!(stats.subscriptions, recounted as u64);
    }
}

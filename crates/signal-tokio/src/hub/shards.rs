//! Who listens to what, and where their frames go, in shards by topic.

#[cfg(feature = "cluster")]
mod passing;

use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, MutexGuard};

use signal_core::{Delivery, PeerId, Publish, Topics};

use crate::hub::fan_out::{FanOut, Member, OpenBatches};
use crate::hub::observer::{Observed, Observer};
use crate::hub::queue::Outbound;
use crate::hub::uplink::{Order, Uplink, wake};
use crate::lock::Lock;
use crate::stats::{SentType, Stats, Traffic};

/// More than the cores of any machine this runs on, so that two publishes rarely meet; a shard
/// without topics is 200 bytes.
const SHARDS: usize = 64;

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
    queue_bytes_max: usize,
    /// Where other nodes hear of it, if there may be some.
    uplink: Option<Arc<Uplink>>,
    /// Who hears of topics, if anyone does.
    observer: Option<Arc<dyn Observer>>,
}

#[derive(Debug, Default)]
struct Shard {
    topics: Topics<Member>,
    /// How many peers the topics have, each counted as often as it is subscribed.
    subscriptions: u64,
    /// Publishes queued for subscribers.
    sent: Traffic,
    open: OpenBatches,
    /// Whether other nodes need not hear of it, as there are none.
    is_hushed: bool,
    /// How many subscribers topics have on other nodes, where there are some. Only the task of the
    /// cluster changes it, as its own state changes.
    elsewhere: HashMap<Box<str>, u32>,
    /// The same of topics that nobody here is subscribed to, or was when it was said: what a
    /// publish from outside costs.
    reach: HashMap<Box<str>, u32>,
}

impl Shards {
    pub(crate) fn new(
        queue_bytes_max: usize,
        uplink: Option<Arc<Uplink>>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        let shards = (0..SHARDS).map(|_| Lock::default()).collect();
        Self {
            shards,
            hasher: RandomState::new(),
            queue_bytes_max,
            uplink,
            observer,
        }
    }

    pub(crate) fn observer(&self) -> Option<&dyn Observer> {
        self.observer.as_deref()
    }

    pub(crate) fn uplink(&self) -> Option<&Uplink> {
        self.uplink.as_deref()
    }

    /// Adds a peer to a topic, if that has fewer than `clients_max` subscribers, those of other
    /// nodes included. Whether it is in.
    pub(crate) fn subscribe(
        &self,
        peer: PeerId,
        queue: &Arc<Outbound>,
        topic: &Arc<str>,
        clients_max: usize,
    ) -> bool {
        let mut shard = self.shard(topic);
        // Counted only where it matters.
        if clients_max < usize::MAX && shard.subscribers(topic) >= clients_max {
            return false;
        }
        shard.open.close(topic);
        let queue = Arc::clone(queue);
        if shard.topics.subscribe(Member { peer, queue }, topic) {
            shard.subscriptions += 1;
            if let Some(observer) = self.observer() {
                if shard.topics.subscribers(topic).len() == 1 {
                    observer.observe(Observed::TopicOpened(topic));
                }
            }
            self.count(shard, topic);
        }
        true
    }

    /// How many subscribers a topic has for someone who publishes to it, those of other nodes
    /// included.
    pub(crate) fn subscribers(&self, topic: &str) -> usize {
        let shard = self.shard(topic);
        let local = shard.topics.subscribers(topic).len();
        local + shard.elsewhere(topic).max(shard.reach(topic)) as usize
    }

    pub(crate) fn unsubscribe(&self, peer: PeerId, topic: &str) {
        let mut shard = self.shard(topic);
        shard.open.close(topic);
        if shard.topics.unsubscribe(peer, topic) {
            shard.subscriptions -= 1;
            if let Some(observer) = self.observer() {
                if shard.topics.subscribers(topic).is_empty() {
                    observer.observe(Observed::TopicEmptied(topic));
                }
            }
            self.count(shard, topic);
        }
    }

    /// Queues a publish for all subscribers of its topic and returns how many they are, those of
    /// other nodes included as far as they are known. A peer that publishes is to be charged for as
    /// many, and hears later of those that were not known.
    pub(crate) fn publish(&self, publish: &Publish<'_>, by: Option<PeerId>) -> usize {
        let topic = publish.topic();
        let mut guard = self.shard(topic);
        let shard = &mut *guard;
        let Some(uplink) = self.uplink.as_ref().filter(|_| !shard.is_hushed) else {
            return shard.send(publish, 0, self.queue_bytes_max).0;
        };
        let elsewhere = shard.elsewhere(topic);
        let charged = elsewhere.max(shard.reach(topic));
        let (clients, delivery) = shard.send(publish, elsewhere as usize, self.queue_bytes_max);
        let delivery = delivery.unwrap_or_else(|| publish.delivery(clients));
        let local = clients - elsewhere as usize;
        let waker = uplink.publish(topic, local, &delivery, (by, charged));
        // Woken without the lock, which others wait for.
        drop(guard);
        wake(waker);
        local + charged as usize
    }

    /// How many subscribers the topic has.
    pub(crate) fn peers(&self, topic: &str) -> usize {
        self.shard(topic).topics.subscribers(topic).len()
    }

    /// The queues of all subscribers of the topic.
    pub(crate) fn queues(&self, topic: &str) -> Vec<Arc<Outbound>> {
        let shard = self.shard(topic);
        let members = shard.topics.subscribers(topic).iter();
        members.map(|member| Arc::clone(&member.queue)).collect()
    }

    /// The first `count` topics from `from` on whose names begin with `prefix`, sorted, with how
    /// many subscribers each has.
    ///
    /// Each shard is sorted, so of none more than `count` topics are looked at under its lock.
    pub(crate) fn first(&self, prefix: &str, from: &str, count: usize) -> Vec<(Arc<str>, usize)> {
        // The last name on top, to be replaced by one before it.
        let mut first: BinaryHeap<(Arc<str>, usize)> = BinaryHeap::new();
        for shard in &self.shards {
            let shard = shard.lock();
            for (topic, members) in shard.topics.iter_from(from.max(prefix)) {
                let is_full = first.len() >= count;
                let is_late = is_full && first.peek().is_none_or(|(last, _)| last < topic);
                if is_late || !topic.starts_with(prefix) {
                    break;
                }
                first.push((Arc::clone(topic), members.len()));
                if first.len() > count {
                    first.pop();
                }
            }
        }
        first.into_sorted_vec()
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

    /// Lets other nodes know how many subscribers a topic has here.
    fn count(&self, shard: MutexGuard<'_, Shard>, topic: &str) {
        let Some(uplink) = self.uplink.as_ref().filter(|_| !shard.is_hushed) else {
            return;
        };
        let waker = uplink.count(topic, shard.topics.subscribers(topic).len());
        drop(shard);
        wake(waker);
    }

    fn shard(&self, topic: &str) -> MutexGuard<'_, Shard> {
        self.shards[self.hasher.hash_one(topic) as usize % SHARDS].lock()
    }
}

impl Shard {
    fn subscribers(&self, topic: &str) -> usize {
        self.topics.subscribers(topic).len() + self.elsewhere(topic) as usize
    }

    fn elsewhere(&self, topic: &str) -> u32 {
        self.elsewhere.get(topic).copied().unwrap_or(0)
    }

    fn reach(&self, topic: &str) -> u32 {
        self.reach.get(topic).copied().unwrap_or(0)
    }

    /// Queues a publish for the subscribers of its topic here. Returns how many there are with
    /// those elsewhere, and what the ones here get.
    fn send<'p>(
        &mut self,
        publish: &'p Publish<'_>,
        elsewhere: usize,
        queue_bytes_max: usize,
    ) -> (usize, Option<Delivery<'p>>) {
        let to = self.topics.subscribers(publish.topic());
        let clients = to.len() + elsewhere;
        if to.is_empty() {
            return (clients, None);
        }
        let delivery = publish.delivery(clients);
        let fan_out = FanOut::new(publish.topic(), &mut self.open, queue_bytes_max);
        self.sent += fan_out.send(to, &delivery);
        (clients, Some(delivery))
    }
}

/// With the topics the relay ends, and the other nodes are to know.
impl Drop for Shards {
    fn drop(&mut self) {
        if let Some(uplink) = &self.uplink {
            uplink.order(Order::Leave);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn a_topic_has_as_many_places_as_it_may_however_many_threads_want_one() {
        for _ in 0..50 {
            let shards = Shards::new(1, None, None);
            let (together, topic) = (Barrier::new(4), Arc::from("t"));
            let join = |thread: u64| {
                together.wait();
                let queue = Arc::new(Outbound::default());
                let peers = (0..8).map(|peer| PeerId::new(thread * 8 + peer));
                peers
                    .filter(|peer| shards.subscribe(*peer, &queue, &topic, 5))
                    .count()
            };
            let let_in: usize = thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|number| {
                        scope.spawn({
                            let join = &join;
                            move || join(number)
                        })
                    })
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().expect("no panic"))
                    .sum()
            });
            assert_eq!((let_in, shards.subscribers("t")), (5, 5));
        }
    }

    #[test]
    fn the_first_topics_are_those_of_all_shards_together() {
        let shards = Shards::new(1, None, None);
        let queue = Arc::new(Outbound::default());
        let mut names: Vec<String> = (0..500).map(|number| format!("{number}")).collect();
        for (peer, name) in (0..).zip(&names) {
            shards.subscribe(PeerId::new(peer), &queue, &name.as_str().into(), usize::MAX);
        }
        names.sort_unstable();
        for (prefix, from) in [
            ("", ""),
            ("", "250"),
            ("4", ""),
            ("4", "3"),
            ("4", "45"),
            ("4", "5"),
            ("x", ""),
        ] {
            for count in [0, 1, 7, 1_000] {
                let expected: Vec<_> = names
                    .iter()
                    .filter(|name| name.starts_with(prefix) && name.as_str() >= from)
                    .take(count)
                    .map(|name| (name.as_str().into(), 1))
                    .collect();
                assert_eq!(
                    shards.first(prefix, from, count),
                    expected,
                    "{prefix} {from} {count}"
                );
            }
        }
    }

    #[test]
    fn subscriptions_are_counted_as_the_topics_have_them() {
        let shards = Shards::new(1, None, None);
        let queue = Arc::new(Outbound::default());
        fastrand::seed(7);
        for _ in 0..2_000 {
            let (peer, topic) = (
                PeerId::new(fastrand::u64(..8)),
                fastrand::u8(..).to_string(),
            );
            if fastrand::bool() {
                shards.subscribe(peer, &queue, &topic.into(), usize::MAX);
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

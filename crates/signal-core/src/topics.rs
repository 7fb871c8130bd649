use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use crate::sorted_set::SortedSet;
use crate::{Message, PeerId, Publish, Sink};

/// Who listens to what.
///
/// A server with many threads keeps one `Topics` for each shard of topics behind a lock; a [`Room`](crate::Room) owns one.
/// Subscribers are kept and served in the order of their [`PeerId`], so equal states act alike however they came about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Topics {
    /// No topic is without subscribers.
    subscribers: BTreeMap<Box<str>, SortedSet<PeerId>>,
}

impl Topics {
    /// No topics yet.
    pub const fn new() -> Self {
        Self {
            subscribers: BTreeMap::new(),
        }
    }

    /// Adds `peer` to `topic`. False if it was there already.
    pub fn subscribe(&mut self, peer: PeerId, topic: &str) -> bool {
        let Some(peers) = self.subscribers.get_mut(topic) else {
            self.subscribers.insert(topic.into(), SortedSet::One(peer));
            return true;
        };
        let Err(place) = peers.place_of(&peer) else {
            return false;
        };
        peers.insert(place, peer);
        true
    }

    /// Removes `peer` from `topic`. False if it was not there.
    pub fn unsubscribe(&mut self, peer: PeerId, topic: &str) -> bool {
        let Some(peers) = self.subscribers.get_mut(topic) else {
            return false;
        };
        let Ok(place) = peers.place_of(&peer) else {
            return false;
        };
        peers.remove(place);
        if peers.is_empty() {
            self.subscribers.remove(topic);
        }
        true
    }

    /// Sends a publish to all subscribers of its topic, the publisher included if it is one, and returns how many they are.
    ///
    /// The message is encoded once and nothing is copied for a receiver.
    pub fn publish(&self, publish: &Publish<'_>, out: &mut dyn Sink) -> usize {
        let to = self.subscribers(publish.topic());
        if !to.is_empty() {
            let message: Message = publish.encode(to.len());
            out.send(to, &message);
        }
        to.len()
    }

    /// The subscribers of `topic`, sorted.
    pub fn subscribers(&self, topic: &str) -> &[PeerId] {
        self.subscribers.get(topic).map_or(&[], |peers| peers)
    }

    /// All topics with their subscribers, sorted by topic.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[PeerId])> {
        self.subscribers
            .iter()
            .map(|(topic, peers)| (&**topic, &**peers))
    }

    /// How many topics have subscribers.
    pub fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// Whether no topic has subscribers.
    pub fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }
}

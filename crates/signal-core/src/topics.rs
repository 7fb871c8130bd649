use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::sorted_set::SortedSet;
use crate::{PeerId, Publish, Sink};

/// Who listens to what.
///
/// A server with many threads keeps one `Topics` for each shard of topics behind a lock; a
/// [`Room`](crate::Room) owns one. Subscribers are kept and served in the order of their
/// [`PeerId`], so equal states act alike however they came about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topics<S = PeerId> {
    /// No topic is without subscribers.
    subscribers: BTreeMap<Arc<str>, SortedSet<S>>,
}

/// What [`Topics`] keep of a peer in a topic.
///
/// A [`Room`](crate::Room) keeps its [`PeerId`]. A server whose sockets have a queue each keeps the
/// queue beside it, so that it fills queues without looking peers up:
///
/// ```
/// use std::sync::mpsc::{Sender, channel};
/// use signal_core::{PeerId, Publish, Subscriber, Topics};
///
/// struct Member(PeerId, Sender<String>);
///
/// impl Subscriber for Member {
///     fn peer(&self) -> PeerId {
///         self.0
///     }
/// }
///
/// let (queue, messages) = channel();
/// let mut topics = Topics::new();
/// topics.subscribe(Member(PeerId::new(1), queue), &"garden".into());
///
/// let publish = Publish::read(r#"{"type":"publish","topic":"garden","data":1}"#).ok_or("a publish")?;
/// let members = topics.subscribers(publish.topic());
/// let message = publish.encode(members.len());
/// for Member(_, queue) in members {
///     queue.send(message.as_str().to_owned())?;
/// }
/// assert_eq!(messages.recv()?, r#"{"type":"publish","topic":"garden","data":1,"clients":1}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Subscriber {
    /// Who it is; always the same, and the only thing that subscribers are told apart by.
    fn peer(&self) -> PeerId;
}

impl Subscriber for PeerId {
    fn peer(&self) -> PeerId {
        *self
    }
}

impl<S: Subscriber> Topics<S> {
    /// No topics yet.
    pub const fn new() -> Self {
        let subscribers = BTreeMap::new();
        Self { subscribers }
    }

    /// Adds a subscriber to `topic`. False if its peer was there already.
    pub fn subscribe(&mut self, subscriber: S, topic: &Arc<str>) -> bool {
        let subscribers = self.subscribers.entry(Arc::clone(topic)).or_default();
        let Err(place) = subscribers.binary_search_by_key(&subscriber.peer(), S::peer) else {
            return false;
        };
        subscribers.insert(place, subscriber);
        true
    }

    /// Removes `peer` from `topic`. False if it was not there.
    pub fn unsubscribe(&mut self, peer: PeerId, topic: &str) -> bool {
        let Some(subscribers) = self.subscribers.get_mut(topic) else {
            return false;
        };
        let Ok(place) = subscribers.binary_search_by_key(&peer, S::peer) else {
            return false;
        };
        subscribers.remove(place);
        if subscribers.is_empty() {
            self.subscribers.remove(topic);
        }
        true
    }

    /// The subscribers of `topic`, sorted.
    pub fn subscribers(&self, topic: &str) -> &[S] {
        let subscribers = self.subscribers.get(topic);
        subscribers.map_or(&[], |subscribers| subscribers)
    }

    /// All topics with their subscribers, sorted by topic.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &[S])> {
        self.iter_from("")
    }

    /// The same from this name on: a host that lists many topics goes on where it stopped.
    pub fn iter_from(&self, topic: &str) -> impl Iterator<Item = (&Arc<str>, &[S])> {
        let topics = self.subscribers.range(Arc::<str>::from(topic)..);
        topics.map(|(topic, subscribers)| (topic, &**subscribers))
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

impl Topics {
    /// Sends a publish to all subscribers of its topic, the publisher included if it is one, and
    /// returns how many they are.
    ///
    /// The message is encoded once and nothing is copied for a receiver.
    pub fn publish(&self, publish: &Publish<'_>, out: &mut dyn Sink) -> usize {
        let to = self.subscribers(publish.topic());
        if !to.is_empty() {
            out.send(to, &publish.encode(to.len()));
        }
        to.len()
    }
}

impl<S: Subscriber> Default for Topics<S> {
    fn default() -> Self {
        Self::new()
    }
}

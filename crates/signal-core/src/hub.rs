use alloc::sync::Arc;

use crate::Publish;

/// What a [`Peer`](crate::Peer)'s requests are carried out on: who listens to what, and the way to
/// them.
///
/// A host lends one to each call that may change a topic, made for the peer it calls: in a server
/// with many threads a few references to its shared topics, its peer's queue and its counters.
/// [`Room`](crate::Room) has one of six lines over its own [`Topics`](crate::Topics).
///
/// A peer asks only for what changes something: it subscribes to no topic twice and unsubscribes
/// from none that it is not in. None of the methods may wait.
pub trait Hub {
    /// Adds the peer to `topic`, if that has fewer than `clients_max` subscribers, and returns
    /// whether it is in. Where several threads share topics, counting and adding is one step.
    ///
    /// The peer keeps the name; a hub that keeps it too clones this one, so that it is there once.
    fn subscribe(&mut self, topic: &Arc<str>, clients_max: usize) -> bool;

    /// Removes the peer from `topic`.
    fn unsubscribe(&mut self, topic: &str);

    /// How many subscribers `topic` has.
    fn subscribers(&self, topic: &str) -> usize;

    /// Queues a publish for every subscriber of its topic, the publisher included if it is one, and
    /// returns how many they are.
    fn publish(&mut self, publish: &Publish<'_>) -> usize;

    /// Queues [`Message::PONG`](crate::Message::PONG) for the peer: an answer, or, in
    /// [`handle_timeout`](crate::Peer::handle_timeout), one that it did not ask for.
    fn pong(&mut self);
}

//! What a program hears of topics and peers while a relay serves.

use std::fmt;
use std::sync::Arc;

use signal_core::PeerId;

/// Hears what happens to topics and peers; see [`RelayBuilder::observer`](crate::RelayBuilder).
///
/// It is called by the threads that serve, some of it under the lock of a topic: it must neither
/// wait nor call the relay, only note what it hears. In return, what it hears of one topic is in
/// the order in which it happened.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Notes something.
    fn observe(&self, what: Observed<'_>);
}

/// What has happened. Of a cluster, each node says it of its own peers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Observed<'a> {
    /// A topic has its first subscriber.
    TopicOpened(&'a str),
    /// A topic has lost its last one.
    TopicEmptied(&'a str),
    /// A peer is connected.
    PeerIn {
        /// Its number, which no other has had since the start.
        peer: PeerId,
        /// Whose it is, if its permit says so.
        subject: Option<&'a Arc<str>>,
    },
    /// A peer is connected no more.
    PeerOut {
        /// Its number.
        peer: PeerId,
        /// Whose it was.
        subject: Option<&'a Arc<str>>,
    },
}

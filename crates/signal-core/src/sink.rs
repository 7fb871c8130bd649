use alloc::vec::Vec;
use core::fmt;

use crate::{CloseReason, Message};

/// A peer, named by its host: one client on one connection. A client that reconnects is a new peer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PeerId(u64);

impl PeerId {
    /// The peer of this number. The host sees to it that no two connected peers share one.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a [`Room`](crate::Room) and [`Topics`](crate::Topics) put what must happen.
///
/// The state of the peer that a call is about has changed before it, and all arguments are lent. A
/// `Vec<`[`Output`]`>` is a sink too, so that a test compares whole lists.
pub trait Sink {
    /// Queues one message for every peer in `to`, which is sorted and not empty. Never blocks.
    fn send(&mut self, to: &[PeerId], message: &Message);

    /// Sends a WebSocket ping frame.
    fn ping(&mut self, to: PeerId);

    /// Closes a peer, which the room has already forgotten.
    fn close(&mut self, peer: PeerId, reason: CloseReason);
}

/// One call of a [`Sink`], as a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// [`Sink::send`].
    Send {
        /// The receivers, sorted.
        to: Vec<PeerId>,
        /// What they get.
        message: Message,
    },
    /// [`Sink::ping`].
    Ping(PeerId),
    /// [`Sink::close`].
    Close(PeerId, CloseReason),
}

impl Sink for Vec<Output> {
    fn send(&mut self, to: &[PeerId], message: &Message) {
        let (to, message) = (to.to_vec(), message.clone());
        self.push(Output::Send { to, message });
    }

    fn ping(&mut self, to: PeerId) {
        self.push(Output::Ping(to));
    }

    fn close(&mut self, peer: PeerId, reason: CloseReason) {
        self.push(Output::Close(peer, reason));
    }
}

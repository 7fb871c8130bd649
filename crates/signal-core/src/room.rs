use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::slice;

use crate::{
    Alarm, CloseReason, Grant, Hub, Instant, Limits, Message, Outcome, Output, Peer, PeerId,
    PeerSnapshot, Publish, RestoreError, Sink, Topics,
};

/// A whole relay under one owner: all peers, their topics and their timers.
///
/// This is what a Durable Object, a test or a small server drives. It is a composition of [`Peer`]
/// and [`Topics`] and adds only the list of deadlines. See the [crate page](crate) for the loop an
/// adapter writes.
#[derive(Clone, Debug)]
pub struct Room {
    limits: Arc<Limits>,
    peers: BTreeMap<PeerId, Peer>,
    topics: Topics,
    /// The deadline of each peer that has one.
    deadlines: BTreeSet<(Instant, PeerId)>,
}

impl Room {
    /// An empty room.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits: Arc::new(limits),
            peers: BTreeMap::new(),
            topics: Topics::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Adds a peer. If the room knows one by this name, that one is forgotten first, without a
    /// close.
    pub fn connect(&mut self, now: Instant, peer: PeerId, grant: Grant) {
        self.disconnect(peer);
        self.add(peer, Peer::new(Arc::clone(&self.limits), grant, now));
    }

    /// Handles one text message of a peer. `None` if the room does not know the peer, or no longer:
    /// sockets race with timers.
    pub fn receive(
        &mut self,
        now: Instant,
        peer: PeerId,
        text: &str,
        out: &mut dyn Sink,
    ) -> Option<Outcome> {
        self.with_peer(peer, out, |state, hub| state.receive(now, text, hub))
    }

    /// Handles one binary message of a peer, which means what a text message of the same bytes
    /// would.
    pub fn receive_binary(
        &mut self,
        now: Instant,
        peer: PeerId,
        payload: &[u8],
        out: &mut dyn Sink,
    ) -> Option<Outcome> {
        self.with_peer(peer, out, |state, hub| {
            state.receive_binary(now, payload, hub)
        })
    }

    /// Refuses a peer for what the host has seen: it leaves its topics and is held until its close.
    pub fn refuse(&mut self, now: Instant, peer: PeerId, reason: CloseReason) {
        self.with_peer(peer, &mut nowhere(), |state, hub| {
            state.refuse(now, reason, hub);
        });
    }

    /// Charges a frame of a peer that is not a message: see [`Peer::receive_frame`]. `None` is for
    /// the host to go on.
    pub fn receive_frame(&mut self, now: Instant, peer: PeerId, bytes: usize) -> Option<Outcome> {
        self.with_peer(peer, &mut nowhere(), |state, hub| {
            state.receive_frame(now, bytes, hub)
        })?
    }

    /// Notes a sign of life of a peer that is not a message, for a host that does not see frames.
    pub fn pong(&mut self, now: Instant, peer: PeerId) {
        self.with_peer(peer, &mut nowhere(), |state, _| state.pong(now));
    }

    /// Forgets a peer whose connection has ended. Its subscriptions end with it.
    pub fn disconnect(&mut self, peer: PeerId) {
        self.with_peer(peer, &mut nowhere(), |state, hub| state.leave(hub));
        let state = self.peers.remove(&peer);
        if let Some(due) = state.and_then(|state| state.poll_timeout()) {
            self.deadlines.remove(&(due, peer));
        }
    }

    /// Acts on every deadline up to `now`, in their order. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut dyn Sink) {
        let is_due = |(due, _): &&(Instant, PeerId)| *due <= now;
        let due: Vec<_> = self.deadlines.iter().take_while(is_due).copied().collect();
        for (_, peer) in due {
            let alarm = self.with_peer(peer, out, |state, hub| state.handle_timeout(now, hub));
            match alarm.flatten() {
                Some(Alarm::Ping) => out.ping(peer),
                Some(Alarm::Close(reason)) => {
                    self.disconnect(peer);
                    out.close(peer, reason);
                }
                Some(Alarm::Hold(_)) | None => {}
            }
        }
    }

    /// The earliest deadline of all peers, if there is one.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// The whole state of one peer, for a host that may lose its memory. A room is its limits and
    /// its peers: with every peer restored, in whatever order, it acts as before.
    pub fn snapshot(&self, peer: PeerId) -> Option<PeerSnapshot> {
        self.peers.get(&peer).map(Peer::snapshot)
    }

    /// Adds a peer as it was when its snapshot was taken.
    ///
    /// # Errors
    ///
    /// [`RestoreError::InUse`] if the room knows a peer by this name; nothing changes.
    pub fn restore(&mut self, peer: PeerId, snapshot: PeerSnapshot) -> Result<(), RestoreError> {
        if self.peers.contains_key(&peer) {
            return Err(RestoreError::InUse);
        }
        let (topics, out) = (&mut self.topics, &mut nowhere());
        let mut hub = RoomHub { peer, topics, out };
        let state = Peer::restore(Arc::clone(&self.limits), snapshot, &mut hub);
        self.add(peer, state);
        Ok(())
    }

    /// The state of one peer.
    pub fn peer(&self, peer: PeerId) -> Option<&Peer> {
        self.peers.get(&peer)
    }

    /// All peers, held ones too, sorted.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = PeerId> {
        self.peers.keys().copied()
    }

    /// Who listens to what.
    pub const fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The limits every peer is held to.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn add(&mut self, peer: PeerId, state: Peer) {
        let due = state.poll_timeout();
        self.deadlines.extend(due.map(|due| (due, peer)));
        self.peers.insert(peer, state);
    }

    /// Runs `change` on a peer and keeps its deadline in step. `None` if there is no such peer.
    fn with_peer<T>(
        &mut self,
        peer: PeerId,
        out: &mut dyn Sink,
        change: impl FnOnce(&mut Peer, &mut RoomHub<'_>) -> T,
    ) -> Option<T> {
        let topics = &mut self.topics;
        let state = self.peers.get_mut(&peer)?;
        let before = state.poll_timeout();
        let result = change(state, &mut RoomHub { peer, topics, out });
        let after = state.poll_timeout();
        if before != after {
            if let Some(due) = before {
                self.deadlines.remove(&(due, peer));
            }
            self.deadlines.extend(after.map(|due| (due, peer)));
        }
        Some(result)
    }
}

/// One peer's way to the topics of its room.
struct RoomHub<'a> {
    peer: PeerId,
    topics: &'a mut Topics,
    out: &'a mut dyn Sink,
}

impl Hub for RoomHub<'_> {
    fn subscribe(&mut self, topic: &Arc<str>, clients_max: usize) -> bool {
        self.subscribers(topic) < clients_max && self.topics.subscribe(self.peer, topic)
    }

    fn unsubscribe(&mut self, topic: &str) {
        self.topics.unsubscribe(self.peer, topic);
    }

    fn subscribers(&self, topic: &str) -> usize {
        self.topics.subscribers(topic).len()
    }

    fn publish(&mut self, publish: &Publish<'_>) -> usize {
        self.topics.publish(publish, self.out)
    }

    fn pong(&mut self) {
        self.out.send(slice::from_ref(&self.peer), &Message::PONG);
    }
}

/// For calls that send nothing: coming back to topics and leaving them.
const fn nowhere() -> Vec<Output> {
    Vec::new()
}

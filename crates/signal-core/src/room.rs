use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::slice;

use crate::{
    Alarm, CloseReason, Grant, Ignored, Instant, Limits, Message, Peer, PeerId, PeerSnapshot,
    Request, RestoreError, Sink, Topics,
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

/// What became of one message. For logs and counters; a host may drop it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The peer was added to this many topics; some entries may have been skipped.
    Subscribed {
        /// Topics the peer is now in and was not before.
        topics: usize,
        /// Entries that were skipped: no grant, too long, or too many.
        skipped: usize,
    },
    /// The peer was removed from this many topics.
    Unsubscribed {
        /// Topics the peer was in and is no more.
        topics: usize,
    },
    /// The message went to this many peers.
    Published {
        /// The receivers.
        deliveries: usize,
    },
    /// A ping was answered.
    Ponged,
    /// The message had no effect.
    Ignored(Ignored),
    /// The peer has been refused and is held until its close.
    Held(CloseReason),
    /// The room does not know the peer, or no more: sockets race with timers.
    Unknown,
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
        let state = Peer::new(Arc::clone(&self.limits), grant, now);
        self.deadlines
            .extend(state.poll_timeout().map(|due| (due, peer)));
        self.peers.insert(peer, state);
    }

    /// Handles one text message of a peer.
    pub fn receive(
        &mut self,
        now: Instant,
        peer: PeerId,
        text: &str,
        out: &mut dyn Sink,
    ) -> Outcome {
        self.carry_out(now, peer, |state| state.receive(now, text), out)
    }

    /// Handles one binary message of a peer, which means what a text message of the same bytes
    /// would.
    pub fn receive_binary(
        &mut self,
        now: Instant,
        peer: PeerId,
        payload: &[u8],
        out: &mut dyn Sink,
    ) -> Outcome {
        self.carry_out(now, peer, |state| state.receive_binary(now, payload), out)
    }

    /// Refuses a peer for what the host has seen: it leaves its topics and is held until its close.
    pub fn refuse(&mut self, now: Instant, peer: PeerId, reason: CloseReason) {
        self.with_peer(peer, |state, topics| {
            state.refuse(now, reason);
            leave_all(topics, peer, state);
        });
    }

    /// Notes a WebSocket pong, or any other sign of life that is not a message.
    pub fn pong(&mut self, now: Instant, peer: PeerId) {
        self.with_peer(peer, |state, _| state.pong(now));
    }

    /// Forgets a peer whose connection has ended. Its subscriptions end with it.
    pub fn disconnect(&mut self, peer: PeerId) {
        let Some(state) = self.peers.remove(&peer) else {
            return;
        };
        leave_all(&mut self.topics, peer, &state);
        if let Some(due) = state.poll_timeout() {
            self.deadlines.remove(&(due, peer));
        }
    }

    /// Acts on every deadline up to `now`, in their order. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut dyn Sink) {
        let due: Vec<PeerId> = self
            .deadlines
            .iter()
            .take_while(|(due, _)| *due <= now)
            .map(|(_, peer)| *peer)
            .collect();
        let alarms: Vec<(PeerId, Alarm)> = due
            .into_iter()
            .filter_map(|peer| Some((peer, self.alarm(now, peer)?)))
            .collect();
        for (peer, alarm) in alarms {
            match alarm {
                Alarm::Ping => out.ping(peer),
                Alarm::Hold(_) => {}
                Alarm::Close(reason) => out.close(peer, reason),
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
        let state = Peer::restore(Arc::clone(&self.limits), snapshot);
        if !state.is_held() {
            for topic in state.topics() {
                self.topics.subscribe(peer, topic);
            }
        }
        self.deadlines
            .extend(state.poll_timeout().map(|due| (due, peer)));
        self.peers.insert(peer, state);
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

    fn carry_out<'m>(
        &mut self,
        now: Instant,
        peer: PeerId,
        receive: impl FnOnce(&mut Peer) -> Result<Request<'m>, CloseReason>,
        out: &mut dyn Sink,
    ) -> Outcome {
        let outcome = self.with_peer(peer, |state, topics| match receive(state) {
            Ok(Request::Publish(publish)) => {
                let deliveries = topics.subscribers(publish.topic()).len();
                state.delivered(now, deliveries);
                topics.publish(&publish, out);
                Outcome::Published { deliveries }
            }
            Ok(Request::Subscribe {
                topics: names,
                skipped,
            }) => {
                for name in &names {
                    topics.subscribe(peer, name);
                }
                Outcome::Subscribed {
                    topics: names.len(),
                    skipped,
                }
            }
            Ok(Request::Unsubscribe { topics: names }) => {
                for name in &names {
                    topics.unsubscribe(peer, name);
                }
                Outcome::Unsubscribed {
                    topics: names.len(),
                }
            }
            Ok(Request::Ping) => {
                out.send(slice::from_ref(&peer), &Message::PONG);
                Outcome::Ponged
            }
            Ok(Request::Ignored(why)) => Outcome::Ignored(why),
            Err(reason) => {
                leave_all(topics, peer, state);
                Outcome::Held(reason)
            }
        });
        outcome.unwrap_or(Outcome::Unknown)
    }

    fn alarm(&mut self, now: Instant, peer: PeerId) -> Option<Alarm> {
        let alarm = self.with_peer(peer, |state, topics| {
            let alarm = state.handle_timeout(now);
            if state.is_held() {
                leave_all(topics, peer, state);
            }
            alarm
        })??;
        if let Alarm::Close(_) = alarm {
            self.disconnect(peer);
        }
        Some(alarm)
    }

    /// Runs `change` on a peer and keeps its deadline in step. `None` if there is no such peer.
    fn with_peer<T>(
        &mut self,
        peer: PeerId,
        change: impl FnOnce(&mut Peer, &mut Topics) -> T,
    ) -> Option<T> {
        let state = self.peers.get_mut(&peer)?;
        let before = state.poll_timeout();
        let result = change(state, &mut self.topics);
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

/// Removes a peer from all its topics.
fn leave_all(topics: &mut Topics, peer: PeerId, state: &Peer) {
    for topic in state.topics() {
        topics.unsubscribe(peer, topic);
    }
}

//! One connection's half of the relay, whatever carries its frames.

mod incoming;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use signal_core::{Alarm, CloseReason, Grant, Instant, Peer, PeerId};

use crate::frame::{self, Opcode};
use crate::hub::batch::Queued;
use crate::hub::observer::Observed;
use crate::hub::peer_hub::PeerHub;
use crate::hub::queue::Outbound;
use crate::hub::rooms::Rooms;
use crate::hub::wake::{Home, Owner};
use crate::stats::counters::Counters;
use crate::stats::{Ending, SentType};

/// How far a connection is in its life.
///
/// ```text
///  Open ── refused by the core ──▶ Held ── close_hold ──▶ Closing ── close frame written, peer gone ──▶ dropped
///    └── close frame, protocol error, time-out, slow, draining ────▲
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// Messages are read and carried out.
    Open,
    /// Nothing is read and nothing is sent.
    Held,
    /// The close frame is queued; it is the last.
    Closing,
}

/// A peer on a connection: reads messages, carries them out on the topics, and fills its own queue
/// with answers.
///
/// However a connection ends, dropping its session removes every trace of it.
#[derive(Debug)]
pub(crate) struct Session {
    rooms: Arc<Rooms>,
    id: PeerId,
    peer: Peer,
    queue: Arc<Outbound>,
    stage: Stage,
    ending: Ending,
    /// Reading waits until more has been written.
    is_paused: bool,
    pongs_this_turn: u8,
    late_pong: Option<Box<BytesMut>>,
    /// Whether its queue knows of messages whose end is missing, and of what the transport keeps of
    /// what was written.
    holds_input: bool,
    holds_unflushed: bool,
    /// Whether a message has come whole since.
    has_completed: bool,
    has_spoken: bool,
}

impl Session {
    /// A session on a connection that is a task, or lives in the reactor of a thread.
    pub(crate) fn new(
        now: Instant,
        rooms: Arc<Rooms>,
        grant: Grant,
        subject: Option<&Arc<str>>,
        home: Option<Home>,
    ) -> Self {
        let id = rooms.next_peer();
        let peer = Peer::new(Arc::clone(&rooms.limits), grant, now);
        let owner = match home {
            Some(home) => Owner::Reactor(home),
            None => Owner::Task(rooms.memory.account().clone()),
        };
        let queue = Arc::new(Outbound::new(owner));
        rooms.registry.insert(id, subject, Arc::clone(&queue));
        rooms.counters.upgrades.fetch_add(1, Ordering::Relaxed);
        if let Some(observer) = rooms.shards.observer() {
            observer.observe(Observed::PeerIn { peer: id, subject });
        }
        Self {
            rooms,
            id,
            peer,
            queue,
            stage: Stage::Open,
            ending: Ending::Lost,
            is_paused: false,
            pongs_this_turn: 0,
            late_pong: None,
            holds_input: false,
            holds_unflushed: false,
            has_completed: false,
            has_spoken: false,
        }
    }

    /// Notes that the connection, which may be a subject's, ends now.
    pub(crate) fn end(&mut self, subject: Option<&Arc<str>>) {
        self.leave();
        let peer = self.id;
        if let Some(subject) = subject {
            self.rooms.registry.remove_from(subject, peer);
        }
        if let Some(observer) = self.rooms.shards.observer() {
            observer.observe(Observed::PeerOut { peer, subject });
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.rooms.counters
    }

    pub(crate) fn queue(&self) -> &Outbound {
        &self.queue
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether the peer's close frame is why the connection ends. It is answered and last.
    pub(crate) fn is_ended_by_peer(&self) -> bool {
        self.ending == Ending::ByPeer
    }

    /// Whether the peer is being closed for what it did.
    pub(crate) fn is_peers_fault(&self) -> bool {
        matches!(self.ending, Ending::ByRelay(reason) if reason.is_peers_fault())
    }

    /// Whether more waits for the peer than may. That is judged after its socket was tried.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.stage != Stage::Closing && self.queue.holds_over(self.rooms.queue_bytes_max)
    }

    /// Whether more input may be read. A peer that does not take what it is sent is not listened to
    /// either, so what it causes for itself (echoes, pongs) cannot fill its queue.
    pub(crate) fn wants_input(&mut self) -> bool {
        let has_room = !self.queue.holds_over(self.rooms.queue_bytes_max / 2);
        let is_open = self.stage == Stage::Open;
        self.is_paused = is_open && !has_room;
        is_open && has_room
    }

    /// Whether input was unwanted only because too much waits to be written.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Notes how much is kept of messages whose end is missing, and whether some of it has come
    /// now. Then has those ended who hold most if all together hold too much.
    pub(crate) fn hold_input(&mut self, now: Instant, bytes: usize, has_come: bool) {
        let has_completed = std::mem::take(&mut self.has_completed);
        if bytes > 0 || self.holds_input {
            self.holds_input = bytes > 0;
            let known = self.queue.input_bytes();
            let has_come = bytes > 0 && (has_come || bytes != known);
            if has_come {
                // Inside of a frame it cannot answer a ping, but it is there.
                self.peer.pong(now);
            }
            if has_come || bytes != known {
                let is_new = has_completed || known == 0;
                let patience = is_new.then_some(self.rooms.grace);
                self.queue.hold_input(now, bytes, patience);
            }
        }
        self.rooms.make_room(now);
    }

    /// Notes how much the transport keeps of what was written.
    pub(crate) fn hold_unflushed(&mut self, bytes: usize) {
        if bytes > 0 || self.holds_unflushed {
            self.holds_unflushed = bytes > 0;
            self.queue.hold_unflushed(bytes);
        }
    }

    /// Whether the peer has sent anything but a close: whatever it was, it was charged.
    pub(crate) fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// Whether the peer is ended because it held much.
    pub(crate) fn is_evicted(&self) -> bool {
        self.ending == Ending::ByRelay(CloseReason::MemoryMax)
    }

    /// Does what is due: between two turns of reading, and when a deadline has passed.
    pub(crate) fn turn(&mut self, now: Instant) {
        self.pongs_this_turn = 0;
        if let Some(pong) = self.late_pong.take() {
            self.push(SentType::PongFrame, *pong);
        }
        let is_node = self.rooms.shards.uplink().is_some();
        let (ending, debt) = self.queue.take_asked(is_node);
        if let Some(debt) = debt {
            self.peer.owe(now, debt.deliveries, debt.bytes);
        }
        if let Some(reason) = ending {
            self.close(reason);
        }
        while self.stage != Stage::Closing && self.peer.poll_timeout().is_some_and(|due| due <= now)
        {
            let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue, now);
            match self.peer.handle_timeout(now, &mut hub) {
                Some(Alarm::Ping) => {
                    self.push(SentType::PingFrame, frame::encode(Opcode::Ping, &[]));
                }
                Some(Alarm::Hold(_)) => self.hold(),
                Some(Alarm::Close(reason)) => self.close(reason),
                None => return,
            }
        }
    }

    /// The core's next deadline.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Open | Stage::Held => self.peer.poll_timeout(),
            Stage::Closing => None,
        }
    }

    /// Notes that the peer has taken something of what its socket had no room for. Its pongs may
    /// lie behind what is not read before more has been written; but it is there.
    pub(crate) fn has_taken(&mut self, now: Instant) {
        self.peer.pong(now);
    }

    /// Notes that the socket took nothing for too long.
    pub(crate) fn stalled(&mut self) {
        if !matches!(self.ending, Ending::ByRelay(_)) {
            self.ending = Ending::WriteDeadline;
        }
    }

    fn push(&self, what: SentType, frame: BytesMut) {
        self.rooms.answer(&self.queue, what, frame);
    }

    /// After the core has refused the peer.
    fn hold(&mut self) {
        self.queue.discard();
        self.stage = Stage::Held;
    }

    fn close(&mut self, reason: CloseReason) {
        if reason.drops_queue() && self.stage != Stage::Closing {
            self.queue.discard();
        }
        self.finish(
            Ending::ByRelay(reason),
            frame::encode_close(Some((reason.code(), reason.text()))),
        );
    }

    fn finish(&mut self, ending: Ending, close: BytesMut) {
        if self.stage == Stage::Closing {
            // Drained while it closes for another reason: one close frame is all there is.
            return;
        }
        self.leave();
        self.rooms
            .counters
            .count_sent(SentType::CloseFrame, close.len());
        self.queue.finish(&Queued::new(close));
        self.stage = Stage::Closing;
        self.ending = ending;
        if let Ending::ByRelay(reason) = ending {
            tracing::debug!(peer = %self.id, reason = reason.name(), "closing");
        }
    }

    fn leave(&mut self) {
        // Who leaves publishes nothing.
        let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue, Instant::ZERO);
        self.peer.leave(&mut hub);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
        self.rooms.registry.remove(self.id);
        self.queue.release();
        self.rooms.counters.count_ending(self.ending);
    }
}

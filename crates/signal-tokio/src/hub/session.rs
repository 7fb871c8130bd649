//! One connection's half of the relay, whatever carries its frames.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use signal_core::{Alarm, CloseReason, Grant, Instant, Outcome, Peer, PeerId};

use crate::frame::{self, FrameError, Incoming, Opcode};
use crate::hub::batch::Queued;
use crate::hub::observer::Observed;
use crate::hub::peer_hub::PeerHub;
use crate::hub::queue::Outbound;
use crate::hub::rooms::Rooms;
use crate::hub::wake::{Home, Owner};
use crate::stats::counters::Counters;
use crate::stats::{Ending, ReceivedType, SentType};

/// Pings of one turn that are all answered; past it only the last is, as RFC 6455, 5.5.3 allows. So
/// a flood of six-byte pings cannot fill the flooder's own queue in one read.
const PONGS_PER_TURN: u8 = 16;

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

    /// Handles one message or control frame; breaks when the rest must not be read.
    pub(crate) fn receive(&mut self, now: Instant, incoming: Incoming<'_>) -> ControlFlow<()> {
        self.has_spoken |= !matches!(incoming, Incoming::Close(_) | Incoming::Closed);
        self.has_completed |= matches!(incoming, Incoming::Text(_) | Incoming::Binary(_));
        match incoming {
            Incoming::Text(text) if self.rooms.is_echo => {
                let echo = frame::encode(Opcode::Text, text.as_bytes());
                self.push(SentType::Publish, echo);
            }
            Incoming::Binary(payload) if self.rooms.is_echo => {
                let echo = frame::encode(Opcode::Binary, payload);
                self.push(SentType::Publish, echo);
            }
            Incoming::Text(text) => {
                let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue);
                let outcome = self.peer.receive(now, text, &mut hub);
                let what = self.note(now, outcome);
                self.count_received(what, text.len());
            }
            Incoming::Binary(payload) => {
                let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue);
                let outcome = self.peer.receive_binary(now, payload, &mut hub);
                let what = self.note(now, outcome);
                self.count_received(what, payload.len());
            }
            Incoming::Fragment => {
                self.take_frame(now, 0);
            }
            Incoming::Ping(payload) => {
                self.count_received(ReceivedType::PingFrame, 0);
                if self.take_frame(now, payload.len()) {
                    self.answer_ping(payload);
                }
            }
            Incoming::Pong(payload) => {
                self.count_received(ReceivedType::PongFrame, 0);
                self.take_frame(now, payload.len());
            }
            Incoming::Close(close) => {
                self.count_received(ReceivedType::CloseFrame, 0);
                self.finish(Ending::ByPeer, frame::encode_close(close));
            }
            Incoming::Closed => {
                self.count_received(ReceivedType::CloseFrame, 0);
                self.leave();
                self.queue.discard();
                self.stage = Stage::Closing;
                self.ending = Ending::ByPeer;
            }
        }
        match self.stage {
            Stage::Open => ControlFlow::Continue(()),
            Stage::Held | Stage::Closing => ControlFlow::Break(()),
        }
    }

    /// Ends the peer for a frame that cannot be read.
    pub(crate) fn fail(&mut self, now: Instant, error: FrameError) {
        match error {
            FrameError::Protocol => self.close(CloseReason::Protocol),
            FrameError::InvalidUtf8 => {
                let reason = CloseReason::Invalid;
                let close = frame::encode_close(Some((reason.code(), "text must be UTF-8")));
                self.finish(Ending::ByRelay(reason), close);
            }
            FrameError::TooBig => {
                let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue);
                self.peer.refuse(now, CloseReason::TooBig, &mut hub);
                self.hold();
            }
        }
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
        if let Some(reason) = self.queue.take_ending() {
            self.close(reason);
        }
        while self.stage != Stage::Closing && self.peer.poll_timeout().is_some_and(|due| due <= now)
        {
            let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue);
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

    /// Charges a frame that is not a message. False if it is past the budget.
    fn take_frame(&mut self, now: Instant, bytes: usize) -> bool {
        if self.rooms.is_echo {
            self.peer.pong(now);
            return true;
        }
        let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue);
        let outcome = self.peer.receive_frame(now, bytes, &mut hub);
        outcome.map(|outcome| self.note(now, outcome)).is_none()
    }

    /// Counts what became of a message or a frame, and acts on a refusal.
    fn note(&mut self, now: Instant, outcome: Outcome) -> ReceivedType {
        let counters = &self.rooms.counters;
        match outcome {
            Outcome::Published { .. } => ReceivedType::Publish,
            Outcome::Subscribed { skipped, limit, .. } => {
                counters
                    .topics_skipped
                    .fetch_add(skipped as u64, Ordering::Relaxed);
                if let Some(limit) = limit {
                    tracing::debug!(peer = %self.id, limit, skipped, "skipped topics");
                    counters.notices.topic_skipped(now, limit);
                }
                ReceivedType::Subscribe
            }
            Outcome::Unsubscribed { .. } => ReceivedType::Unsubscribe,
            Outcome::Ponged => ReceivedType::Ping,
            Outcome::Ignored(why) => {
                counters.count_ignored(why);
                ReceivedType::Other
            }
            Outcome::Held(_) => {
                self.hold();
                ReceivedType::Other
            }
        }
    }

    fn answer_ping(&mut self, payload: &[u8]) {
        let pong = frame::encode(Opcode::Pong, payload);
        self.pongs_this_turn = self.pongs_this_turn.saturating_add(1);
        if self.pongs_this_turn <= PONGS_PER_TURN {
            self.push(SentType::PongFrame, pong);
        } else {
            self.late_pong = Some(Box::new(pong));
        }
    }

    fn push(&self, what: SentType, frame: BytesMut) {
        PeerHub::new(&self.rooms, self.id, &self.queue).push(what, frame);
    }

    fn count_received(&self, what: ReceivedType, bytes: usize) {
        self.rooms.counters.count_received(what, bytes);
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
        let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue);
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

//! What a session makes of what its peer sends.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use signal_core::{CloseReason, Instant, Outcome};

use super::{Session, Stage};
use crate::frame::{self, FrameError, Incoming, Opcode};
use crate::hub::peer_hub::PeerHub;
use crate::stats::{Ending, ReceivedType, SentType};

/// Pings of one turn that are all answered; past it only the last is, as RFC 6455, 5.5.3 allows. So
/// a flood of six-byte pings cannot fill the flooder's own queue in one read.
const PONGS_PER_TURN: u8 = 16;

impl Session {
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
                let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue, now);
                let outcome = self.peer.receive(now, text, &mut hub);
                let what = self.note(now, outcome);
                self.count_received(what, text.len());
            }
            Incoming::Binary(payload) => {
                let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue, now);
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

    /// Charges records of TLS that no frame needed, as one empty fragment each. To change a key or
    /// to open a record that has one byte costs us more than to read a frame.
    pub(crate) fn receive_records(&mut self, now: Instant, count: usize) {
        self.has_spoken |= count > 0;
        for _ in 0..count {
            if self.stage != Stage::Open {
                return;
            }
            self.take_frame(now, 0);
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
                let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue, now);
                self.peer.refuse(now, CloseReason::TooBig, &mut hub);
                self.hold();
            }
        }
    }

    /// Charges a frame that is not a message. False if it is past the budget.
    fn take_frame(&mut self, now: Instant, bytes: usize) -> bool {
        if self.rooms.is_echo {
            self.peer.pong(now);
            return true;
        }
        let mut hub = PeerHub::new(&self.rooms, self.id, &self.queue, now);
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

    fn count_received(&self, what: ReceivedType, bytes: usize) {
        self.rooms.counters.count_received(what, bytes);
    }
}

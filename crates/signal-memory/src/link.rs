use std::collections::VecDeque;
use std::time::Duration;

use signal_core::{CloseReason, Instant, Message};

use crate::RoomId;

/// One connection: what waits at the host, what is under way in both directions, and what the
/// client has.
///
/// ```text
///  client ── up ──────────────────────────────► host
///  client ◄── down ── (pace, stall) ── queue ── host
/// ```
/// Nothing overtakes within `up`, within `queue` or within `down`; different links know nothing of
/// each other.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) room: RoomId,
    pub(crate) delay: Duration,
    /// The time the client takes over each message.
    pub(crate) pace: Duration,
    /// The client reads nothing and so answers no ping.
    pub(crate) is_stalled: bool,
    /// Nothing gets through any more in either direction, and nobody is told.
    pub(crate) is_severed: bool,
    pub(crate) up: Wire<Up>,
    pub(crate) queue: Queue,
    pub(crate) down: Wire<Down>,
    /// When the client is ready for the next message.
    pub(crate) reads_at: Instant,
    /// Whether the agenda has that moment.
    pub(crate) is_read_planned: bool,
    /// The host has ended the connection, or has seen its end.
    pub(crate) is_over_at_host: bool,
    pub(crate) client: Client,
}

/// The client's end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    pub(crate) received: VecDeque<Message>,
    /// It has sent a close and waits for the answer.
    pub(crate) is_closing: bool,
    pub(crate) end: Option<End>,
}

/// How a connection ended, as its client sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct End {
    /// The close code; 1005 for a close without one, 1006 for an end without a close.
    pub code: u16,
    /// What the close said.
    pub reason: String,
}

impl End {
    pub(crate) fn without_close() -> Self {
        Self {
            code: 1006,
            reason: String::new(),
        }
    }
}

impl From<CloseReason> for End {
    fn from(reason: CloseReason) -> Self {
        Self {
            code: reason.code(),
            reason: reason.text().to_owned(),
        }
    }
}

/// What a client sends.
#[derive(Clone, Debug)]
pub(crate) enum Up {
    Text(Message),
    Binary(Box<[u8]>),
    Pong,
    /// A close frame with this code.
    Close(Option<u16>),
    /// The connection is torn down.
    Reset,
}

/// What a host sends.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    Text(Message),
    Ping,
    End(End),
}

impl Down {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(message) => message.as_bytes().len(),
            Self::Ping => 0,
            Self::End(end) => end.reason.len(),
        }
    }
}

/// What waits at the host until the client reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    frames: VecDeque<Down>,
    bytes: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, frame: Down) {
        self.bytes += frame.bytes();
        self.frames.push_back(frame);
    }

    pub(crate) fn pop(&mut self) -> Option<Down> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.bytes();
        Some(frame)
    }

    /// Puts the last one in front of the one before it, if there are two.
    pub(crate) fn swap_last_two(&mut self) {
        if let [.., before, last] = self.frames.make_contiguous() {
            std::mem::swap(before, last);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Frames under way in one direction, with the times they arrive. None overtakes another.
#[derive(Clone, Debug)]
pub(crate) struct Wire<T>(VecDeque<(Instant, T)>);

impl<T> Default for Wire<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Wire<T> {
    /// Adds a frame that would arrive at `at` if there were none before it. Returns when it does
    /// arrive.
    pub(crate) fn push(&mut self, at: Instant, frame: T) -> Instant {
        let at = self.0.back().map_or(at, |(last, _)| at.max(*last));
        self.0.push_back((at, frame));
        at
    }

    /// Adds a frame in front of the one before it, if there is one: what a link never does.
    pub(crate) fn push_overtaking(&mut self, at: Instant, frame: T) -> Instant {
        let at = self.push(at, frame);
        let last = self.0.len() - 1;
        if let Some(before) = last.checked_sub(1) {
            self.0.swap(before, last);
            let earlier = self.0[last].0;
            self.0[last].0 = at;
            self.0[before].0 = earlier;
        }
        at
    }

    /// The next frame that has arrived by `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<T> {
        if self.0.front()?.0 > now {
            return None;
        }
        self.0.pop_front().map(|(_, frame)| frame)
    }

    /// When each frame arrives.
    pub(crate) fn arrivals(&self) -> impl Iterator<Item = Instant> {
        self.0.iter().map(|(at, _)| *at)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

use std::collections::VecDeque;
use std::fmt;

use signal_core::{CloseReason, Grant, Instant, Message, Outcome, PeerId};

use crate::{End, Jump, RoomId};

/// What has happened in a world, line by line, oldest first.
///
/// Printed, it reads like a diagram: who, an arrow, to whom, what.
#[derive(Clone, Debug)]
pub struct Transcript {
    lines: VecDeque<Line>,
    /// How many lines have been dropped at the front.
    dropped: usize,
    lines_max: usize,
}

/// One event of a [`Transcript`]; its `Display` is one readable line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Line {
    /// When, in the time of the world.
    pub at: Instant,
    /// In which room.
    pub room: RoomId,
    /// What.
    pub what: What,
}

/// What a [`Line`] says. `clock` is the time the room was given, on its own clock.
///
/// A call of the room is one line, and what the room does about it are the lines after it, up to
/// the next call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the fields say what their variant's sentence says"
)]
pub enum What {
    /// A peer connected.
    Connected {
        peer: PeerId,
        grant: Grant,
        clock: Instant,
    },
    /// The room handled a message of a peer.
    Message {
        peer: PeerId,
        text: Message,
        outcome: Option<Outcome>,
        clock: Instant,
    },
    /// A pong of a peer arrived.
    Pong { peer: PeerId, clock: Instant },
    /// The connection of a peer ended from its side, by a close or without one.
    Left {
        peer: PeerId,
        was_reset: bool,
        clock: Instant,
    },
    /// The room acted on its deadlines.
    Deadline { clock: Instant },
    /// The host had the room refuse a peer.
    Refused {
        peer: PeerId,
        reason: CloseReason,
        clock: Instant,
    },
    /// The room sent a message to these peers.
    Sent { to: Box<[PeerId]>, message: Message },
    /// The room sent a ping.
    Pinged { peer: PeerId },
    /// The room or its host closed a peer, for whom so many messages were waiting.
    Closed {
        peer: PeerId,
        reason: CloseReason,
        waiting: usize,
    },
    /// A message reached its client.
    Received { peer: PeerId, message: Message },
    /// A client saw its connection end.
    Ended { peer: PeerId, end: End },
    /// A client stopped reading.
    Stalled { peer: PeerId },
    /// A client reads again.
    Resumed { peer: PeerId },
    /// A peer vanished without a sign.
    Vanished { peer: PeerId },
    /// A peer came back, as a new one.
    Reconnected { before: PeerId, peer: PeerId },
    /// The room was reduced to bytes and restored.
    Hibernated { peers: usize, bytes: usize },
    /// The host ended and was started again.
    Restarted,
    /// The clock of the room was moved.
    Jumped { jump: Jump },
}

impl Transcript {
    pub(crate) fn new(lines_max: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            dropped: 0,
            lines_max,
        }
    }

    /// The lines that are kept.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &Line> + ExactSizeIterator {
        self.lines.iter()
    }

    /// How many lines there have been, dropped ones included.
    pub fn len(&self) -> usize {
        self.dropped + self.lines.len()
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The line of this number, counted from 0, if it is kept.
    pub fn get(&self, number: usize) -> Option<&Line> {
        self.lines.get(number.checked_sub(self.dropped)?)
    }

    /// Adds a line and returns its number.
    pub(crate) fn add(&mut self, at: Instant, room: RoomId, what: What) -> usize {
        if self.lines.len() >= self.lines_max {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(Line { at, room, what });
        self.len() - 1
    }

    /// Fills in how a message was judged, known only after what it caused.
    pub(crate) fn set_outcome(&mut self, number: usize, known: Option<Outcome>) {
        let kept = number
            .checked_sub(self.dropped)
            .and_then(|place| self.lines.get_mut(place));
        if let Some(Line {
            what: What::Message { outcome, .. },
            ..
        }) = kept
        {
            *outcome = known;
        }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dropped > 0 {
            writeln!(f, "({} earlier lines dropped)", self.dropped)?;
        }
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

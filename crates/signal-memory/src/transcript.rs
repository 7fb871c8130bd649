use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use signal_core::{CloseReason, Grant, Instant, Message, Outcome, PeerId};

use crate::{End, RoomId};

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

/// What a [`Line`] tells. `clock` is the time the room was given, on its own clock.
///
/// A call of the room is one line, and what the room does about it are the lines after it, up to the next call.
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
        outcome: Outcome,
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

/// How a clock is set wrong, or right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Jump {
    /// By so much into the future.
    Forward(Duration),
    /// By so much into the past.
    Back(Duration),
}

/// The clock of one host: the time of the world, moved by what its jumps add up to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    ahead_millis: u64,
}

impl Default for Clock {
    /// A day ahead, so that it can be set back.
    fn default() -> Self {
        Self {
            ahead_millis: 24 * 60 * 60 * 1_000,
        }
    }
}

impl Clock {
    /// What this clock shows at a moment of the world.
    pub(crate) fn at(self, now: Instant) -> Instant {
        now.saturating_add(Duration::from_millis(self.ahead_millis))
    }

    /// The moment of the world at which this clock shows `clock`.
    pub(crate) fn when(self, clock: Instant) -> Instant {
        Instant::from_millis(clock.as_millis().saturating_sub(self.ahead_millis))
    }

    /// Sets the clock. It cannot be set back to before it began.
    pub(crate) fn jump(&mut self, jump: Jump) {
        let millis = |by: Duration| u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.ahead_millis = match jump {
            Jump::Forward(by) => self.ahead_millis.saturating_add(millis(by)),
            Jump::Back(by) => self.ahead_millis.saturating_sub(millis(by)),
        };
    }
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
    pub(crate) fn set_outcome(&mut self, number: usize, known: Outcome) {
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

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room {}", self.0)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Seconds(self.at);
        let room = self.room;
        write!(f, "{seconds}  ")?;
        match &self.what {
            What::Connected { peer, .. } => write!(f, "p{peer} ═▶ {room}   connects"),
            What::Message {
                peer,
                text,
                outcome,
                ..
            } => {
                write!(
                    f,
                    "p{peer} ─▶ {room}   {}{}",
                    Short(text.as_str()),
                    Remark(*outcome)
                )
            }
            What::Pong { peer, .. } => write!(f, "p{peer} ─▶ {room}   (pong)"),
            What::Left {
                peer,
                was_reset: false,
                ..
            } => write!(f, "p{peer} ═▶ {room}   closes"),
            What::Left {
                peer,
                was_reset: true,
                ..
            } => write!(f, "p{peer} ═✕ {room}   is gone"),
            What::Deadline { .. } => write!(f, "{room}   acts on its deadlines"),
            What::Refused { peer, reason, .. } => {
                write!(f, "{room} ─✕ p{peer}   refuses: {}", reason.name())
            }
            What::Sent { to, message } => {
                write!(f, "{room} ─▶")?;
                to.iter().try_for_each(|peer| write!(f, " p{peer}"))?;
                write!(f, "   {}", Short(message.as_str()))
            }
            What::Pinged { peer } => write!(f, "{room} ─▶ p{peer}   (ping)"),
            What::Closed {
                peer,
                reason,
                waiting,
            } => {
                write!(
                    f,
                    "{room} ═✕ p{peer}   closes: {} {}",
                    reason.code(),
                    reason.name()
                )?;
                match waiting {
                    0 => Ok(()),
                    waiting => write!(f, ", {waiting} waiting"),
                }
            }
            What::Received { peer, message } => {
                write!(f, "     ▷ p{peer}   {}", Short(message.as_str()))
            }
            What::Ended { peer, end } => write!(f, "     ▷ p{peer}   ended: {}", end.code),
            What::Stalled { peer } => write!(f, "p{peer}   stops reading"),
            What::Resumed { peer } => write!(f, "p{peer}   reads again"),
            What::Vanished { peer } => write!(f, "p{peer}   vanishes without a sign"),
            What::Reconnected { before, peer } => write!(f, "p{peer}   is p{before} again"),
            What::Hibernated { peers, bytes } => {
                write!(f, "{room}   hibernates: {peers} peers in {bytes} bytes")
            }
            What::Restarted => write!(f, "{room}   restarts"),
            What::Jumped {
                jump: Jump::Forward(by),
            } => {
                write!(
                    f,
                    "{room}   has its clock set forward by {:.1} s",
                    by.as_secs_f64()
                )
            }
            What::Jumped {
                jump: Jump::Back(by),
            } => {
                write!(
                    f,
                    "{room}   has its clock set back by {:.1} s",
                    by.as_secs_f64()
                )
            }
        }
    }
}

/// A time as `   1.250 s`.
pub(crate) struct Seconds(pub(crate) Instant);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        write!(f, "{:>5}.{:03} s", millis / 1_000, millis % 1_000)
    }
}

/// A message without the noise that all share: `publish "topic":"t1","n":4,"clients":2`.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARS_MAX: usize = 100;
        let (kind, rest) = self
            .0
            .strip_prefix("{\"type\":\"")
            .and_then(|rest| rest.strip_suffix('}')?.split_once('"'))
            .unwrap_or(("", self.0));
        f.write_str(kind)?;
        let rest = if kind.is_empty() {
            rest
        } else {
            rest.trim_start_matches(',')
        };
        if !kind.is_empty() && !rest.is_empty() {
            f.write_str(" ")?;
        }
        for char in rest.chars().take(CHARS_MAX) {
            write!(f, "{}", if char.is_control() { '·' } else { char })?;
        }
        match rest.chars().count() {
            ..=CHARS_MAX => Ok(()),
            _ => write!(f, "… ({} bytes)", self.0.len()),
        }
    }
}

/// What is worth saying about how a message was judged.
struct Remark(Outcome);

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Outcome::Subscribed { skipped: 0, .. } | Outcome::Unsubscribed { .. } => Ok(()),
            Outcome::Subscribed { skipped, .. } => write!(f, "   ({skipped} skipped)"),
            Outcome::Published { deliveries: 0 } => write!(f, "   (to nobody)"),
            Outcome::Published { .. } | Outcome::Ponged => Ok(()),
            Outcome::Ignored(why) => write!(f, "   (ignored: {})", why.name()),
            Outcome::Held(reason) => write!(f, "   (refused: {})", reason.name()),
            Outcome::Unknown => write!(f, "   (too late)"),
            _ => Ok(()),
        }
    }
}

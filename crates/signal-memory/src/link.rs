use std::collections::VecDeque;
use std::time::Duration;

use signal_core::{Instant, Message};

use crate::RoomId;
use crate::faulty;
use crate::frame::{Down, End};
use crate::wire::Wire;

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
    /// Nothing gets through any more in either direction, and neither side is told.
    pub(crate) is_severed: bool,
    pub(crate) up: faulty::Wire,
    pub(crate) queue: faulty::Queue,
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

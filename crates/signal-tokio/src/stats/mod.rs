//! What a relay reports about itself.

pub mod codes;
pub(crate) mod counters;
pub(crate) mod lifecycle;
pub(crate) mod log_fields;
#[cfg(feature = "metrics")]
pub mod metrics;
pub(crate) mod notices;
pub(crate) mod readiness;

use std::ops::AddAssign;

use signal_access::{AuthResult, RefusalCause};
use signal_core::{CloseReason, Ignored};

use crate::stats::lifecycle::Lifecycle;

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Ending {
    /// The peer closed it with a close frame.
    ByPeer,
    /// The socket ended without a close frame.
    Lost,
    /// The socket took nothing for [`write_deadline`](crate::Config::write_deadline).
    WriteDeadline,
    /// The relay closed it.
    ByRelay(CloseReason),
}

impl Ending {
    /// All endings.
    pub fn all() -> impl Iterator<Item = Self> {
        let by_relay = CloseReason::ALL.into_iter().map(Self::ByRelay);
        [Self::ByPeer, Self::Lost, Self::WriteDeadline]
            .into_iter()
            .chain(by_relay)
    }

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ByPeer => "by_peer",
            Self::Lost => "lost",
            Self::WriteDeadline => "write_deadline",
            Self::ByRelay(reason) => reason.name(),
        }
    }

    /// The close code that the relay sent, if it sent one of its own.
    pub const fn code(self) -> Option<u16> {
        match self {
            Self::ByPeer | Self::Lost | Self::WriteDeadline => None,
            Self::ByRelay(reason) => Some(reason.code()),
        }
    }
}

/// What a peer sends: messages by what they ask for, and control frames.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ReceivedType {
    /// A subscribe that was carried out.
    Subscribe,
    /// An unsubscribe that was carried out.
    Unsubscribe,
    /// A publish that was carried out.
    Publish,
    /// A ping that was answered.
    Ping,
    /// A message without effect: [`ignored`](Stats::ignored), or the peer was refused for it.
    Other,
    /// A WebSocket ping.
    PingFrame,
    /// A WebSocket pong.
    PongFrame,
    /// A WebSocket close.
    CloseFrame,
}

impl ReceivedType {
    /// All types.
    pub const ALL: [Self; 8] = [
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Publish,
        Self::Ping,
        Self::Other,
        Self::PingFrame,
        Self::PongFrame,
        Self::CloseFrame,
    ];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Publish => "publish",
            Self::Ping => "ping",
            Self::Other => "other",
            Self::PingFrame => "ping_frame",
            Self::PongFrame => "pong_frame",
            Self::CloseFrame => "close_frame",
        }
    }

    /// Whether it is a message, and no control frame.
    pub const fn is_message(self) -> bool {
        match self {
            Self::Subscribe | Self::Unsubscribe | Self::Publish | Self::Ping | Self::Other => true,
            Self::PingFrame | Self::PongFrame | Self::CloseFrame => false,
        }
    }
}

/// What a relay sends.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SentType {
    /// A publish, to one subscriber.
    Publish,
    /// The answer to a ping message.
    Pong,
    /// A WebSocket ping.
    PingFrame,
    /// A WebSocket pong.
    PongFrame,
    /// A WebSocket close, or the answer to one.
    CloseFrame,
}

impl SentType {
    /// All types.
    pub const ALL: [Self; 5] = [
        Self::Publish,
        Self::Pong,
        Self::PingFrame,
        Self::PongFrame,
        Self::CloseFrame,
    ];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Pong => "pong",
            Self::PingFrame => "ping_frame",
            Self::PongFrame => "pong_frame",
            Self::CloseFrame => "close_frame",
        }
    }
}

/// How much of something was received or sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages or frames.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Self) {
        self.count += more.count;
        self.bytes += more.bytes;
    }
}

/// How often which sizes were seen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Histogram {
    /// The largest value of each bucket but the last, which has no bound.
    pub bounds: &'static [u64],
    /// How many values fell into each bucket: one more than there are bounds.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl Histogram {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// What a relay holds now and has done since its start.
///
/// The lists have one entry for each value of their enum, in its order, so the label sets are
/// closed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// How far the relay is in its life.
    pub lifecycle: Lifecycle,
    /// Peers connected now.
    pub peers: u64,
    /// How many may be: [`peers_max`](crate::Config::peers_max).
    pub peers_max: u64,
    /// Connections in their TLS handshake or HTTP request now, but for those that have their
    /// answer.
    pub handshakes: u64,
    /// Topics with subscribers now.
    pub topics: u64,
    /// Subscriptions now: a peer in three topics counts three.
    pub subscriptions: u64,
    /// Bytes that wait to be written to peers now, frame headers included.
    pub queue_bytes: u64,
    /// Bytes that wait for the one peer for which most does now.
    pub queue_bytes_largest: u64,
    /// How many may wait for one peer: [`outbound_bytes_max`](crate::Config::outbound_bytes_max).
    pub queue_bytes_max: u64,
    /// What peers make the relay hold now: messages that wait for their sockets, messages whose end
    /// is missing, and topics.
    pub memory_bytes: u64,
    /// How much that may be: [`memory_max`](crate::Config::memory_max).
    pub memory_bytes_max: u64,
    /// Connections that listeners have accepted since the start, those that never asked for an
    /// upgrade included.
    pub connections: u64,
    /// Upgrades accepted since the start.
    pub upgrades: u64,
    /// How often credentials for TURN servers were given out since the start.
    pub turn_credentials: u64,
    /// What peers sent, by type. Bytes are those of the messages; control frames count none.
    pub received: Vec<(ReceivedType, Traffic)>,
    /// What was queued for peers, by type. Bytes include frame headers.
    pub sent: Vec<(SentType, Traffic)>,
    /// Publishes by how many subscribers they went to.
    pub fan_out: Histogram,
    /// Turns of connections, of which one in sixteen is timed: to read what has arrived, carry it
    /// out and write what waits. In nanoseconds.
    pub turns: Histogram,
    /// Topics skipped in subscribes: no grant, or past a limit, which the log names.
    pub topics_skipped: u64,
    /// Messages without effect, by cause.
    pub ignored: Vec<(Ignored, u64)>,
    /// Connections ended, by cause.
    pub endings: Vec<(Ending, u64)>,
    /// Upgrades refused, by cause.
    pub refusals: Vec<(RefusalCause, u64)>,
    /// What the authorizer answered.
    pub auth: Vec<(AuthResult, u64)>,
}

impl Stats {
    /// What peers sent of one type.
    pub fn received(&self, what: ReceivedType) -> Traffic {
        self.received
            .iter()
            .find(|(known, _)| *known == what)
            .map_or_else(Traffic::default, |(_, traffic)| *traffic)
    }

    /// What was queued for peers of one type.
    pub fn sent(&self, what: SentType) -> Traffic {
        self.sent
            .iter()
            .find(|(known, _)| *known == what)
            .map_or_else(Traffic::default, |(_, traffic)| *traffic)
    }

    /// Messages received, those without effect included.
    pub fn messages_received(&self) -> u64 {
        let messages = self.received.iter().filter(|(what, _)| what.is_message());
        messages.map(|(_, traffic)| traffic.count).sum()
    }
}

use core::fmt;

/// Why a connection ends.
///
/// The host passes [`code`](Self::code) and [`text`](Self::text) on in its close frame and decides
/// nothing by them. Codes that have no number in RFC 6455 are 4000 plus the HTTP status of the same
/// meaning.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum CloseReason {
    /// Too many messages in a row were not JSON.
    Invalid,
    /// A message was longer than [`message_bytes_max`](crate::Limits::message_bytes_max).
    TooBig,
    /// The peer went on sending what exceeded its budgets.
    RateLimited,
    /// The grant's expiry has passed.
    GrantExpired,
    /// Nothing arrived between two pings.
    TimedOut,
    /// The peer reads too slowly. Decided by the host, which owns the queue.
    SlowConsumer,
    /// The peer makes the server hold most of a memory that is short. Decided by the host.
    MemoryMax,
    /// The server is about to stop. Decided by the host.
    Draining,
    /// Other nodes of the server may have missed what the peer said. Decided by the host.
    AnnounceAgain,
    /// A frame broke RFC 6455. Decided by the host, which owns the frames.
    Protocol,
    /// Somebody who runs the server wants the peer gone. Decided by the host.
    ByOperator,
}

impl CloseReason {
    /// All reasons, for hosts that count them.
    pub const ALL: [Self; 11] = [
        Self::Invalid,
        Self::TooBig,
        Self::RateLimited,
        Self::GrantExpired,
        Self::TimedOut,
        Self::SlowConsumer,
        Self::MemoryMax,
        Self::Draining,
        Self::AnnounceAgain,
        Self::Protocol,
        Self::ByOperator,
    ];

    /// The close code of the frame.
    pub const fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Invalid => 1007,
            Self::TooBig => 1009,
            Self::Draining | Self::AnnounceAgain => 1012,
            Self::SlowConsumer | Self::MemoryMax => 1013,
            Self::GrantExpired => 4401,
            Self::ByOperator => 4403,
            Self::TimedOut => 4408,
            Self::RateLimited => 4429,
        }
    }

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        self.words().0
    }

    /// The reason as it stands in the close frame, for the person who reads it there: under 123
    /// bytes, as RFC 6455 demands.
    pub const fn text(self) -> &'static str {
        self.words().1
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Protocol => ("protocol", "a frame broke the WebSocket protocol"),
            Self::Invalid => ("invalid", "too many messages in a row are not JSON"),
            Self::TooBig => ("too_big", "a message is longer than this relay accepts"),
            Self::Draining => ("draining", "this relay restarts, please reconnect"),
            Self::AnnounceAgain => ("announce_again", "others may have missed this peer"),
            Self::SlowConsumer => ("slow_consumer", "messages are read too slowly"),
            Self::MemoryMax => (
                "memory_max",
                "this relay is short of memory, please try again later",
            ),
            Self::GrantExpired => ("grant_expired", "the access token has expired"),
            Self::ByOperator => ("by_operator", "the operator has closed this connection"),
            Self::TimedOut => ("timed_out", "no sign of life between two pings"),
            Self::RateLimited => ("rate_limited", "too many messages, please slow down"),
        }
    }

    /// Whether the peer broke a limit or the protocol. A host that knows addresses refuses one for
    /// a while, with 429, from which this happens again and again ([`protocol`](crate::protocol),
    /// C5): a stock client that is closed reconnects at once.
    pub const fn is_peers_fault(self) -> bool {
        match self {
            Self::Invalid | Self::TooBig | Self::RateLimited | Self::Protocol => true,
            Self::GrantExpired | Self::TimedOut | Self::SlowConsumer | Self::MemoryMax => false,
            Self::Draining | Self::AnnounceAgain | Self::ByOperator => false,
        }
    }

    /// Whether the host drops what is still queued for the peer instead of sending it before the
    /// close: a peer that reads too slowly would not get to the close frame.
    pub const fn drops_queue(self) -> bool {
        matches!(self, Self::SlowConsumer | Self::MemoryMax)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

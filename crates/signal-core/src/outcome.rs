use crate::CloseReason;

/// What became of one message.
///
/// All of it has been done when a host reads this, which makes it something to log and count. Only
/// [`Held`](Self::Held) is for every host to act on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The peer was added to this many topics; some entries may have been skipped.
    Subscribed {
        /// Topics the peer is now in and was not before.
        topics: usize,
        /// Entries that were skipped: no grant, too long, full, or, once the peer is in as many
        /// topics as it may, all that follow.
        skipped: usize,
        /// The first limit that one was skipped for, by the name of its setting, or
        /// `grant_clients_max` for a number of the peer's grant; none if they had no grant. The
        /// peer gets no answer, so a host logs it, where the app's author looks.
        limit: Option<&'static str>,
    },
    /// The peer was removed from this many topics.
    Unsubscribed {
        /// Topics the peer was in and is no longer in.
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
    /// The peer has been refused and has left its topics: read and send nothing more, and keep the
    /// socket open until its close, which is due after
    /// [`close_hold`](crate::Limits::close_hold): an [`Alarm::Close`](crate::Alarm::Close) of a
    /// [`Peer`](crate::Peer), a [`Sink::close`](crate::Sink::close) of a [`Room`](crate::Room).
    Held(CloseReason),
}

/// Why a message has no effect. For counting; the peer is never told.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Ignored {
    /// It is not JSON, not UTF-8, or nested too deeply.
    NotJson,
    /// It is JSON, but nothing this protocol gives a meaning to.
    Meaningless,
    /// A publish to a topic the peer has no grant for.
    NotGranted,
    /// A publish to a topic that has as many peers as it may, and this one is not among them.
    Full,
    /// The peer's budget for messages is used up.
    MessageRate,
    /// The peer's budget for bytes is used up.
    ByteRate,
    /// The peer's budget for deliveries is overdrawn.
    FanOutRate,
    /// The peer's budget for the bytes of deliveries is overdrawn.
    FanOutByteRate,
    /// The peer's budget for pings is used up.
    PingRate,
    /// The peer has been refused and waits for its close.
    Held,
}

impl Ignored {
    /// All reasons, for hosts that count them.
    pub const ALL: [Self; 10] = [
        Self::NotJson,
        Self::Meaningless,
        Self::NotGranted,
        Self::Full,
        Self::MessageRate,
        Self::ByteRate,
        Self::FanOutRate,
        Self::FanOutByteRate,
        Self::PingRate,
        Self::Held,
    ];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::Meaningless => "meaningless",
            Self::NotGranted => "not_granted",
            Self::Full => "full",
            Self::MessageRate => "message_rate",
            Self::ByteRate => "byte_rate",
            Self::FanOutRate => "fan_out_rate",
            Self::FanOutByteRate => "fan_out_byte_rate",
            Self::PingRate => "ping_rate",
            Self::Held => "held",
        }
    }
}

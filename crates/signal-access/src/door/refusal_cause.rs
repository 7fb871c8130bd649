use core::ops::RangeInclusive;

/// Why an upgrade is refused: what is counted and logged, and where the status, the sentence and
/// the wait of an answer come from.
///
/// ```
/// use signal_access::RefusalCause;
///
/// let cause = RefusalCause::PeersMax;
/// assert_eq!((cause.name(), cause.status()), ("peers_max", 503));
/// assert_eq!(cause.sentence(), "this relay is full, please try again later");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum RefusalCause {
    /// The request is not a WebSocket upgrade that RFC 6455 allows.
    BadRequest,
    /// The request took too long, or its head was too large.
    BadHead,
    /// There was no TLS handshake, on a port that speaks TLS.
    Tls,
    /// There are as many unfinished handshakes as may be, this one has kept the relay waiting
    /// longest, and another needed its place.
    HandshakesMax,
    /// This address has as many unfinished handshakes as it may have, this one of them has kept the
    /// relay waiting longest, and another came. Or none of them waits for its client.
    HandshakesPerIp,
    /// The authorizer refused the client.
    Unauthorized,
    /// The page is of an origin that may not connect.
    Origin,
    /// The relay has as many peers as it may have.
    PeersMax,
    /// As many peers are connected from this address as may be.
    PeersPerIp,
    /// As many peers are connected from this address's IPv6 /48 as may be.
    PeersPerSite,
    /// The [`Subject`](crate::Subject) has as many connections as it may have.
    PeersPerSubject,
    /// This address connects too often.
    ConnectRate,
    /// This address's IPv6 /48 connects too often.
    SiteConnectRate,
    /// Peers from this address were closed for what they did, too often in the last minute.
    ClosedBefore,
    /// Upgrades from this address were refused for their token or origin too often in the last
    /// minute.
    DeniedBefore,
    /// The relay is draining.
    Draining,
    /// A reason that only one adapter has, by its name: Workers refuse an address without a room.
    Other(&'static str),
}

impl RefusalCause {
    /// All causes but those that only one adapter has, for hosts that count them.
    pub const ALL: [Self; 16] = [
        Self::BadRequest,
        Self::BadHead,
        Self::Tls,
        Self::HandshakesMax,
        Self::HandshakesPerIp,
        Self::Unauthorized,
        Self::Origin,
        Self::PeersMax,
        Self::PeersPerIp,
        Self::PeersPerSite,
        Self::PeersPerSubject,
        Self::ConnectRate,
        Self::SiteConnectRate,
        Self::ClosedBefore,
        Self::DeniedBefore,
        Self::Draining,
    ];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::BadHead => "bad_head",
            Self::Tls => "tls",
            Self::HandshakesMax => "handshakes_max",
            Self::HandshakesPerIp => "handshakes_per_ip",
            Self::Unauthorized => "unauthorized",
            Self::Origin => "origin",
            Self::PeersMax => "peers_max",
            Self::PeersPerIp => "peers_per_ip",
            Self::PeersPerSite => "peers_per_site",
            Self::PeersPerSubject => "peers_per_subject",
            Self::ConnectRate => "connect_rate",
            Self::SiteConnectRate => "site_connect_rate",
            Self::ClosedBefore => "closed_before",
            Self::DeniedBefore => "denied_before",
            Self::Draining => "draining",
            Self::Other(name) => name,
        }
    }

    /// The HTTP status of the answer, unless the refusal has another one.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::Tls => 400,
            Self::BadHead => 408,
            Self::Unauthorized | Self::Origin | Self::Other(_) => 403,
            Self::HandshakesMax | Self::PeersMax | Self::Draining => 503,
            Self::HandshakesPerIp
            | Self::PeersPerIp
            | Self::PeersPerSite
            | Self::PeersPerSubject
            | Self::ConnectRate
            | Self::SiteConnectRate
            | Self::ClosedBefore
            | Self::DeniedBefore => 429,
        }
    }

    /// What the answer says, for a person to read.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BadRequest => "this is not a WebSocket upgrade",
            Self::BadHead => "the request took too long",
            Self::Tls => "this port speaks TLS",
            Self::HandshakesMax => "too many requests are unfinished, please try again",
            Self::HandshakesPerIp => "too many requests from your address are unfinished",
            Self::Unauthorized | Self::Other(_) => "you may not connect here",
            Self::Origin => "pages of this origin may not connect to this relay",
            Self::PeersMax => "this relay is full, please try again later",
            Self::PeersPerIp => "too many connections are open from your address",
            Self::PeersPerSite => "too many connections are open from your network",
            Self::PeersPerSubject => "too many connections are open with your token",
            Self::ConnectRate => "your address connects too often, please wait",
            Self::SiteConnectRate => "your network connects too often, please wait",
            Self::ClosedBefore => {
                "connections from your address were closed for breaking limits, please wait"
            }
            Self::DeniedBefore => "too many requests from your address were refused, please wait",
            Self::Draining => "this relay restarts, please reconnect",
        }
    }

    /// The seconds of which one is drawn for `Retry-After`, where everybody is refused at once:
    /// all would be given the same second otherwise, and come back in it. None where a client
    /// waits for itself alone, or where waiting does not help.
    pub(crate) const fn retry_seconds(self) -> Option<RangeInclusive<u64>> {
        match self {
            Self::PeersMax => Some(10..=20),
            // A restart takes about as long.
            Self::HandshakesMax | Self::Draining => Some(1..=5),
            Self::BadRequest
            | Self::BadHead
            | Self::Tls
            | Self::HandshakesPerIp
            | Self::Unauthorized
            | Self::Origin
            | Self::PeersPerIp
            | Self::PeersPerSite
            | Self::PeersPerSubject
            | Self::ConnectRate
            | Self::SiteConnectRate
            | Self::ClosedBefore
            | Self::DeniedBefore
            | Self::Other(_) => None,
        }
    }
}

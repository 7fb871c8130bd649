//! Why a request is not upgraded.
//!
//! `Retry-After` is exact where one address or subject waits for a budget of its own: earlier is in
//! vain, later is lost time. It is drawn at random where everybody is refused at once, because the
//! relay is full, restarts or cannot judge: all would be told the same second, and come back in it.
//! Browsers show the header to no page, so this is for programs and proxies; a page backs off by
//! itself when it is refused.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderValue, StatusCode};

use crate::admission::auth_result::AuthResult;

/// Why an upgrade was refused, for counting.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum RefusalCause {
    /// The request is no WebSocket upgrade that RFC 6455 allows.
    BadRequest,
    /// The request took longer than [`handshake_timeout`](crate::Config::handshake_timeout), or its
    /// head was too large.
    BadHead,
    /// There was no TLS handshake, on a port that speaks TLS.
    Tls,
    /// The [`Authorizer`](crate::Authorizer) said no.
    Unauthorized,
    /// The page is of an origin that may not connect.
    Origin,
    /// [`peers_max`](crate::Config::peers_max) peers are connected.
    PeersMax,
    /// [`peers_per_ip_max`](crate::Config::peers_per_ip_max) peers are connected from this address.
    PeersPerIp,
    /// The [`Subject`](crate::Subject) has as many connections as it may have.
    PeersPerSubject,
    /// This address connects more often than
    /// [`connects_per_minute_per_ip`](crate::Config::connects_per_minute_per_ip).
    ConnectRate,
    /// A peer from this address was closed for what it did, less than
    /// [`refuse_after_close`](crate::Config::refuse_after_close) ago.
    ClosedBefore,
    /// The relay is draining.
    Draining,
}

impl RefusalCause {
    /// All causes, for hosts that count them.
    pub const ALL: [Self; 11] = [
        Self::BadRequest,
        Self::BadHead,
        Self::Tls,
        Self::Unauthorized,
        Self::Origin,
        Self::PeersMax,
        Self::PeersPerIp,
        Self::PeersPerSubject,
        Self::ConnectRate,
        Self::ClosedBefore,
        Self::Draining,
    ];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::BadHead => "bad_head",
            Self::Tls => "tls",
            Self::Unauthorized => "unauthorized",
            Self::Origin => "origin",
            Self::PeersMax => "peers_max",
            Self::PeersPerIp => "peers_per_ip",
            Self::PeersPerSubject => "peers_per_subject",
            Self::ConnectRate => "connect_rate",
            Self::ClosedBefore => "closed_before",
            Self::Draining => "draining",
        }
    }
}

/// An answer that refuses an upgrade: a status, and a line for the person who reads it.
///
/// ```
/// use signal_tokio::{Refusal, http::StatusCode};
///
/// let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "this relay needs ?token=");
/// assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    status: StatusCode,
    body: String,
    retry_after: Option<Duration>,
    challenge: Option<HeaderValue>,
    pub(crate) cause: RefusalCause,
    pub(crate) auth: AuthResult,
}

impl Refusal {
    /// A refusal by an authorizer. A 401 is sent with `WWW-Authenticate: Bearer`, unless it has
    /// another [`challenge`](Self::challenge). A status that is neither 4xx nor 5xx becomes 403,
    /// because anything else would not refuse.
    pub fn new(status: StatusCode, body: impl Into<String>) -> Self {
        let refuses = status.is_client_error() || status.is_server_error();
        let status = if refuses {
            status
        } else {
            StatusCode::FORBIDDEN
        };
        Self {
            status,
            body: body.into(),
            retry_after: None,
            // RFC 9110, 15.5.2: a 401 names a way to prove who one is.
            challenge: (status == StatusCode::UNAUTHORIZED)
                .then(|| HeaderValue::from_static("Bearer")),
            cause: RefusalCause::Unauthorized,
            auth: AuthResult::Refused,
        }
    }

    /// The same refusal with a `Retry-After` header, rounded up to seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same refusal with this in `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// The same refusal, counted as this result instead of [`AuthResult::Refused`].
    #[must_use]
    pub fn auth_result(mut self, result: AuthResult) -> Self {
        self.auth = result;
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The text of the answer.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Why, for counting.
    pub fn cause(&self) -> RefusalCause {
        self.cause
    }

    /// What goes into `WWW-Authenticate`.
    pub(crate) fn challenge_value(&self) -> Option<&HeaderValue> {
        self.challenge.as_ref()
    }

    /// Seconds for `Retry-After`.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after
            .map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }

    pub(crate) fn because(cause: RefusalCause, retry_after: Option<Duration>) -> Self {
        let (status, body) = match cause {
            RefusalCause::BadRequest => (StatusCode::BAD_REQUEST, "this is no WebSocket upgrade"),
            RefusalCause::BadHead => (StatusCode::REQUEST_TIMEOUT, "the request took too long"),
            RefusalCause::Tls => (StatusCode::BAD_REQUEST, "this port speaks TLS"),
            RefusalCause::Unauthorized => (StatusCode::FORBIDDEN, "you may not connect here"),
            RefusalCause::Origin => (
                StatusCode::FORBIDDEN,
                "pages of this origin may not connect to this relay",
            ),
            RefusalCause::PeersMax => (
                StatusCode::SERVICE_UNAVAILABLE,
                "this relay is full, please try again later",
            ),
            RefusalCause::PeersPerIp => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many connections are open from your address",
            ),
            RefusalCause::PeersPerSubject => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many connections are open with your token",
            ),
            RefusalCause::ConnectRate => (
                StatusCode::TOO_MANY_REQUESTS,
                "your address connects too often, please wait",
            ),
            RefusalCause::ClosedBefore => (
                StatusCode::TOO_MANY_REQUESTS,
                "a connection from your address was just closed for breaking a limit, please wait",
            ),
            RefusalCause::Draining => (
                StatusCode::SERVICE_UNAVAILABLE,
                "this relay restarts, please reconnect",
            ),
        };
        Self {
            status,
            body: body.to_owned(),
            retry_after,
            challenge: None,
            cause,
            auth: AuthResult::Refused,
        }
    }
}

/// A random number of seconds.
pub(crate) fn between(seconds: RangeInclusive<u64>) -> Duration {
    Duration::from_secs(fastrand::u64(seconds))
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.status, self.body)
    }
}

impl std::error::Error for Refusal {}

use std::fmt;

use signal_access::Denied;

/// An answer that refuses an upgrade: a status, and a line for the person who reads it.
///
/// A stock client that is refused so backs off; one that is let in and then closed comes back at
/// once, for ever.
///
/// ```
/// use signal_workers::Refusal;
///
/// let refusal = Refusal::new(401, "this relay needs ?token=");
/// assert_eq!(refusal.status(), 401);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    status: u16,
    body: String,
    retry_after: Option<u64>,
    cause: &'static str,
    /// What is wrong with the token.
    token: Option<&'static str>,
    challenge: Option<&'static str>,
}

const UNAUTHORIZED: &str = "unauthorized";

impl Refusal {
    /// A refusal by whoever judges tokens. A 401 is sent with `WWW-Authenticate: Bearer`. A status
    /// that is neither 4xx nor 5xx becomes 403, because anything else would not refuse.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        let status = if (400..600).contains(&status) {
            status
        } else {
            403
        };
        Self {
            status,
            body: body.into(),
            retry_after: None,
            cause: UNAUTHORIZED,
            token: None,
            challenge: (status == 401).then_some("Bearer"),
        }
    }

    /// The same refusal with a `Retry-After` header.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The text of the answer.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Why, as a name for logs and counts.
    pub fn cause(&self) -> &'static str {
        self.cause
    }

    /// What is wrong with the token, as a name for logs and counts, if that is why.
    pub(crate) fn token(&self) -> Option<&'static str> {
        self.token
    }

    /// The value of `WWW-Authenticate`.
    pub(crate) fn challenge(&self) -> Option<&'static str> {
        self.challenge
    }

    /// Seconds for `Retry-After`.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after
    }

    pub(crate) fn because(cause: Cause) -> Self {
        let (status, cause, body) = match cause {
            Cause::NoRoom => (
                404,
                "no_room",
                "name a room: connect to /room/NAME or add ?room=NAME",
            ),
            Cause::RoomName => (
                414,
                "room_name",
                "the name of a room has at most 256 characters",
            ),
            Cause::ConnectRate => (
                429,
                "connect_rate",
                "your address connects too often, please wait",
            ),
            Cause::PeersPerIp => (
                429,
                "peers_per_ip",
                "too many connections are open from your address",
            ),
            Cause::PeersPerSubject => (
                429,
                "peers_per_subject",
                "too many connections are open with your token",
            ),
            Cause::ClosedBefore => (
                429,
                "closed_before",
                "a connection from your address was just closed for breaking a limit, please wait",
            ),
            Cause::PeersMax => (
                503,
                "peers_max",
                "this relay is full, please try again later",
            ),
            Cause::Settings => (
                500,
                "settings",
                "this relay is misconfigured; its log says how",
            ),
        };
        Self {
            status,
            body: body.to_owned(),
            retry_after: None,
            cause,
            token: None,
            challenge: None,
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let (cause, token) = match denied {
            Denied::Token(error) => (UNAUTHORIZED, Some(error.name())),
            // A later version's reason has a name, too.
            Denied::Origin | _ => (denied.name(), None),
        };
        Self {
            status: denied.status(),
            body: denied.body(),
            retry_after: None,
            cause,
            token,
            challenge: denied.challenge(),
        }
    }
}

/// Why this crate refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    NoRoom,
    RoomName,
    ConnectRate,
    PeersPerIp,
    PeersPerSubject,
    ClosedBefore,
    PeersMax,
    Settings,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.body)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use signal_access::TokenError;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_token_is_told() {
        let refusal = Refusal::from(Denied::Token(TokenError::Expired));
        assert_eq!(
            (refusal.status(), refusal.body()),
            (401, "the token has expired")
        );
        assert_eq!(
            (refusal.cause(), refusal.token()),
            ("unauthorized", Some("expired"))
        );
        assert!(
            refusal
                .challenge()
                .is_some_and(|challenge| challenge.starts_with("Bearer"))
        );
        let refusal = Refusal::from(Denied::Origin);
        assert_eq!((refusal.status(), refusal.cause()), (403, "origin"));
        assert_eq!((refusal.token(), refusal.challenge()), (None, None));
    }

    #[test]
    fn a_status_that_does_not_refuse_becomes_403() {
        assert_eq!(Refusal::new(200, "welcome").status(), 403);
        assert_eq!(Refusal::new(401, "no token").status(), 401);
        assert_eq!(Refusal::new(503, "full").status(), 503);
    }

    #[test]
    fn the_page_of_codes_has_every_cause_with_its_words() {
        let codes = include_str!("../../signal-tokio/CODES.md");
        for cause in [
            Cause::ConnectRate,
            Cause::PeersPerIp,
            Cause::PeersPerSubject,
            Cause::ClosedBefore,
            Cause::PeersMax,
        ] {
            let refusal = Refusal::because(cause);
            let row = format!("| `{}` | {} |", refusal.cause(), refusal.body());
            assert!(codes.contains(&row), "{row}");
        }
        for cause in [Cause::NoRoom, Cause::RoomName, Cause::Settings] {
            let here = format!("Workers only: `{}`.", Refusal::because(cause).cause());
            assert!(codes.contains(&here), "{here}");
        }
    }
}

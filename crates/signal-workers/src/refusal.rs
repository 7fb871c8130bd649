use std::fmt;

/// An answer that refuses an upgrade: a status, and a line for the person who reads it.
///
/// A stock client that is refused so backs off; one that is let in and then closed comes back at once, for ever.
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
}

impl Refusal {
    /// A refusal by whoever judges tokens. A status that is neither 4xx nor 5xx becomes 403, because anything else would not
    /// refuse.
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
            cause: "unauthorized",
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

    /// Seconds for `Retry-After`.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after
    }

    pub(crate) fn because(cause: Cause) -> Self {
        let (status, cause, body) = match cause {
            Cause::Origin => (403, "origin", "pages of this origin may not connect here"),
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
        }
    }
}

/// Why this crate refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    Origin,
    NoRoom,
    RoomName,
    ConnectRate,
    PeersPerIp,
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
    use super::*;

    #[test]
    fn a_status_that_does_not_refuse_becomes_403() {
        assert_eq!(Refusal::new(200, "welcome").status(), 403);
        assert_eq!(Refusal::new(401, "no token").status(), 401);
        assert_eq!(Refusal::new(503, "full").status(), 503);
    }
}

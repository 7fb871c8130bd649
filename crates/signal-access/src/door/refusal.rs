use alloc::borrow::Cow;
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

use crate::door::auth_result::AuthResult;
use crate::door::refusal_cause::RefusalCause;

/// How long those wait whose judge did not answer in time: it may be as slow for everybody.
const NOT_JUDGED_SECONDS: RangeInclusive<u64> = 10..=20;

/// How long those wait who may not wait for keys: as long as a fetch may take.
const KEYS_AWAITED_SECONDS: RangeInclusive<u64> = 2..=5;

/// An answer that refuses an upgrade: a status, and a line for the person who reads it.
///
/// A stock client that is refused so backs off; one that is let in and then closed comes back at
/// once, for as long as it runs.
///
/// `Retry-After` is exact where one address or subject waits for a budget of its own: earlier is in
/// vain, later is lost time. It is drawn at random where everybody is refused at once. Browsers do
/// not show the header to a page, so it is for programs and proxies; a page backs off by itself.
///
/// ```
/// use signal_access::Refusal;
///
/// let refusal = Refusal::new(401, "this relay needs ?token=");
/// assert_eq!((refusal.status(), refusal.challenge_value()), (401, Some("Bearer")));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    status: u16,
    body: Cow<'static, str>,
    retry_after: Option<Duration>,
    challenge: Option<Cow<'static, str>>,
    cause: RefusalCause,
    auth: AuthResult,
}

impl Refusal {
    /// A refusal by the authorizer. A 401 is sent with `WWW-Authenticate: Bearer`, unless it
    /// has another [`challenge`](Self::challenge). A status that is neither 4xx nor 5xx becomes
    /// 403, because anything else would not refuse.
    pub fn new(status: u16, body: impl Into<Cow<'static, str>>) -> Self {
        let status = if (400..600).contains(&status) {
            status
        } else {
            403
        };
        Self {
            status,
            body: body.into(),
            retry_after: None,
            // RFC 9110, 15.5.2: a 401 names a way to prove who one is.
            challenge: (status == 401).then_some(Cow::Borrowed("Bearer")),
            cause: RefusalCause::Unauthorized,
            auth: AuthResult::Refused,
        }
    }

    /// A refusal in the words of its cause. Where everybody is refused at once, `random` decides
    /// when to come back; see [`Refused`] for those who wait for themselves alone.
    pub fn because(cause: RefusalCause, random: u64) -> Self {
        let wait = cause.retry_seconds().map(|range| draw(range, random));
        Self::waiting(cause, wait)
    }

    /// A refusal because the authorizer did not answer in time.
    pub fn not_judged(random: u64) -> Self {
        Self::new(503, "your access could not be checked in time")
            .retry_after(draw(NOT_JUDGED_SECONDS, random))
            .auth_result(AuthResult::TimedOut)
    }

    /// A refusal because [as many](crate::KeySchedule::WAITING_MAX) wait for the keys of their
    /// tokens as may.
    pub fn keys_awaited(random: u64) -> Self {
        Self::new(
            503,
            "too many clients wait for the keys of their tokens, please try again",
        )
        .retry_after(draw(KEYS_AWAITED_SECONDS, random))
        .auth_result(AuthResult::UnknownKey)
    }

    /// The same refusal with a `Retry-After` header, rounded up to seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same refusal with this in `WWW-Authenticate`. What a header cannot hold is not sent.
    #[must_use]
    pub fn challenge(mut self, challenge: impl Into<Cow<'static, str>>) -> Self {
        let challenge = challenge.into();
        let is_sendable = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
        if challenge.bytes().all(is_sendable) {
            self.challenge = Some(challenge);
        }
        self
    }

    /// The same refusal, counted as this result instead of [`AuthResult::Refused`].
    #[must_use]
    pub fn auth_result(mut self, result: AuthResult) -> Self {
        self.auth = result;
        self
    }

    /// The same refusal for another cause, which is counted and logged.
    #[must_use]
    pub fn for_cause(mut self, cause: RefusalCause) -> Self {
        self.cause = cause;
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

    /// Why, for counting.
    pub fn cause(&self) -> RefusalCause {
        self.cause
    }

    /// What the authorizer has found, for counting.
    pub fn auth(&self) -> AuthResult {
        self.auth
    }

    /// Whether the token or the origin of the client was not good, so that this does not count as
    /// a connect of its address; see [`Door::deny`](crate::Door::deny).
    pub fn is_denial(&self) -> bool {
        let is_judged = matches!(
            self.cause,
            RefusalCause::Unauthorized | RefusalCause::Origin
        );
        is_judged && matches!(self.status, 400 | 401 | 403)
    }

    /// What goes into `WWW-Authenticate`.
    pub fn challenge_value(&self) -> Option<&str> {
        self.challenge.as_deref()
    }

    /// Seconds for `Retry-After`.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let wait = self.retry_after?;
        Some(
            wait.as_secs()
                .saturating_add(u64::from(wait.subsec_nanos() > 0)),
        )
    }

    fn waiting(cause: RefusalCause, wait: Option<Duration>) -> Self {
        Self {
            status: cause.status(),
            body: Cow::Borrowed(cause.sentence()),
            retry_after: wait,
            challenge: None,
            cause,
            auth: AuthResult::Refused,
        }
    }
}

#[cfg(feature = "claims")]
impl From<crate::Denied> for Refusal {
    fn from(denied: crate::Denied) -> Self {
        let cause = match denied {
            crate::Denied::Origin => RefusalCause::Origin,
            crate::Denied::Token(_) => RefusalCause::Unauthorized,
        };
        Self {
            status: denied.status(),
            body: Cow::Owned(denied.body()),
            retry_after: denied.retry_after(),
            challenge: denied.challenge().map(Cow::Borrowed),
            cause,
            auth: AuthResult::from_name(denied.name()),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::waiting(refused.cause, Some(refused.retry_after))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.body)
    }
}

impl core::error::Error for Refusal {}

/// Why one address or one subject may not come in, and when to try again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused {
    /// Why.
    pub cause: RefusalCause,
    /// After how long it is worth a try.
    pub retry_after: Duration,
}

/// One of the seconds, as `random` says.
fn draw(seconds: RangeInclusive<u64>, random: u64) -> Duration {
    let (first, last) = seconds.into_inner();
    let count = last.saturating_sub(first).saturating_add(1);
    Duration::from_secs(first.saturating_add(random.checked_rem(count).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_does_not_refuse_becomes_403() {
        assert_eq!(Refusal::new(200, "welcome").status(), 403);
        assert_eq!(Refusal::new(401, "no token").status(), 401);
        assert_eq!(Refusal::new(503, "full").status(), 503);
    }

    #[test]
    fn a_challenge_that_no_header_can_hold_leaves_the_one_that_was_there() {
        let refusal = Refusal::new(401, "no").challenge("Bearer realm=\"a\"");
        assert_eq!(refusal.challenge_value(), Some("Bearer realm=\"a\""));
        let split = Refusal::new(401, "no").challenge("Bearer\r\nSet-Cookie: a=b");
        assert_eq!(split.challenge_value(), Some("Bearer"));
    }

    #[test]
    fn clients_that_find_the_relay_full_are_spread_over_ten_seconds() {
        let seconds =
            |random| Refusal::because(RefusalCause::PeersMax, random).retry_after_seconds();
        for random in [0, 1, 10, 11, u64::MAX] {
            assert!((10..=20).contains(&seconds(random).unwrap()), "{random}");
        }
        assert_ne!(seconds(0), seconds(1));
        let exact = Refusal::because(RefusalCause::BadRequest, 7);
        assert_eq!(exact.retry_after_seconds(), None);
    }

    #[test]
    fn a_wait_is_rounded_up_to_seconds() {
        let refused = Refused {
            cause: RefusalCause::ConnectRate,
            retry_after: Duration::from_millis(1_001),
        };
        assert_eq!(Refusal::from(refused).retry_after_seconds(), Some(2));
    }

    #[cfg(feature = "claims")]
    #[test]
    fn what_is_wrong_with_a_token_is_said_and_counted() {
        use crate::{Denied, TokenError};

        let refusal = Refusal::from(Denied::Token(TokenError::Expired));
        assert_eq!(
            (refusal.status(), refusal.body()),
            (401, "the token has expired")
        );
        assert_eq!(
            (refusal.cause(), refusal.auth()),
            (RefusalCause::Unauthorized, AuthResult::Expired)
        );
        assert!(
            refusal
                .challenge_value()
                .is_some_and(|value| value.starts_with("Bearer"))
        );
        let refusal = Refusal::from(Denied::Origin);
        assert_eq!(
            (refusal.status(), refusal.cause()),
            (403, RefusalCause::Origin)
        );
        assert_eq!(
            (refusal.auth(), refusal.challenge_value()),
            (AuthResult::Origin, None)
        );
    }
}

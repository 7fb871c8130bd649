use alloc::borrow::Cow;
use core::fmt;
use core::time::Duration;

use signal_core::{Grant, Instant};
use thiserror::Error;

use crate::carrier::{Carrier, Carriers};
use crate::claims::Claims;
use crate::door::permit::Permit;
use crate::door::subject::Subject;
use crate::error::TokenError;
use crate::origins::Origins;
use crate::protocol::PROTOCOL_MARKER;
use crate::sent_token;
use crate::signature_check::SignatureCheck;
use crate::time::UnixTime;
use crate::upgrade_parts::UpgradeParts;
use crate::verifier::TokenVerifier;

/// How long those wait for whom there is no key yet. Fetching is tried again sooner.
const NO_KEYS_WAIT: Duration = Duration::from_secs(5);

/// Who may come in to a relay. By default everyone may, to every topic.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The pages that may connect.
    pub origins: Origins,
    /// The tokens that are asked for; none asks for none.
    pub tokens: Option<TokenVerifier>,
}

impl Access {
    /// Judges an upgrade request: its origin, then its token.
    ///
    /// # Errors
    ///
    /// Why the client may not come in. Answer the upgrade with it: a stock client that is let in
    /// and then closed reconnects at once, again and again; one that is answered with a status
    /// backs off.
    pub fn judge(&self, request: &UpgradeParts<'_>, now: UnixTime) -> Result<Admitted, Denied> {
        self.judge_with(request, now, &mut |_| false)
    }

    /// The same with what a host says of signatures, if it verifies them; see
    /// [`TokenVerifier::verify_with`].
    ///
    /// # Errors
    ///
    /// As for [`judge`](Self::judge).
    pub fn judge_with(
        &self,
        request: &UpgradeParts<'_>,
        now: UnixTime,
        is_right: &mut dyn FnMut(SignatureCheck<'_>) -> bool,
    ) -> Result<Admitted, Denied> {
        if !self.origins.allow(request.origin, request.host) {
            return Err(Denied::Origin);
        }
        let offers_marker = sent_token::offers_marker(request.protocols);
        let Some(verifier) = &self.tokens else {
            return Ok(Admitted {
                claims: None,
                carrier: None,
                offers_marker,
            });
        };
        let (carrier, token) = sent_token::find(request, verifier.carriers())?;
        let claims = verifier.verify_with(&token, now, is_right)?;
        Ok(Admitted {
            claims: Some(claims),
            carrier: Some(carrier),
            offers_marker,
        })
    }
}

/// Who may come in, in one line for an operator: `anyone, to every topic`, or `tokens of 1 key,
/// audience "relay.example.org"; origins https://app.example.org`.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tokens {
            None => f.write_str("anyone, to every topic")?,
            Some(verifier) => {
                match verifier.key_count() {
                    0 => f.write_str("tokens of keys that are fetched, ")?,
                    1 => f.write_str("tokens of 1 key, ")?,
                    keys => write!(f, "tokens of {keys} keys, ")?,
                }
                if let Some(issuer) = verifier.issuer() {
                    write!(f, "issuer {issuer:?}, ")?;
                }
                match verifier.audience() {
                    Some(audience) => write!(f, "audience {audience:?}")?,
                    None => f.write_str("without an audience")?,
                }
                if verifier.carriers() != Carriers::default() {
                    write!(f, ", in {} only", verifier.carriers())?;
                }
            }
        }
        for (position, origin) in self.origins.patterns().enumerate() {
            let before = if position == 0 { "; origins " } else { ", " };
            write!(f, "{before}{origin}")?;
        }
        Ok(())
    }
}

/// A client that may come in.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Admitted {
    /// What its token says, where one was asked for.
    pub claims: Option<Claims>,
    /// Where the token was.
    pub carrier: Option<Carrier>,
    offers_marker: bool,
}

impl Admitted {
    /// All that the client is given: [`grant`](Self::grant), [`subject`](Self::subject) and
    /// [`protocol`](Self::protocol) together.
    pub fn permit(&self, unix_now: UnixTime, now: Instant) -> Permit {
        let mut permit = Permit::from(self.grant(unix_now, now));
        permit.subject = self.subject();
        permit.protocol = self.protocol().map(Cow::Borrowed);
        permit
    }

    /// What the client may do, with the end of its token in the host's time: `unix_now` and `now`
    /// are the same moment.
    pub fn grant(&self, unix_now: UnixTime, now: Instant) -> Grant {
        let Some(claims) = &self.claims else {
            return Grant::open();
        };
        let left: Duration = claims.expires.saturating_since(unix_now);
        let grant = Grant::new(claims.subscribe.clone(), claims.publish.clone())
            .expires_at(now.saturating_add(left));
        let numbers = claims.clients_max.iter();
        numbers.fold(grant, |grant, (topics, max)| {
            grant.clients_max(topics.clone(), *max)
        })
    }

    /// Whose connections are to be counted, where the token says who its bearer is: also where it
    /// does not limit them, as another token of the same subject may.
    pub fn subject(&self) -> Option<Subject> {
        let claims = self.claims.as_ref()?;
        let name = claims.subject.as_deref()?;
        Some(match claims.peers_max {
            Some(peers_max) => Subject::new(name, peers_max),
            None => Subject::uncapped(name),
        })
    }

    /// The subprotocol to answer with: the marker, if it was offered.
    pub fn protocol(&self) -> Option<&'static str> {
        self.offers_marker.then_some(PROTOCOL_MARKER)
    }
}

/// Why a client may not come in.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Denied {
    /// Pages of its origin may not connect.
    #[error("pages of this origin may not connect to this relay")]
    Origin,
    /// Its token does not let it in.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Denied {
    /// The HTTP status that says so.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Origin => 403,
            // RFC 6750 3.1: invalid_request.
            Self::Token(TokenError::Ambiguous) => 400,
            // Not the client's fault, and over soon.
            Self::Token(TokenError::NoKeys) => 503,
            Self::Token(_) => 401,
        }
    }

    /// The value of `WWW-Authenticate`, which belongs to a status of 401 (RFC 6750 3).
    pub const fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::Origin | Self::Token(TokenError::Ambiguous | TokenError::NoKeys) => None,
            Self::Token(TokenError::Missing(_)) => Some("Bearer"),
            Self::Token(_) => Some("Bearer error=\"invalid_token\""),
        }
    }

    /// Whether it may come in once its issuer's keys are fetched anew; see
    /// [`KeySchedule`](crate::KeySchedule).
    pub const fn awaits_keys(&self) -> bool {
        matches!(
            self,
            Self::Token(TokenError::UnknownKey | TokenError::NoKeys)
        )
    }

    /// When to try again, where that helps.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Token(TokenError::NoKeys) => Some(NO_KEYS_WAIT),
            Self::Origin | Self::Token(_) => None,
        }
    }

    /// The line that answers the request, for a person to read.
    pub fn body(&self) -> alloc::string::String {
        alloc::string::ToString::to_string(self)
    }

    /// The name in metrics, logs and reports: `origin`, or one of [`TokenError::NAMES`].
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Token(error) => error.name(),
        }
    }
}

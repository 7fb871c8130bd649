//! Signed tokens and lists of origins as an authorizer.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use signal_access::{Access, Denied, Judging, Permit, UnixTime, UpgradeParts};

use crate::admission::authorizer::{Authorization, Authorizer, UpgradeRequest};
use crate::admission::refused_tokens::RefusedTokens;

/// An [`Authorizer`] that judges by an [`Access`]: pages by their origin, clients by a signed
/// token.
///
/// A token that was refused for good is not verified again for a minute when the same address shows
/// it again: a stock client with an expired token tries once a second, forever. To change keys or
/// origins while peers are connected, make another one and give it to
/// [`Relay::set_authorizer`](crate::Relay::set_authorizer); it begins with an empty memory.
///
/// ```
/// use signal_tokio::signal_access::{Access, Origins, TokenVerifier};
/// use signal_tokio::{AccessAuthorizer, Config, Relay};
///
/// let keys = r#"{"kty":"oct","alg":"HS256","k":"dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk"}"#;
/// let access = Access {
///     origins: Origins::new(["https://app.example.org"])?,
///     tokens: Some(TokenVerifier::new(keys)?),
/// };
/// let relay = Relay::with_authorizer(Config::default(), AccessAuthorizer::new(access))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AccessAuthorizer {
    access: Access,
    refused: RefusedTokens,
    clock: Arc<dyn Fn() -> UnixTime + Send + Sync>,
}

impl AccessAuthorizer {
    /// An authorizer that judges by the clock of the system.
    pub fn new(access: Access) -> Self {
        let clock = || {
            let since_1970 = SystemTime::UNIX_EPOCH.elapsed();
            UnixTime::since_1970(since_1970.unwrap_or_default())
        };
        Self::with_clock(access, clock)
    }

    /// An authorizer with a clock of its own, for tests that move time.
    pub fn with_clock(
        access: Access,
        clock: impl Fn() -> UnixTime + Send + Sync + 'static,
    ) -> Self {
        Self {
            access,
            refused: RefusedTokens::default(),
            clock: Arc::new(clock),
        }
    }

    /// One with another access and the same clock.
    #[cfg(feature = "jwks")]
    pub(crate) fn with_access(&self, access: Access) -> Self {
        Self {
            access,
            refused: RefusedTokens::default(),
            clock: Arc::clone(&self.clock),
        }
    }

    /// What it judges by.
    #[cfg(feature = "jwks")]
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn judge(&self, request: &UpgradeRequest<'_>) -> Result<Permit, Denied> {
        let host = joined(request.headers, &HOST);
        let origin = joined(request.headers, &ORIGIN);
        let authorization = joined(request.headers, &AUTHORIZATION);
        let protocols = joined(request.headers, &SEC_WEBSOCKET_PROTOCOL);
        let parts = UpgradeParts {
            query: request.uri.query(),
            host: host.as_deref(),
            origin: origin.as_deref(),
            authorization: authorization.as_deref(),
            protocols: protocols.as_deref(),
        };
        let shown = self.refused.fingerprint(request.client, &parts);
        if let Some(denied) = self.refused.find(shown, request.now) {
            return Err(denied);
        }
        let unix_now = (self.clock)();
        let admitted = self
            .access
            .judge(&parts, unix_now)
            .inspect_err(|denied| self.refused.note(shown, *denied, request.now))?;
        Ok(admitted.permit(unix_now, request.now))
    }
}

impl Authorizer for AccessAuthorizer {
    fn authorize<'a>(&'a self, request: &'a UpgradeRequest<'a>) -> Authorization<'a> {
        Box::pin(std::future::ready(self.judge(request).map_err(Into::into)))
    }

    fn judging(&self) -> Judging {
        Judging::Cheap
    }
}

impl fmt::Debug for AccessAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessAuthorizer")
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// The values of a header, with commas between them where it comes more than once (RFC 9110, 5.3):
/// of two tokens that makes one that cannot be read, and of two origins one that is on no list.
fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    let mut values = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = values.next()?;
    Some(values.fold(first, |all, value| Cow::Owned(format!("{all}, {value}"))))
}

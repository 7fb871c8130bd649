use alloc::borrow::Cow;

use crate::error::{MalformedCause, TokenError};
use crate::percent;
use crate::upgrade_parts::UpgradeParts;
use crate::verifier::TOKEN_BYTES_MAX;

/// The subprotocol that announces a token as the next one, for browsers, which can send no
/// `Authorization`: `new WebSocket(url, ['signal-token', token])`. The relay answers with this
/// marker, never with the token.
pub const PROTOCOL_MARKER: &str = "signal-token";

/// Where in a request a token was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Carrier {
    /// `Authorization: Bearer TOKEN`.
    Authorization,
    /// `?token=TOKEN` in the address: the one that a stock y-webrtc client can use.
    Query,
    /// `Sec-WebSocket-Protocol: signal-token, TOKEN`.
    Protocol,
}

impl Carrier {
    /// All carriers.
    pub const ALL: [Self; 3] = [Self::Authorization, Self::Query, Self::Protocol];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Query => "query",
            Self::Protocol => "protocol",
        }
    }
}

/// Finds the one token of a request.
pub(crate) fn find<'a>(request: &UpgradeParts<'a>) -> Result<(Carrier, Cow<'a, str>), TokenError> {
    let bearer = request.authorization.and_then(bearer);
    let mut found = bearer
        .map(|token| (Carrier::Authorization, token))
        .into_iter()
        .chain(queried(request.query).map(|token| (Carrier::Query, token)))
        .chain(offered(request.protocols).map(|token| (Carrier::Protocol, token)));
    let (carrier, sent) = found.next().ok_or(TokenError::Missing)?;
    if found.next().is_some() {
        return Err(TokenError::Ambiguous);
    }
    let token = match carrier {
        Carrier::Authorization | Carrier::Protocol => Cow::Borrowed(sent),
        // Each character takes three at most.
        Carrier::Query if sent.len() > 3 * TOKEN_BYTES_MAX => return Err(TokenError::TooLong),
        Carrier::Query => {
            percent::decode(sent).ok_or(TokenError::Malformed(MalformedCause::Form))?
        }
    };
    Ok((carrier, token))
}

/// Whether the client offers the marker, so that it expects it back.
pub(crate) fn offers_marker(protocols: Option<&str>) -> bool {
    offered(protocols).next().is_some()
}

/// The token of a header of the scheme `Bearer`; other schemes are not meant for the relay.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(' '))
}

/// The values of the parameters called `token`, still encoded.
fn queried(query: Option<&str>) -> impl Iterator<Item = &str> {
    let parameters = query.unwrap_or_default().split('&');
    parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        percent::decode(name)
            .is_some_and(|name| name == "token")
            .then_some(value)
    })
}

/// What follows the marker, each time it is offered.
fn offered(protocols: Option<&str>) -> impl Iterator<Item = &str> {
    let mut names = protocols
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim_matches([' ', '\t']));
    core::iter::from_fn(move || {
        names.find(|name| *name == PROTOCOL_MARKER)?;
        Some(names.next().unwrap_or_default())
    })
}

use alloc::borrow::Cow;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::error::{MalformedCause, TokenError};
use crate::percent;
use crate::protocol::PROTOCOL_MARKER;
use crate::token::TOKEN_BYTES_MAX;
use crate::upgrade_parts::UpgradeParts;

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

/// The places in which a relay looks for tokens; by default all. What stands in another place is
/// not looked at, so that it can be somebody else's: a proxy that proves who the user is may send
/// an `Authorization` of its own.
///
/// ```
/// use signal_access::{Carrier, Carriers};
///
/// let carriers: Carriers = "query, protocol".parse()?;
/// assert!(carriers.has(Carrier::Query) && !carriers.has(Carrier::Authorization));
/// assert_eq!(carriers.to_string(), "query,protocol");
/// assert_eq!(Carriers::default().to_string(), "any");
/// # Ok::<(), signal_access::CarriersError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Carriers([bool; Carrier::ALL.len()]);

impl Carriers {
    /// Whether this is one of the places.
    pub fn has(self, carrier: Carrier) -> bool {
        let mut all = Carrier::ALL.into_iter().zip(self.0);
        all.any(|(one, is_looked_at)| one == carrier && is_looked_at)
    }

    /// How to send a token, for the person who runs a client. Those ways that a browser has come
    /// first.
    pub(crate) fn ways(self) -> Ways {
        Ways(self)
    }
}

/// What to do to send a token to one of these places.
pub(crate) struct Ways(Carriers);

impl fmt::Display for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = [
            (Carrier::Query, "add ?token=… to its address"),
            (
                Carrier::Protocol,
                "offer the subprotocols signal-token and the token",
            ),
            (Carrier::Authorization, "send Authorization: Bearer"),
        ];
        let open = || ways.iter().filter(|(carrier, _)| self.0.has(*carrier));
        let last = open().count().saturating_sub(1);
        for (position, (_, way)) in open().enumerate() {
            let before = match position {
                0 => "",
                _ if position == last => ", or ",
                _ => ", ",
            };
            write!(f, "{before}{way}")?;
        }
        Ok(())
    }
}

impl Default for Carriers {
    fn default() -> Self {
        Self([true; Carrier::ALL.len()])
    }
}

/// Reads `any`, or `query`, `header` and `protocol` with commas between them.
impl FromStr for Carriers {
    type Err = CarriersError;

    fn from_str(text: &str) -> Result<Self, CarriersError> {
        let mut carriers = Self([false; Carrier::ALL.len()]);
        for name in text.split(',').map(str::trim) {
            let is_named = |carrier: Carrier| match carrier {
                Carrier::Authorization => ["header", carrier.name()].contains(&name),
                Carrier::Query | Carrier::Protocol => carrier.name() == name,
            };
            let named = Carrier::ALL.map(|carrier| name == "any" || is_named(carrier));
            if named == [false; Carrier::ALL.len()] {
                return Err(CarriersError);
            }
            carriers = Self(core::array::from_fn(|at| {
                let is_set = |set: &[bool]| set.get(at).copied().unwrap_or_default();
                is_set(&carriers.0) || is_set(&named)
            }));
        }
        Ok(carriers)
    }
}

/// Writes what [`FromStr`] reads.
impl fmt::Display for Carriers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("any");
        }
        let places = Carrier::ALL.into_iter().filter(|one| self.has(*one));
        for (position, carrier) in places.enumerate() {
            let name = match carrier {
                Carrier::Authorization => "header",
                Carrier::Query | Carrier::Protocol => carrier.name(),
            };
            write!(f, "{}{name}", if position == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// A place that there is not.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error(
    "not a place for tokens; write any, or query, header and protocol with commas between them"
)]
pub struct CarriersError;

/// Finds the one token of a request.
pub(crate) fn find<'a>(
    request: &UpgradeParts<'a>,
    carriers: Carriers,
) -> Result<(Carrier, Cow<'a, str>), TokenError> {
    let authorization = request
        .authorization
        .filter(|_| carriers.has(Carrier::Authorization));
    let query = request.query.filter(|_| carriers.has(Carrier::Query));
    let protocols = request
        .protocols
        .filter(|_| carriers.has(Carrier::Protocol));
    if authorization.is_some_and(names_several) {
        return Err(TokenError::Ambiguous);
    }
    let bearer = authorization.and_then(bearer);
    let mut found = bearer
        .map(|token| (Carrier::Authorization, token))
        .into_iter()
        .chain(queried(query).map(|token| (Carrier::Query, token)))
        .chain(offered(protocols).map(|token| (Carrier::Protocol, token)));
    let (carrier, sent) = found.next().ok_or(TokenError::Missing(carriers))?;
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

/// Whether a header is more than one: what a client sends as two stands there with a comma between
/// them. Between two parameters of one scheme (`Digest username="a", realm="b"`) there is one too,
/// but not within quotes: with a quote in the first header, a second could hide behind it.
fn names_several(header: &str) -> bool {
    let is_parameter = |part: &str| {
        let part = part.trim_matches([' ', '\t']);
        let name = part.split([' ', '\t', '=']).next().unwrap_or_default();
        let rest = part.get(name.len()..).unwrap_or_default();
        !name.is_empty() && rest.trim_start_matches([' ', '\t']).starts_with('=')
    };
    !header.split(',').skip(1).all(is_parameter)
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

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn who_brings_no_token_hears_of_the_places_where_one_is_looked_for_and_of_no_other() {
        for (places, ways) in [
            (
                "any",
                "add ?token=… to its address, offer the subprotocols signal-token and the token, or \
                 send Authorization: Bearer",
            ),
            ("query", "add ?token=… to its address"),
            ("header", "send Authorization: Bearer"),
            (
                "protocol",
                "offer the subprotocols signal-token and the token",
            ),
            (
                "header,query",
                "add ?token=… to its address, or send Authorization: Bearer",
            ),
        ] {
            let carriers: Carriers = places.parse().expect("places");
            let has_query = carriers.has(Carrier::Query);
            // One in another place is not looked at.
            let request = UpgradeParts {
                query: (!has_query).then_some("token=a.b.c"),
                ..UpgradeParts::default()
            };
            let error = find(&request, carriers).expect_err("there is none");
            assert_eq!(
                error.to_string(),
                ["this relay needs a token: ", ways].concat(),
                "{places}"
            );
        }
    }
}

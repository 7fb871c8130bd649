//! The token that a request brings, wherever it stands.

use alloc::borrow::Cow;

use crate::carrier::{Carrier, Carriers, TOKEN_BYTES_MAX};
use crate::error::{MalformedCause, TokenError};
use crate::percent;
use crate::protocol::PROTOCOL_MARKER;
use crate::upgrade_parts::UpgradeParts;

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

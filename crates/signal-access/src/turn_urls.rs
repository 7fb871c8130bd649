use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// The most addresses of TURN servers. A browser tries each for each connection, and warns from
/// five on.
pub const TURN_URLS_MAX: usize = 16;

/// The longest address: 253 bytes are the longest name of a host.
const URL_BYTES_MAX: usize = 300;

/// The addresses of TURN servers, with commas between them, of which one at least relays: `turn:`
/// or `turns:` (RFC 7065). Beside those there may be some of `stun:` and `stuns:`.
///
/// They are read as strictly as browsers do: from a page that is given one that is wrong, an
/// `RTCPeerConnection` throws, and nothing connects.
///
/// ```
/// use signal_access::TurnUrls;
///
/// let urls: TurnUrls = "turn:turn.example.org, turns:turn.example.org:443?transport=tcp".parse()?;
/// assert_eq!(urls.iter().count(), 2);
/// assert!("turn://turn.example.org".parse::<TurnUrls>().is_err());
/// # Ok::<(), signal_access::TurnUrlsError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TurnUrls(Vec<String>);

/// Why addresses of TURN servers cannot be used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TurnUrlsError {
    /// There are too many.
    #[error("there may be {TURN_URLS_MAX} addresses, not {0}")]
    Count(usize),
    /// This is not one.
    #[error(
        "`{0}` is not an address such as turn:turn.example.org:3478 or \
         turns:turn.example.org:443?transport=tcp"
    )]
    Form(String),
    /// None of them is one of a server that relays.
    #[error("none of the addresses begins with turn: or turns:")]
    NoTurn,
}

impl TurnUrls {
    /// Each address.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromStr for TurnUrls {
    type Err = TurnUrlsError;

    fn from_str(text: &str) -> Result<Self, TurnUrlsError> {
        let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
        let urls: Vec<String> = urls.map(str::to_owned).collect();
        if let Some(wrong) = urls.iter().find(|url| !is_url(url)) {
            let shown = wrong.chars().take(URL_BYTES_MAX).collect();
            return Err(TurnUrlsError::Form(shown));
        }
        if urls.len() > TURN_URLS_MAX {
            return Err(TurnUrlsError::Count(urls.len()));
        }
        if !urls.iter().any(|url| url.starts_with("turn")) {
            return Err(TurnUrlsError::NoTurn);
        }
        Ok(Self(urls))
    }
}

/// As they are read, with commas between them.
impl fmt::Display for TurnUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl Serialize for TurnUrls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

fn is_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else {
        return false;
    };
    let (host_and_port, transport) = match rest.split_once('?') {
        Some((host_and_port, query)) => (host_and_port, Some(query)),
        None => (rest, None),
    };
    let is_transport_right = match scheme {
        "turn" | "turns" => matches!(transport, None | Some("transport=udp" | "transport=tcp")),
        "stun" | "stuns" => transport.is_none(),
        _ => false,
    };
    is_transport_right && url.len() <= URL_BYTES_MAX && is_host_and_port(host_and_port)
}

fn is_host_and_port(text: &str) -> bool {
    let (is_host, after) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, after) = rest.split_once(']').unwrap_or_default();
            (ip.parse::<Ipv6Addr>().is_ok(), after)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (name, after) = text.split_at_checked(end).unwrap_or_default();
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            (!name.is_empty() && name.bytes().all(is_fine), after)
        }
    };
    let port = after.strip_prefix(':');
    let is_number = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse().is_ok_and(|port: u16| port > 0)
    };
    is_host && port.map_or(after.is_empty(), is_number)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn addresses_are_those_that_browsers_take() {
        for right in [
            "turn:turn.example.org",
            "turn:turn.example.org:3478?transport=udp",
            "turns:192.0.2.1:443?transport=tcp",
            "turn:[2001:db8::1]:3478",
            "turn:[::1]",
            "stun:stun.example.org:19302,turn:a_b-c.example.org",
            " turn:a , turn:b ,",
        ] {
            assert!(right.parse::<TurnUrls>().is_ok(), "{right}");
        }
        for wrong in [
            "turn.example.org:3478",
            "turn:",
            "turn::3478",
            "turn://turn.example.org",
            "TURN:turn.example.org",
            "https://turn.example.org",
            "turn:turn.example.org:0",
            "turn:turn.example.org:65536",
            "turn:turn.example.org:+80",
            "turn:turn.example.org:",
            "turn:turn.example.org/path",
            "turn:ann:secret@turn.example.org",
            "turn:turn.example.org?transport=tls",
            "turn:turn.example.org?transport=udp&x=1",
            "turn:turn.example.org?",
            "stun:stun.example.org?transport=udp,turn:a",
            "turn:[::1",
            "turn:[turn.example.org]",
            "turn:[::1]3478",
            "turn:::1",
            "turn:t\u{fc}rn.example.org",
            "turn:turn.example.org turn:b",
            "turn:a\u{0}",
            "turn:a\"",
        ] {
            assert!(
                matches!(wrong.parse::<TurnUrls>(), Err(TurnUrlsError::Form(_))),
                "{wrong}"
            );
        }
        let long = ["turn:", &"a".repeat(URL_BYTES_MAX)].concat();
        assert!(long.parse::<TurnUrls>().is_err());
    }

    #[test]
    fn one_address_at_least_relays_and_there_are_not_too_many() {
        use TurnUrlsError as E;
        for none in ["", ",", "stun:stun.example.org"] {
            assert_eq!(none.parse::<TurnUrls>(), Err(E::NoTurn), "{none:?}");
        }
        let many = |count| ["turn:a"].repeat(count).join(",");
        assert!(many(TURN_URLS_MAX).parse::<TurnUrls>().is_ok());
        let error = many(TURN_URLS_MAX + 1).parse::<TurnUrls>();
        assert_eq!(error, Err(E::Count(TURN_URLS_MAX + 1)));
    }

    #[test]
    fn they_are_shown_as_they_are_read() {
        let urls: TurnUrls = "turn:a, stun:b,".parse().expect("addresses");
        assert_eq!(urls.to_string(), "turn:a,stun:b");
        assert_eq!(urls.to_string().parse(), Ok(urls));
    }
}

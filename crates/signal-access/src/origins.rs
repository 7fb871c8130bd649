use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;

use thiserror::Error;

/// The web pages that may connect, by their origin. Empty, which is the default: all.
///
/// Browsers send the origin of the page that connects, and a page cannot lie about it. So a list
/// keeps other people's pages away from a relay, and nothing else: a program that is not a browser may
/// send any origin, or none, and is let through without one. Tokens are for those.
///
/// An origin is `scheme://host` or `scheme://host:port` and is compared as RFC 6454 says: the case
/// of scheme and host and a default port do not matter, everything else does.
/// `https://*.example.org` allows every host below `example.org`, not `example.org` itself.
///
/// ```
/// use signal_access::Origins;
///
/// let origins = Origins::new(["https://app.example.org", "http://localhost:8000"])?;
/// assert!(origins.allow(Some("https://APP.example.org:443")));
/// assert!(!origins.allow(Some("http://app.example.org")));
/// assert!(!origins.allow(Some("null")));
/// assert!(origins.allow(None));
/// # Ok::<(), signal_access::OriginError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origins(Vec<Pattern>);

impl Origins {
    /// Only these origins.
    ///
    /// # Errors
    ///
    /// If one of them is not an origin.
    pub fn new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        let patterns: Result<Vec<Pattern>, OriginError> = origins
            .into_iter()
            .map(|text| Pattern::new(text.trim()))
            .collect();
        patterns.map(Self)
    }

    /// The origins, each as `scheme://host`, with a port where that is not the default one.
    pub fn patterns(&self) -> impl Iterator<Item = impl fmt::Display> {
        self.0.iter()
    }

    /// Whether all origins may connect.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a page whose `Origin` header has this value may connect; none is a client that is no
    /// browser.
    pub fn allow(&self, origin: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        if self.is_empty() {
            return true;
        }
        let Some(origin) = Origin::parse(origin) else {
            return false;
        };
        self.0.iter().any(|pattern| pattern.matches(&origin))
    }
}

/// An entry of the list that is not an origin.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error(
    "`{0}` is not an origin such as https://app.example.org, http://localhost:8000 or https://*.example.org \
     (no path; a name with other than ASCII letters as browsers send it, beginning with xn--)"
)]
pub struct OriginError(Box<str>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Pattern {
    origin: Origin,
    /// Every host that ends in a dot and this one.
    is_below: bool,
}

impl Pattern {
    fn new(text: &str) -> Result<Self, OriginError> {
        let error = || OriginError(text.into());
        let (plain, is_below) = match text.split_once("://*.") {
            Some((scheme, host)) => ([scheme, "://", host].concat(), true),
            None => (text.to_owned(), false),
        };
        let origin = Origin::parse(&plain).ok_or_else(error)?;
        Ok(Self { origin, is_below })
    }

    fn matches(&self, origin: &Origin) -> bool {
        let ours = &self.origin;
        if (&ours.scheme, ours.port) != (&origin.scheme, origin.port) {
            return false;
        }
        if !self.is_below {
            return ours.host == origin.host;
        }
        let below = origin.host.strip_suffix(&ours.host);
        below.is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.is_below { "*." } else { "" };
        let Origin { scheme, host, port } = &self.origin;
        write!(f, "{scheme}://{below}")?;
        // Only addresses of IPv6 have colons.
        if host.contains(':') {
            write!(f, "[{host}]")?;
        } else {
            f.write_str(host)?;
        }
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// An origin in the one form in which equal ones are equal.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Origin {
    scheme: String,
    host: String,
    /// None is the default port of the scheme.
    port: Option<u16>,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest
                .split_once(']')
                .map(|(host, port)| (Host::V6(host), port))?,
            None => match authority.find(':') {
                Some(colon) => authority
                    .split_at_checked(colon)
                    .map(|(host, port)| (Host::Name(host), port))?,
                None => (Host::Name(authority), ""),
            },
        };
        let scheme = scheme.to_ascii_lowercase();
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
            return None;
        }
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            None if port.is_empty() => None,
            _ => return None,
        };
        Some(Self {
            host: host.canonical()?,
            port: port.filter(|port| Some(*port) != default_port(&scheme)),
            scheme,
        })
    }
}

enum Host<'a> {
    Name(&'a str),
    V6(&'a str),
}

impl Host<'_> {
    fn canonical(self) -> Option<String> {
        match self {
            Self::Name(name) => {
                let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                let is_name = !name.is_empty() && name.bytes().all(is_fine);
                is_name.then(|| name.to_ascii_lowercase())
            }
            Self::V6(address) => address.parse::<Ipv6Addr>().ok().map(|ip| ip.to_string()),
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(list: &str, origin: &str) -> bool {
        Origins::new([list]).expect("an origin").allow(Some(origin))
    }

    #[test]
    fn an_empty_list_allows_everybody() {
        let all = Origins::default();
        for origin in [None, Some("https://evil.example"), Some("null"), Some("")] {
            assert!(all.allow(origin));
        }
    }

    #[test]
    fn equal_origins_are_equal_however_they_are_written() {
        for (list, origin) in [
            ("https://app.example", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("HTTPS://App.Example", "https://app.example:443"),
            ("http://localhost:8000", "http://localhost:8000"),
            ("http://[::1]:8000", "http://[0:0:0:0:0:0:0:1]:8000"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("https://*.example.org", "https://a.b.example.org"),
        ] {
            assert!(allows(list, origin), "{list} {origin}");
        }
    }

    #[test]
    fn origins_are_shown_as_they_can_be_written() {
        let written = [
            "https://app.example",
            "http://[::1]:8000",
            "https://*.example.org",
        ];
        let origins = Origins::new(["HTTPS://app.example:443", written[1], written[2]]);
        let shown: Vec<String> = origins
            .expect("origins")
            .patterns()
            .map(|one| one.to_string())
            .collect();
        assert_eq!(shown, written);
    }

    #[test]
    fn look_alikes_are_refused() {
        let app = "https://app.example";
        for (list, origin) in [
            (app, "http://app.example"),
            (app, "https://app.example:8443"),
            (app, "https://app.example.evil.example"),
            (app, "https://evil-app.example"),
            (app, "https://app.example/"),
            (app, "https://app.example@evil.example"),
            (app, "https://app.example:443:443"),
            (app, "https://app.example:+443"),
            (app, "https://app.example:"),
            (app, "https://app.example https://evil.example"),
            (app, "null"),
            (app, ""),
            ("https://*.example.org", "https://example.org"),
            ("https://*.example.org", "https://.example.org"),
            ("https://*.example.org", "https://evilexample.org"),
            ("https://*.example.org", "http://a.example.org"),
            (
                "https://*.example.org",
                "https://*.example.org.evil.example",
            ),
        ] {
            assert!(!allows(list, origin), "{list} {origin}");
        }
    }

    #[test]
    fn what_is_no_origin_is_said() {
        for wrong in [
            "",
            "*",
            "app.example",
            "https://",
            "https://app.example/",
            "https://a.*.example",
            "https://münchen.example",
            "https://a b",
            "://a",
            "https://a:99999",
            "null",
            "https://*.",
        ] {
            assert_eq!(Origins::new([wrong]), Err(OriginError(wrong.into())));
        }
    }

    proptest! {
        #[test]
        fn any_header_is_survived(text in any::<String>()) {
            allows("https://*.example.org", &text);
            let _ = Origins::new([text.as_str()]);
        }
    }
}

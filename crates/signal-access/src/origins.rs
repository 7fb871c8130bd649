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
/// keeps other people's pages away from a relay, and nothing else: a program that is not a browser
/// may send any origin, or none.
///
/// An origin is `scheme://host` or `scheme://host:port` and is compared as RFC 6454 says: the case
/// of scheme and host and a default port do not matter, everything else does. A slash or path
/// behind it, which only programs send, is cut; an entry of the list has no path, as pages under
/// one cannot be told from their neighbours. It may be wider:
///
/// | entry | pages |
/// |---|---|
/// | `https://*.example.org` | of every host below `example.org`, not of `example.org` itself |
/// | `http://localhost:*` | of every port |
/// | `*://app.example.org` | of every scheme, on its default port |
/// | `moz-extension://*` | of every host with this scheme |
/// | `null` | without an origin of their own: of files, and in sandboxed frames of any site |
///
/// A request whose origin is the relay's own, as its `Host` says, does not come from a page
/// elsewhere and is let through, as is one without an origin: many programs send the address that
/// they connect to.
///
/// ```
/// use signal_access::Origins;
///
/// let origins = Origins::new(["https://app.example.org", "http://localhost:*"])?;
/// assert!(origins.allow(Some("https://APP.example.org:443"), None));
/// assert!(origins.allow(Some("http://localhost:8000"), None));
/// assert!(!origins.allow(Some("http://app.example.org"), None));
/// assert!(!origins.allow(Some("null"), None));
/// assert!(origins.allow(Some("http://127.0.0.1:4444"), Some("127.0.0.1:4444")));
/// assert!(origins.allow(None, None));
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
            .map(str::trim)
            .map(|text| Pattern::new(text).ok_or_else(|| OriginError::new(text)))
            .collect();
        patterns.map(Self)
    }

    /// The entries, each as `scheme://host`, with a port where that is not the default one.
    pub fn patterns(&self) -> impl Iterator<Item = impl fmt::Display> {
        self.0.iter()
    }

    /// Whether all origins may connect.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request with these headers `Origin` and `Host` may connect.
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(text) = origin else { return true };
        if self.is_empty() {
            return true;
        }
        if text == NULL {
            return self.0.contains(&Pattern::Null);
        }
        let Some(origin) = cut_path(text).and_then(Origin::parse) else {
            return false;
        };
        let is_listed = self.0.iter().any(|pattern| pattern.matches(&origin));
        is_listed || host.is_some_and(|host| origin.is_of_host(host))
    }
}

/// An entry of the list that is not an origin.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` {1}")]
pub struct OriginError(Box<str>, Meant);

/// What somebody who writes such an entry seems to mean.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
enum Meant {
    #[error("is not an origin; leave the list out, and the pages of every site may connect")]
    All,
    #[error("is more than one origin: a list has commas between them, and nothing else")]
    Several,
    #[error("is an origin in quotes or brackets; write it without them")]
    Quoted,
    #[error(
        "is not an origin such as https://app.example.org, https://*.example.org, http://localhost:*, \
         moz-extension://* or null (no path; a name with other than ASCII letters as browsers send it, beginning with xn--)"
    )]
    Unknown,
}

impl OriginError {
    fn new(text: &str) -> Self {
        let is_pattern = |text: &str| Pattern::new(text).is_some();
        let bare = text.trim_matches(|c: char| "\"'`[]<>".contains(c));
        let parts = bare.split(|c: char| c.is_whitespace() || ";|".contains(c));
        let mut parts = parts.filter(|part| !part.is_empty()).peekable();
        let meant = if ["*", "all", "any"].contains(&bare) {
            Meant::All
        } else if is_pattern(bare) {
            Meant::Quoted
        } else if parts.peek().is_some() && parts.all(is_pattern) {
            Meant::Several
        } else {
            Meant::Unknown
        };
        Self(text.into(), meant)
    }
}

/// What browsers send for a page that has no origin of its own.
const NULL: &str = "null";
/// Stands for a part that may be anything while the rest is read.
const ANY: &str = "any";

#[derive(Clone, Debug, Eq, PartialEq)]
enum Pattern {
    Null,
    Tuple {
        /// The parts that are not wild.
        origin: Origin,
        is_any_scheme: bool,
        hosts: Hosts,
        is_any_port: bool,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hosts {
    One,
    /// Every host that ends in a dot and this one.
    Below,
    Any,
}

impl Pattern {
    fn new(text: &str) -> Option<Self> {
        if text == NULL {
            return Some(Self::Null);
        }
        let (scheme, authority) = text.split_once("://")?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (authority, is_any_port) = match authority.strip_suffix(":*") {
            Some(host) => (host, true),
            None => (authority, false),
        };
        let (host, hosts) = match authority.strip_prefix('*') {
            Some(rest) if rest.is_empty() || rest.starts_with(':') => {
                ([ANY, rest].concat(), Hosts::Any)
            }
            Some(rest) => (rest.strip_prefix('.')?.to_owned(), Hosts::Below),
            None => (authority.to_owned(), Hosts::One),
        };
        let is_any_scheme = scheme == "*";
        let scheme = if is_any_scheme { ANY } else { scheme };
        let origin = Origin::parse(&[scheme, "://", &host].concat())?;
        let is_nothing_below = hosts == Hosts::Below && origin.host.is_empty();
        (!is_nothing_below).then_some(Self::Tuple {
            origin,
            is_any_scheme,
            hosts,
            is_any_port,
        })
    }

    fn matches(&self, origin: &Origin) -> bool {
        let Self::Tuple {
            origin: ours,
            is_any_scheme,
            hosts,
            is_any_port,
        } = self
        else {
            return false;
        };
        let is_port = *is_any_port
            || match ours.port {
                Some(port) => origin.port.or(default_port(&origin.scheme)) == Some(port),
                None => origin.port.is_none(),
            };
        let is_host = match hosts {
            Hosts::Any => true,
            Hosts::One => ours.host == origin.host,
            Hosts::Below => {
                let below = origin.host.strip_suffix(&ours.host);
                below.is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
            }
        };
        (*is_any_scheme || ours.scheme == origin.scheme) && is_host && is_port
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Tuple {
            origin: Origin { scheme, host, port },
            is_any_scheme,
            hosts,
            is_any_port,
        } = self
        else {
            return f.write_str(NULL);
        };
        f.write_str(if *is_any_scheme { "*" } else { scheme })?;
        match hosts {
            Hosts::Any => f.write_str("://*")?,
            Hosts::Below => write!(f, "://*.{host}")?,
            // Only addresses of IPv6 have colons.
            Hosts::One if host.contains(':') => write!(f, "://[{host}]")?,
            Hosts::One => write!(f, "://{host}")?,
        }
        if *is_any_port {
            return f.write_str(":*");
        }
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// An origin without a path behind it. None if what is there is more than a path: a second origin,
/// for instance.
fn cut_path(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.find(['/', '?', '#']).map_or(rest.len(), |end| end);
    let (_, path) = rest.split_at_checked(authority)?;
    let is_path = |c: char| c.is_ascii_graphic() && c != ',';
    let end = scheme.len() + "://".len() + authority;
    path.chars().all(is_path).then(|| text.get(..end))?
}

/// An origin in the one form in which equal ones are equal.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Origin {
    scheme: String,
    /// Empty where the scheme has no hosts, as in `file://`.
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
        let host = match host {
            Host::Name("") if default_port(&scheme).is_none() && port.is_none() => String::new(),
            Host::Name(_) | Host::V6(_) => host.canonical()?,
        };
        Some(Self {
            host,
            port: port.filter(|port| Some(*port) != default_port(&scheme)),
            scheme,
        })
    }

    /// Whether a server of this `Host` is where a page of this origin comes from. A proxy may have
    /// ended TLS before it.
    fn is_of_host(&self, host: &str) -> bool {
        let is_web = ["http", "https"].contains(&self.scheme.as_str());
        let own = Self::parse(&[&self.scheme, "://", host].concat());
        is_web && own.as_ref() == Some(self)
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
        Origins::new([list])
            .expect("an origin")
            .allow(Some(origin), None)
    }

    #[test]
    fn an_empty_list_allows_everybody() {
        let all = Origins::default();
        for origin in [None, Some("https://evil.example"), Some("null"), Some("")] {
            assert!(all.allow(origin, None));
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
            ("https://app.example", "https://app.example/"),
            ("https://app.example", "https://app.example/a/page?b#c"),
            ("https://app.example/", "https://app.example"),
            ("http://localhost:*", "http://localhost:8000"),
            ("http://localhost:*", "http://localhost"),
            ("http://[::1]:*", "http://[::1]:8000"),
            ("https://*.example.org:*", "https://a.example.org:8443"),
            ("*://app.example", "http://app.example"),
            ("*://app.example", "https://app.example:443"),
            ("*://app.example:443", "https://app.example"),
            ("*://localhost:*", "capacitor://localhost"),
            ("moz-extension://*", "moz-extension://6a0b-42"),
            ("https://*:8443", "https://any.example:8443"),
            ("file://", "file://"),
            ("file://", "file:///home/ann/page.html"),
            ("null", "null"),
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
            "http://localhost:*",
            "*://*.example.org:8443",
            "moz-extension://*",
            "file://",
            "null",
        ];
        let origins = ["HTTPS://app.example:443/"].into_iter();
        let origins = Origins::new(origins.chain(written[1..].iter().copied()));
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
            (app, "https://app.example/, https://evil.example"),
            (app, "https://app.example/ https://evil.example"),
            (app, "https://evil.example/https://app.example"),
            (app, "https://evil.example?https://app.example"),
            (app, "https://app.example\\@evil.example"),
            (app, "https://app.example@evil.example"),
            (app, "https://app.example:443:443"),
            (app, "https://app.example:+443"),
            (app, "https://app.example:"),
            (app, "https://app.example https://evil.example"),
            (app, "null"),
            (app, "NULL"),
            (app, ""),
            (app, "file://"),
            ("null", "https://app.example"),
            ("null", "file://"),
            ("file://", "null"),
            ("file://", "https://app.example"),
            ("http://localhost:*", "https://localhost"),
            ("http://localhost:*", "http://localhost.evil.example:80"),
            ("*://app.example", "https://app.example:8443"),
            ("*://app.example:443", "http://app.example"),
            ("moz-extension://*", "chrome-extension://abcdef"),
            ("https://*", "https://any.example:8443"),
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
    fn the_relays_own_address_is_not_a_page_elsewhere() {
        let app = Origins::new(["https://app.example"]).expect("an origin");
        for (origin, host) in [
            ("http://127.0.0.1:4444", "127.0.0.1:4444"),
            ("http://[::1]:4444", "[::1]:4444"),
            ("http://relay.example", "relay.example"),
            ("https://relay.example", "relay.example"),
            ("https://relay.example", "Relay.example:443"),
            ("http://relay.example:4444/", "relay.example:4444"),
        ] {
            assert!(app.allow(Some(origin), Some(host)), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://127.0.0.1:8000", "127.0.0.1:4444"),
            ("http://localhost:4444", "127.0.0.1:4444"),
            ("https://evil.example", "relay.example"),
            ("https://relay.example.evil.example", "relay.example"),
            ("ftp://relay.example", "relay.example"),
            (
                "https://relay.example, https://evil.example",
                "relay.example",
            ),
            ("https://relay.example", "relay.example, evil.example"),
            ("https://relay.example", "evil@relay.example"),
            ("null", "null"),
            ("file://", ""),
            ("http://", ""),
        ] {
            assert!(!app.allow(Some(origin), Some(host)), "{origin} {host}");
        }
    }

    #[test]
    fn what_is_not_an_origin_is_named() {
        for wrong in [
            "",
            "app.example",
            "https://",
            "https://app.example/page",
            "https://app.example//",
            "https://app.example?",
            "https://app.example#top",
            "https://*.example.org/page",
            "file:///home/ann",
            "https://app*.example",
            "https://**",
            "https://*app.example",
            "htt*://app.example",
            "http://localhost:8*",
            "https://a.*.example",
            "https://münchen.example",
            "https://a b",
            "://a",
            "https://a:99999",
            "Null",
            "https://*.",
            ";",
            "https://a https://b/page",
        ] {
            let error = OriginError(wrong.into(), Meant::Unknown);
            assert_eq!(Origins::new([wrong]), Err(error));
        }
    }

    #[test]
    fn what_is_meant_by_some_of_them_is_said() {
        for (wrong, meant) in [
            ("*", Meant::All),
            ("'*'", Meant::All),
            ("all", Meant::All),
            ("https://a.example https://b.example", Meant::Several),
            ("https://a.example/ https://b.example", Meant::Several),
            ("https://a.example;https://b.example", Meant::Several),
            ("https://a.example ; null", Meant::Several),
            ("https://a.example\nhttps://b.example", Meant::Several),
            ("https://a.example|http://localhost:*", Meant::Several),
            ("\"https://a.example https://b.example\"", Meant::Several),
            ("https://a.example;", Meant::Several),
            ("\"https://a.example\"", Meant::Quoted),
            ("'https://*.example.org'", Meant::Quoted),
            ("[\"https://a.example\"", Meant::Quoted),
            ("<https://a.example>", Meant::Quoted),
        ] {
            let error = Origins::new([wrong]).expect_err(wrong);
            assert_eq!(error, OriginError(wrong.into(), meant), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_survived(text in any::<String>()) {
            allows("https://*.example.org", &text);
            let _ = Origins::default().allow(Some(&text), Some(&text));
            let _ = Origins::new([text.as_str()]);
        }
    }
}

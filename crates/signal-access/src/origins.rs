mod origin;

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use self::origin::{Origin, cut_path, default_port};

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

#[cfg(test)]
mod tests;

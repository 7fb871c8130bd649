use alloc::string::{String, ToString as _};
use core::net::Ipv6Addr;

/// An origin without a path behind it. None if what is there is more than a path: a second origin,
/// for instance.
pub(super) fn cut_path(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.find(['/', '?', '#']).map_or(rest.len(), |end| end);
    let (_, path) = rest.split_at_checked(authority)?;
    let is_path = |c: char| c.is_ascii_graphic() && c != ',';
    let end = scheme.len() + "://".len() + authority;
    path.chars().all(is_path).then(|| text.get(..end))?
}

/// An origin in the one form in which equal ones are equal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    pub(super) scheme: String,
    /// Empty where the scheme has no hosts, as in `file://`.
    pub(super) host: String,
    /// None is the default port of the scheme.
    pub(super) port: Option<u16>,
}

impl Origin {
    pub(super) fn parse(text: &str) -> Option<Self> {
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
    pub(super) fn is_of_host(&self, host: &str) -> bool {
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

pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

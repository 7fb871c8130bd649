use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use thiserror::Error;

/// The address at which an issuer publishes its keys, as a JWK Set: by `https`, or on the machine
/// itself by `http`. Anyone who can change what is answered there can sign tokens.
///
/// ```
/// use signal_access::JwksUrl;
///
/// let url: JwksUrl = "https://tenant.eu.auth0.com/.well-known/jwks.json".parse()?;
/// assert_eq!((url.host(), url.port()), ("tenant.eu.auth0.com", 443));
/// assert!("http://tenant.eu.auth0.com/".parse::<JwksUrl>().is_err());
/// # Ok::<(), signal_access::JwksUrlError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwksUrl {
    text: String,
    is_secure: bool,
    authority: String,
    host: String,
    port: u16,
    target: String,
}

impl JwksUrl {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is one of `https`.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// What goes into `Host`: the host, and the port if it is written down.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The name or the IP address to connect to, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }
}

impl FromStr for JwksUrl {
    type Err = JwksUrlError;

    fn from_str(text: &str) -> Result<Self, JwksUrlError> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['#', '\\', '"']) {
            return Err(JwksUrlError::Form);
        }
        let (scheme, rest) = text.split_once("://").ok_or(JwksUrlError::Form)?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(JwksUrlError::Form),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).ok_or(JwksUrlError::Form)?;
        if authority.contains('@') {
            return Err(JwksUrlError::Credentials);
        }
        let (host, port) = split(authority).ok_or(JwksUrlError::Form)?;
        let ip = host.parse::<IpAddr>().ok();
        let is_here =
            host.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback());
        if !is_secure && !is_here {
            return Err(JwksUrlError::Plain);
        }
        Ok(Self {
            text: text.to_owned(),
            is_secure,
            authority: authority.to_owned(),
            host: host.to_owned(),
            port: port.unwrap_or(if is_secure { 443 } else { 80 }),
            target: match target.strip_prefix('/') {
                Some(_) => target.to_owned(),
                None => ["/", target].concat(),
            },
        })
    }
}

/// The address without its query, which may hold a key to somebody's API.
impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.split('?').next().unwrap_or_default())
    }
}

/// The host and the port of an authority.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (ip, after) = rest.split_once(']')?;
            ip.parse::<core::net::Ipv6Addr>().ok()?;
            match after {
                "" => (ip, None),
                _ => (ip, Some(after.strip_prefix(':')?)),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        None => None,
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
    };
    (!host.is_empty()).then_some((host, port))
}

/// Why an address cannot be used.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum JwksUrlError {
    /// It is not an address of `https`.
    #[error("not an address of the form https://HOST/PATH")]
    Form,
    /// It is one of `http` on another machine.
    #[error("http is for this machine alone, as on its way the keys could be changed; write https")]
    Plain,
    /// It has a name or a password in it.
    #[error("an address with a name or password in it cannot be used; published keys need none")]
    Credentials,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (text, authority, host, port, target) in [
            ("https://a.example", "a.example", "a.example", 443, "/"),
            (
                "HTTPS://a.example:8443/k?v=1",
                "a.example:8443",
                "a.example",
                8_443,
                "/k?v=1",
            ),
            (
                "https://a.example?v=1",
                "a.example",
                "a.example",
                443,
                "/?v=1",
            ),
            (
                "http://localhost:8080/certs",
                "localhost:8080",
                "localhost",
                8_080,
                "/certs",
            ),
            ("http://127.0.0.1/", "127.0.0.1", "127.0.0.1", 80, "/"),
            ("http://[::1]:8080/", "[::1]:8080", "::1", 8_080, "/"),
            (
                "https://[2001:db8::1]/",
                "[2001:db8::1]",
                "2001:db8::1",
                443,
                "/",
            ),
        ] {
            let url: JwksUrl = text.parse().expect(text);
            let parts = (url.authority(), url.host(), url.port(), url.target());
            assert_eq!(parts, (authority, host, port, target), "{text}");
        }
    }

    #[test]
    fn what_could_be_changed_or_read_on_its_way_is_refused() {
        use JwksUrlError as E;
        for (text, error) in [
            ("", E::Form),
            ("a.example/keys", E::Form),
            ("ftp://a.example/", E::Form),
            ("file:///etc/keys", E::Form),
            ("https://", E::Form),
            ("https:///keys", E::Form),
            ("https://:443/", E::Form),
            ("https://a.example:0/", E::Form),
            ("https://a.example:65536/", E::Form),
            ("https://[::1/", E::Form),
            ("https://[a.example]/", E::Form),
            ("https://a.example/#x", E::Form),
            ("https://a.example/ x", E::Form),
            ("https://a.example\\@b.example/", E::Form),
            ("https://ä.example/", E::Form),
            ("http://a.example/", E::Plain),
            ("http://10.0.0.1/", E::Plain),
            ("http://localhost.a.example/", E::Plain),
            ("http://127.0.0.1.a.example/", E::Plain),
            ("http://[::]/", E::Plain),
            ("https://ann:secret@a.example/", E::Credentials),
            ("http://localhost@a.example/", E::Credentials),
        ] {
            assert_eq!(text.parse::<JwksUrl>(), Err(error), "{text}");
        }
    }
}

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::credentials::Credentials;

/// The port of NATS.
const PORT: u16 = 4222;

/// The address of a NATS server: `nats://HOST:PORT`, or `tls://HOST:PORT` where TLS is a must.
/// Before the host may stand `USER:PASSWORD@` or `TOKEN@`, which is never shown.
///
/// ```
/// let server: signal_nats::Server = "nats://ann:secret@nats.internal".parse()?;
/// assert_eq!(server.to_string(), "nats://nats.internal:4222");
/// # Ok::<(), signal_nats::ServerError>(())
/// ```
#[derive(Clone)]
pub struct Server {
    is_tls: bool,
    /// As it stands in an address: an IPv6 address has its brackets.
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

/// Why something is not the address of a NATS server. What was written is not repeated: it may have
/// a password in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It begins with another scheme.
    #[error("an address of NATS begins with nats:// or tls://")]
    Scheme,
    /// It has no host.
    #[error("there is no host in it")]
    Host,
    /// It has a path, a query or a fragment.
    #[error("nothing may follow the port")]
    Rest,
    /// It cannot be read otherwise.
    #[error("it is not an address, such as nats://nats.internal:4222")]
    Form,
}

impl Server {
    /// Whether TLS is a must. A server may ask for it without.
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether a user, a password or a token stands in the address.
    pub const fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// The address with stars in place of what signs in, so that it is seen that something does.
    pub fn masked(&self) -> String {
        let mask = if self.has_credentials() { "***@" } else { "" };
        format!("{}://{mask}{}:{}", self.scheme(), self.host, self.port)
    }

    pub(crate) const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    const fn scheme(&self) -> &'static str {
        if self.is_tls { "tls" } else { "nats" }
    }
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let text = text.trim();
        let with_scheme;
        let text = if text.contains("://") {
            text
        } else {
            with_scheme = format!("nats://{text}");
            &with_scheme
        };
        let url = Url::parse(text).map_err(|error| {
            if error == url::ParseError::EmptyHost {
                ServerError::Host
            } else {
                ServerError::Form
            }
        })?;
        let is_tls = match url.scheme() {
            "nats" => false,
            "tls" => true,
            _ => return Err(ServerError::Scheme),
        };
        let host = url.host().ok_or(ServerError::Host)?.to_string();
        if host.is_empty() {
            return Err(ServerError::Host);
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ServerError::Rest);
        }
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map(String::from).map_err(|_| ServerError::Form)
        };
        let user = decode(url.username())?;
        let password = url.password().map(decode).transpose()?;
        let credentials = match (user.is_empty(), password) {
            (true, None) => None,
            (false, None) => Some(Credentials::Token(user)),
            (_, Some(password)) => Some(Credentials::Password { user, password }),
        };
        Ok(Self {
            is_tls,
            host,
            port: url.port().unwrap_or(PORT),
            credentials,
        })
    }
}

/// Without what signs in.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme(), self.host, self.port)
    }
}

/// Without what signs in.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, ServerError> {
        text.parse().map(|server: Server| server.to_string())
    }

    #[test]
    fn addresses_are_read_as_nats_clients_read_them() {
        for (text, server) in [
            ("nats://a.example", "nats://a.example:4222"),
            ("nats://a.example:7/", "nats://a.example:7"),
            ("a.example", "nats://a.example:4222"),
            ("127.0.0.1:4223", "nats://127.0.0.1:4223"),
            (" tls://[::1]:5 ", "tls://[::1]:5"),
            ("nats://u:p%40ss@a", "nats://a:4222"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(server), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused_without_repeating_it() {
        for (text, error) in [
            ("", ServerError::Host),
            ("nats://", ServerError::Host),
            ("ws://a.example", ServerError::Scheme),
            ("http://a.example", ServerError::Scheme),
            ("nats://a/b", ServerError::Rest),
            ("nats://a?b", ServerError::Rest),
            ("nats://a#b", ServerError::Rest),
            ("nats://a:port", ServerError::Form),
            ("nats://a:70000", ServerError::Form),
            ("nats://u:s3cret@a b", ServerError::Form),
            ("nats://u:%ff@a", ServerError::Form),
        ] {
            let found = shown(text);
            assert_eq!(found, Err(error), "{text}");
            assert!(!error.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn what_signs_in_stands_before_the_host_and_is_never_shown() {
        let read = |text: &str| text.parse::<Server>().expect("an address");
        let server = read("nats://ann:s%20ecret@a");
        let Some(Credentials::Password { user, password }) = server.credentials() else {
            panic!("{server:?}")
        };
        assert_eq!((user.as_str(), password.as_str()), ("ann", "s ecret"));
        let server = read("nats://t0ken@a");
        assert!(
            matches!(server.credentials(), Some(Credentials::Token(token)) if token == "t0ken")
        );
        for server in [read("nats://ann:s3cret@a"), read("nats://s3cret@a")] {
            assert!(server.has_credentials());
            assert_eq!(server.masked(), "nats://***@a:4222");
            assert!(!format!("{server} {server:?} {server:#?}").contains("s3cret"));
        }
        assert!(!read("nats://a").has_credentials());
    }
}

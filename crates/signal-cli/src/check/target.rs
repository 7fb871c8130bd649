use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

use crate::settings::PORT;

/// The address of a server to check, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) secure: bool,
    /// A name or an address, IPv6 without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query, as sent.
    pub(crate) path: String,
    /// What was assumed or changed to understand the address.
    pub(crate) notes: Vec<String>,
}

impl Target {
    /// Adds `token=…` to the query, as browsers have no other way to send one.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{separator}token={}", self.path, percent_encode(token));
        self
    }

    /// The token in the query, as it is sent.
    pub(crate) fn token(&self) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        let mut fields = query.split('&');
        fields.find_map(|field| field.strip_prefix("token="))
    }

    /// The same without a `token=…` in the query.
    pub(crate) fn without_token(&self) -> Self {
        let path = match self.path.split_once('?') {
            None => self.path.clone(),
            Some((path, query)) => {
                let rest = query.split('&').filter(|pair| !pair.starts_with("token="));
                let rest = rest.collect::<Vec<_>>().join("&");
                let mark = if rest.is_empty() { "" } else { "?" };
                format!("{path}{mark}{rest}")
            }
        };
        Self {
            path,
            ..self.clone()
        }
    }

    /// The address with all that is sent.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    /// Whether the server runs on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The host as it stands in an address.
    pub(crate) fn host_in_url(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }

    /// The same server with the other of `ws://` and `wss://`.
    pub(crate) fn other_scheme(&self) -> Self {
        Self {
            secure: !self.secure,
            ..self.clone()
        }
    }

    /// Host and port, as a `Host` header has them.
    pub(crate) fn authority(&self) -> String {
        let origin = self.origin();
        let start = origin.find("://").map_or(0, |at| at + 3);
        origin[start..].to_owned()
    }

    fn origin(&self) -> String {
        let (scheme, default_port) = if self.secure {
            ("wss", 443)
        } else {
            ("ws", 80)
        };
        let host = self.host_in_url();
        if self.port == default_port {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{}", self.port)
        }
    }
}

/// An address behind its scheme as it is sent: names in the form that DNS has them (RFC 5891), and
/// the path percent-encoded. Says what the name has become.
fn in_ascii(rest: &str) -> Result<(String, Option<String>), String> {
    if rest.is_ascii() {
        return Ok((rest.to_owned(), None));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path: String = path
        .chars()
        .map(|c| match c.is_ascii() {
            true => c.to_string(),
            false => percent_encode(c.encode_utf8(&mut [0; 4])),
        })
        .collect();
    let port = authority.rfind(':').filter(|at| {
        let digits = &authority[at + 1..];
        digits.bytes().all(|digit| digit.is_ascii_digit())
    });
    let (host, port) = authority.split_at(port.unwrap_or(authority.len()));
    if host.is_ascii() {
        return Ok((format!("{authority}{path}"), None));
    }
    let ascii = idna::domain_to_ascii_strict(host)
        .map_err(|_| format!("{host} cannot be the name of a host"))?;
    let note = format!("{host} is {ascii} to name servers and in certificates");
    Ok((format!("{ascii}{port}{path}"), Some(note)))
}

/// The address for people and logs: no token, and no slash that says nothing.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self.path.as_str() {
            "/" => "",
            path => path,
        };
        write!(f, "{}{}", self.origin(), signal_access::redact(path))
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut notes = Vec::new();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        let (rest, name) = in_ascii(rest)?;
        notes.extend(name);
        // Any scheme will do to take the rest apart.
        let uri: Uri = format!("ws://{rest}")
            .parse()
            .map_err(|error| format!("{error}; write an address such as ws://127.0.0.1:4444"))?;
        let host = uri
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned();
        if host.is_empty() {
            return Err(
                "it names no host; write an address such as ws://127.0.0.1:4444".to_owned(),
            );
        }
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            let fix = "send them as --header 'Authorization: Basic …'";
            return Err(format!(
                "a name and password in the address are never sent; {fix}"
            ));
        }
        if let Some(port) = wrong_port(&uri) {
            return Err(format!(
                "{port} is not a port: write a number from 1 to 65535, as in ws://127.0.0.1:4444"
            ));
        }
        let mut port = uri.port_u16();
        let secure = match scheme.as_deref() {
            Some("ws") => false,
            Some("wss") => true,
            Some("http") => {
                notes.push("http:// taken as ws://".to_owned());
                false
            }
            Some("https") => {
                notes.push("https:// taken as wss://".to_owned());
                true
            }
            Some(other) => {
                return Err(format!(
                    "{other}:// is not a WebSocket address; write ws:// or wss://"
                ));
            }
            None if port.is_none() && is_loopback(&host) => {
                notes.push(format!("no scheme and port given: ws:// and {PORT} taken"));
                port = Some(PORT);
                false
            }
            None if port == Some(443) => {
                notes.push("no scheme given: wss:// taken, because the port is 443".to_owned());
                true
            }
            None => {
                notes.push("no scheme given: ws:// taken".to_owned());
                false
            }
        };
        let path = uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let path = if path.starts_with('/') {
            path
        } else {
            format!("/{path}")
        };
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        Ok(Self {
            secure,
            host,
            port,
            path,
            notes,
        })
    }
}

/// What stands in the place of the port and is not one: `Uri` takes it, and has no port then.
fn wrong_port(uri: &Uri) -> Option<&str> {
    let authority = uri.authority()?.as_str();
    let behind_brackets = authority
        .rsplit_once(']')
        .map_or(authority, |(_, rest)| rest);
    let (_, port) = behind_brackets.rsplit_once(':')?;
    let is_number = port.bytes().all(|digit| digit.is_ascii_digit());
    let is_port = is_number && port.parse::<u16>().is_ok_and(|port| port > 0);
    (!is_port && !port.is_empty()).then_some(port)
}

pub(super) fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Encodes all but the characters that a query holds as they are.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_taken_apart() {
        let local = target("ws://127.0.0.1:4444");
        assert_eq!(
            (local.secure, local.host.as_str(), local.port),
            (false, "127.0.0.1", 4444)
        );
        assert_eq!(local.url(), "ws://127.0.0.1:4444/");
        assert_eq!(local.to_string(), "ws://127.0.0.1:4444");
        assert_eq!(target("ws://localhost:/x").port, 80);
        assert_eq!(target("ws://[::1]").port, 80);
        let remote = target("wss://signal.example.org/room?a=1");
        assert_eq!((remote.secure, remote.port), (true, 443));
        assert_eq!(remote.url(), "wss://signal.example.org/room?a=1");
        assert_eq!(target("ws://[::1]:4444/x").host, "::1");
        assert_eq!(target("ws://[::1]:4444/x").to_string(), "ws://[::1]:4444/x");
    }

    #[test]
    fn other_schemes_are_mapped_and_said() {
        assert_eq!(
            target("https://example.org").to_string(),
            "wss://example.org"
        );
        assert_eq!(
            target("https://example.org").notes,
            ["https:// taken as wss://"]
        );
        assert_eq!(target("localhost:4444").to_string(), "ws://localhost:4444");
        assert_eq!(target("localhost").to_string(), "ws://localhost:4444");
        assert_eq!(target("ws://localhost").to_string(), "ws://localhost");
        assert_eq!(target("example.org").to_string(), "ws://example.org");
        assert!(target("example.org:443").secure);
        assert!(
            "ftp://example.org"
                .parse::<Target>()
                .unwrap_err()
                .contains("ftp:// is not a WebSocket address")
        );
    }

    #[test]
    fn names_in_unicode_are_sent_as_name_servers_have_them() {
        for (text, url) in [
            ("wss://bücher.example/x", "wss://xn--bcher-kva.example/x"),
            ("BÜCHER.example:4444", "ws://xn--bcher-kva.example:4444/"),
            ("ws://例え.テスト", "ws://xn--r8jz45g.xn--zckzah/"),
            (
                "ws://localhost:1/räume?t=ß",
                "ws://localhost:1/r%C3%A4ume?t=%C3%9F",
            ),
        ] {
            assert_eq!(target(text).url(), url, "{text}");
        }
        let notes = target("wss://bücher.example").notes;
        assert_eq!(
            notes,
            ["bücher.example is xn--bcher-kva.example to name servers and in certificates"]
        );
        for wrong in [
            "ws://ü ber.example",
            "ws://\u{202e}x.example",
            "ws://ü..example",
        ] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_an_address_says_what_to_write() {
        for text in [
            "",
            "ws://",
            "ws:///path",
            "ws://a b",
            "ws://user:secret@example.org",
            "ws://localhost:notaport",
            "ws://localhost:99999/room",
            "localhost:0",
            "ws://[::1]:-1",
            "wss://example.org:+80",
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(
                error.contains("write") || error.contains("--header"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_token_is_sent_but_never_shown() {
        let target = target("ws://localhost:1/?a=1").with_token("se cret&x");
        assert_eq!(target.url(), "ws://localhost:1/?a=1&token=se%20cret%26x");
        assert_eq!(target.to_string(), "ws://localhost:1/?a=1&token=***");
        assert_eq!(target.without_token().url(), "ws://localhost:1/?a=1");
    }

    #[test]
    fn loopback_is_known_by_name_and_by_number() {
        for text in [
            "ws://localhost",
            "ws://127.9.9.9",
            "ws://[::1]",
            "ws://[::ffff:127.0.0.1]",
        ] {
            assert!(target(text).is_loopback(), "{text}");
        }
        for text in [
            "ws://example.org",
            "ws://10.0.0.1",
            "ws://localhost.example.org",
        ] {
            assert!(!target(text).is_loopback(), "{text}");
        }
    }
}

//! How the server is reached: through a proxy or not, and whose certificates are believed.

use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::check::answer;
use crate::check::report::Problem;
use crate::check::stream::Stream;
use crate::check::target::{Target, is_loopback};

/// The longest answer of a proxy.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// How the server is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    /// A file with authorities beside those of this machine.
    pub(crate) ca: Option<PathBuf>,
    /// Whether any certificate will do.
    pub(crate) is_insecure: bool,
    pub(crate) proxy: Option<Proxy>,
}

/// A proxy that passes connections on, asked by `CONNECT`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Proxy {
    /// Where it is, as a target of its own.
    pub(crate) target: Target,
    /// User and password, encoded.
    credentials: Option<String>,
    /// The variable that names it.
    pub(crate) variable: &'static str,
}

impl Proxy {
    /// The one that these variables of the environment name for a target, if any.
    ///
    /// # Errors
    ///
    /// The value is not the address of a proxy that can be used, in words.
    pub(crate) fn find(
        target: &Target,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let names = if target.secure {
            ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        } else {
            ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        };
        let value = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let found = names
            .into_iter()
            .find_map(|name| Some((name, value(name)?)));
        let Some((name, text)) = found else {
            return Ok(None);
        };
        let direct = value("NO_PROXY").or_else(|| value("no_proxy"));
        if target.is_loopback() || direct.is_some_and(|list| is_in(&list, target)) {
            return Ok(None);
        }
        let proxy = Self::parse(name, text.trim());
        proxy
            .map(Some)
            .map_err(|problem| format!("{name}: {problem}"))
    }

    fn parse(variable: &'static str, text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            other => {
                return Err(format!(
                    "a proxy by {other}:// cannot be used, only one by http:// or https://"
                ));
            }
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let scheme = if secure { "wss" } else { "ws" };
        let target: Target = format!("{scheme}://{host}").parse().map_err(|_| {
            "it does not name a proxy; write one such as http://proxy.example.org:3128".to_owned()
        })?;
        Ok(Self {
            target,
            credentials: user.map(|user| Base64::encode_string(&percent_decode(user))),
            variable,
        })
    }

    /// What it is called, without its password.
    pub(crate) fn name(&self) -> String {
        let scheme = if self.target.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.target.authority())
    }

    /// Asks it for a connection to the target.
    pub(crate) async fn connect(
        &self,
        target: &Target,
        mut stream: Stream,
    ) -> Result<Stream, Problem> {
        let host = format!("{}:{}", target.host_in_url(), target.port);
        let credentials = self
            .credentials
            .as_ref()
            .map_or_else(String::new, |credentials| {
                format!("Proxy-Authorization: Basic {credentials}\r\n")
            });
        let request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{credentials}\r\n");
        let mut said = Vec::new();
        let asked = async {
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await?;
            // No byte more than the head: what follows is the target's.
            while !said.ends_with(b"\r\n\r\n") && said.len() < ANSWER_BYTES_MAX {
                said.push(stream.read_u8().await?);
            }
            std::io::Result::Ok(())
        };
        let (asked, name) = (asked.await, self.name());
        let answer = answer::parse(&said).ok().flatten();
        let Some(answer) = answer else {
            let why = match asked {
                Err(error) => error.to_string(),
                Ok(()) => "not HTTP".to_owned(),
            };
            return Err(Problem::new(
                format!("the proxy {name} gave no answer to CONNECT: {why}"),
                format!("is that an HTTP proxy? it is named in {}", self.variable),
            ));
        };
        let fix = match answer.status.as_u16() {
            200..=299 => return Ok(stream),
            407 => format!(
                "write user and password in {}, as http://user:password@{}",
                self.variable,
                self.target.authority()
            ),
            502..=504 => format!(
                "is the name right, and does the server listen? the proxy, from {}, does not reach it",
                self.variable
            ),
            _ => format!(
                "have the proxy allow {host}, or name {} in NO_PROXY if there is a way without it",
                target.host
            ),
        };
        let status = answer.status;
        Err(Problem::new(
            format!("the proxy {name} refuses to connect to {host}: HTTP {status}"),
            fix,
        ))
    }
}

/// Whether a list names a target's host: itself, a domain above it, or all.
fn is_in(list: &str, target: &Target) -> bool {
    let entries = list.split(|c: char| c == ',' || c.is_whitespace());
    entries.filter(|entry| !entry.is_empty()).any(|entry| {
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, port.parse::<u16>().ok()),
            _ => (entry, None),
        };
        let host = host.trim_start_matches("*.").trim_start_matches('.');
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let own = target.host.to_ascii_lowercase();
        let is_host = host == "*"
            || own == host
            || own
                .strip_suffix(&host)
                .is_some_and(|sub| sub.ends_with('.'));
        let is_local = is_loopback(&host) && target.is_loopback();
        (is_host || is_local) && port.is_none_or(|port| port == target.port)
    })
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut rest = bytes.clone();
        let digits = (byte == b'%').then(|| [rest.next(), rest.next()]);
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let code =
            digits.and_then(|[high, low]| u8::try_from(digit(high)? * 16 + digit(low)?).ok());
        decoded.push(code.unwrap_or(byte));
        if code.is_some() {
            bytes = rest;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(url: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let target: Target = url.parse().expect("an address");
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let proxy = Proxy::find(&target, value)?;
        Ok(proxy.map(|proxy| format!("{} {:?}", proxy.name(), proxy.credentials)))
    }

    #[test]
    fn the_variables_that_others_read_name_the_proxy() {
        let wss = "wss://signal.example.org";
        let named = |text: &str| Ok(Some(format!("{text} None")));
        assert_eq!(find(wss, &[]), Ok(None));
        assert_eq!(
            find(wss, &[("HTTPS_PROXY", "http://proxy:3128")]),
            named("http://proxy:3128")
        );
        assert_eq!(
            find(wss, &[("https_proxy", "proxy:3128/")]),
            named("http://proxy:3128")
        );
        assert_eq!(
            find(wss, &[("ALL_PROXY", "https://proxy")]),
            named("https://proxy")
        );
        assert_eq!(find(wss, &[("HTTP_PROXY", "http://proxy:1")]), Ok(None));
        assert_eq!(
            find("ws://example.org", &[("HTTP_PROXY", "http://proxy:1")]),
            named("http://proxy:1")
        );
        assert_eq!(
            find(wss, &[("HTTPS_PROXY", ""), ("ALL_PROXY", "proxy:1")]),
            named("http://proxy:1")
        );
        let with_password = find(wss, &[("HTTPS_PROXY", "http://ann:p%40ss@proxy:1")]);
        assert_eq!(
            with_password,
            Ok(Some("http://proxy:1 Some(\"YW5uOnBAc3M=\")".to_owned()))
        );
        let socks = find(wss, &[("ALL_PROXY", "socks5://proxy:1080")]).expect_err("not that");
        assert!(socks.contains("ALL_PROXY: a proxy by socks5://"), "{socks}");
        for wrong in ["http://", "http://a b", "://"] {
            let error = find(wss, &[("HTTPS_PROXY", wrong)]).expect_err(wrong);
            assert!(
                error.starts_with("HTTPS_PROXY: ") && !error.contains("4444"),
                "{error}"
            );
        }
    }

    #[test]
    fn no_proxy_and_this_machine_are_reached_directly() {
        let direct = |url: &str, list: &str| {
            find(url, &[("ALL_PROXY", "proxy:1"), ("NO_PROXY", list)]) == Ok(None)
        };
        for list in [
            "*",
            "example.org",
            ".example.org",
            "*.example.org",
            "a.b, signal.example.org:443",
        ] {
            assert!(direct("wss://signal.example.org", list), "{list}");
        }
        for list in ["ample.org", "signal.example.org:80", "example.com", ","] {
            assert!(!direct("wss://signal.example.org", list), "{list}");
        }
        assert!(direct("ws://10.1.2.3", "10.1.2.3"));
        assert!(direct("ws://localhost:4444", "") && direct("ws://[::1]:4444", ""));
    }
}

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt;
use core::time::Duration;

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha1::Sha1;
use thiserror::Error;

use crate::percent;
use crate::time::UnixTime;
use crate::turn_urls::TurnUrls;

/// The shortest secret. Everyone who is given credentials can try at home which secret makes them.
pub const TURN_SECRET_BYTES_MIN: usize = 16;

/// What a name of a user may take beside the time and the colon: TURN has room for 508 bytes.
const SUBJECT_BYTES_MAX: usize = 400;
/// The user of a client that is nobody in particular.
const GUEST: &str = "guest";
/// How coturn's own configuration names the secret.
const CONFIGURATION: &str = "static-auth-secret";

/// TURN servers that share a secret with the relay, as coturn does with `use-auth-secret`, and what
/// a client needs to use them.
///
/// A client is given a user name, which says until when it is good, and the HMAC-SHA1 of that name
/// as its password (draft-uberti-behave-turn-rest). Nothing is stored, and the TURN server is not
/// asked.
///
/// ```
/// use std::time::Duration;
/// use signal_access::{TurnServers, UnixTime};
///
/// let hour = Duration::from_secs(3_600);
/// let urls = "turn:turn.example.org:3478".parse()?;
/// let servers = TurnServers::new(urls, "0123456789abcdef0123456789abcdef", hour)?;
/// let ann = servers.credentials(UnixTime::from_secs(1_700_000_000), None, Some("ann"));
/// assert_eq!(ann.username, "1700003600:ann");
/// assert_eq!(ann.credential, "IO7AP7OpFdCl0Hg4Y6rpSEb7lQg=");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TurnServers {
    urls: TurnUrls,
    secret: Hmac<Sha1>,
    ttl: Duration,
}

/// What one client shows TURN servers.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TurnCredentials<'a> {
    /// Where the servers are.
    pub urls: &'a TurnUrls,
    /// When they end, in seconds since 1970, a colon, and whose they are.
    pub username: String,
    /// The password.
    pub credential: String,
    /// How long they are good for.
    pub ttl: Duration,
}

/// Why the secret of TURN servers cannot be used.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TurnSecretError {
    /// It could be guessed.
    #[error("the secret has {0} bytes, but needs {TURN_SECRET_BYTES_MIN} at least")]
    Short(usize),
    /// It is more than a secret.
    #[error("it is not a secret alone, on one line")]
    Form,
}

impl TurnServers {
    /// The servers at these addresses, which all have this secret. White space around it is not
    /// part of it. Credentials are good for `ttl`.
    ///
    /// # Errors
    ///
    /// The secret cannot be used.
    pub fn new(urls: TurnUrls, secret: &str, ttl: Duration) -> Result<Self, TurnSecretError> {
        let secret = secret.trim();
        if secret.contains(char::is_control) || secret.starts_with(CONFIGURATION) {
            return Err(TurnSecretError::Form);
        }
        if secret.len() < TURN_SECRET_BYTES_MIN {
            return Err(TurnSecretError::Short(secret.len()));
        }
        let secret = Hmac::new_from_slice(secret.as_bytes()).map_err(|_| TurnSecretError::Form)?;
        Ok(Self { urls, secret, ttl })
    }

    /// What a client needs from `now` on: no longer than its own right, which ends at `until`.
    ///
    /// Of the subject, what is neither a letter or digit of ASCII nor one of `-._~@|:+=` is
    /// percent-encoded: coturn refuses names with spaces or quotes, and clients and servers need
    /// not agree in how they prepare other letters. What is very long is cut.
    pub fn credentials(
        &self,
        now: UnixTime,
        until: Option<UnixTime>,
        subject: Option<&str>,
    ) -> TurnCredentials<'_> {
        let end = now.saturating_add(self.ttl);
        let end = until.map_or(end, |until| end.min(until));
        let subject = subject.filter(|name| !name.is_empty());
        let subject = subject.map_or(GUEST.to_owned(), |name| {
            percent::encode(name, "-._~@|:+=", SUBJECT_BYTES_MAX)
        });
        let username = format!("{}:{subject}", end.as_secs());
        let mac = self.secret.clone().chain_update(&username);
        TurnCredentials {
            urls: &self.urls,
            credential: Base64::encode_string(&mac.finalize().into_bytes()),
            ttl: end.saturating_since(now),
            username,
        }
    }

    /// Where they are.
    pub fn urls(&self) -> &TurnUrls {
        &self.urls
    }
}

impl TurnCredentials<'_> {
    /// The answer of `GET /turn`: `iceServers` as an `RTCPeerConnection` takes them, and for how
    /// many seconds.
    pub fn to_json(&self) -> String {
        let Self {
            urls,
            username,
            credential,
            ttl,
        } = self;
        let server = json!({ "urls": urls, "username": username, "credential": credential });
        json!({ "iceServers": [server], "ttl": ttl.as_secs() }).to_string()
    }
}

/// Without the secret.
impl fmt::Debug for TurnServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnServers")
            .field("urls", &self.urls)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// In one line for an operator, without the secret.
impl fmt::Display for TurnServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} s", self.urls, self.ttl.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const HOUR: Duration = Duration::from_secs(3_600);
    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn servers(secret: &str) -> Result<TurnServers, TurnSecretError> {
        let urls = "turn:turn.example.org:3478,stun:stun.example.org"
            .parse()
            .expect("addresses");
        TurnServers::new(urls, secret, HOUR)
    }

    /// As `openssl dgst -sha1 -hmac` has it.
    #[test]
    fn the_answer_is_what_a_peer_connection_takes() {
        let servers = servers(&[SECRET, "\r\n"].concat()).expect("a secret");
        let answer = servers.credentials(NOW, None, Some("ann")).to_json();
        let wanted = json!({
            "iceServers": [{
                "urls": ["turn:turn.example.org:3478", "stun:stun.example.org"],
                "username": "1700003600:ann",
                "credential": "IO7AP7OpFdCl0Hg4Y6rpSEb7lQg=",
            }],
            "ttl": 3_600,
        });
        let answer: serde_json::Value = answer.parse().expect("JSON");
        assert_eq!(answer, wanted);
    }

    #[test]
    fn credentials_end_with_the_right_of_their_bearer() {
        let servers = servers(SECRET).expect("a secret");
        let until = |seconds| {
            let until = NOW.saturating_add(Duration::from_secs(seconds));
            let credentials = servers.credentials(NOW, Some(until), Some("ann"));
            (credentials.username, credentials.ttl.as_secs())
        };
        assert_eq!(until(60), ("1700000060:ann".to_owned(), 60));
        assert_eq!(until(7_200), ("1700003600:ann".to_owned(), 3_600));
        assert_eq!(until(0), ("1700000000:ann".to_owned(), 0));
    }

    #[test]
    fn a_name_is_one_that_turn_servers_take() {
        let servers = servers(SECRET).expect("a secret");
        let name = |subject: Option<&str>| {
            let username = servers.credentials(NOW, None, subject).username;
            username.strip_prefix("1700003600:").map(str::to_owned)
        };
        for (subject, wanted) in [
            (None, "guest"),
            (Some(""), "guest"),
            (Some("auth0|5f7c8ec7c33c"), "auth0|5f7c8ec7c33c"),
            (Some("ann+a=b@example.org"), "ann+a=b@example.org"),
            (Some("urn:uuid:1"), "urn:uuid:1"),
            (Some("a b\"'\\\n"), "a%20b%22%27%5C%0A"),
            (Some("100%"), "100%25"),
            (Some("\u{c4}"), "%C3%84"),
        ] {
            assert_eq!(name(subject).as_deref(), Some(wanted), "{subject:?}");
        }
        let cut = name(Some(&"\u{c4}".repeat(1_000))).expect("a name");
        assert!(
            cut.len() <= SUBJECT_BYTES_MAX && cut.ends_with("%84"),
            "{cut}"
        );
    }

    #[test]
    fn what_is_not_a_secret_is_refused_and_what_is_one_is_never_shown() {
        use TurnSecretError as E;
        for (secret, error) in [
            ("", E::Short(0)),
            (" \n", E::Short(0)),
            ("north", E::Short(5)),
            ("0123456789abcde\n", E::Short(15)),
            ("0123456789abcdef\n0123456789abcdef", E::Form),
            ("static-auth-secret=0123456789abcdef", E::Form),
            ("use-auth-secret\nstatic-auth-secret=x", E::Form),
        ] {
            assert_eq!(servers(secret).err(), Some(error), "{secret:?}");
        }
        let servers = servers(SECRET).expect("a secret");
        assert!(!format!("{servers:?} {servers}").contains(SECRET));
    }
}

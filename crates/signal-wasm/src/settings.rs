use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use signal_access::{
    Access, AddressLimits, Carriers, CarriersError, DefaultTopics, DefaultTopicsError, KeyError,
    OriginError, Origins, ProxyError, TokenVerifier, TrustedProxies,
};
use signal_core::{Limit, LimitError, Limits, Unit};

use crate::json;

/// How far a name may be from one that exists to be taken for a slip.
const SLIPS_MAX: usize = 3;

/// The settings that are not limits: name, what to write, what leaving it out means, what it is.
const TEXTS: [(&str, &str, &str, &str); 8] = [
    (
        "origins",
        "origins such as https://app.example",
        "let the pages of every site connect",
        "Web pages that may connect, by origin. Requests without an origin are let through",
    ),
    (
        "token_keys",
        "a JWK or a JWK Set",
        "ask no one for a token",
        "The keys, a JWK or a JWK Set, by which every client must show a signed token",
    ),
    (
        "token_audience",
        "a name",
        "accept tokens without an aud",
        "Name of this relay, which each token must have as its aud",
    ),
    (
        "token_issuer",
        "a name",
        "accept tokens of any issuer that the keys have signed",
        "Issuer that each token must have as its iss, letter by letter, with the slash at its end if it has one",
    ),
    (
        "token_topics_claim",
        "the name of a claim",
        "read the claims topics, subscribe and publish",
        "Claim that names the topics of a token, in place of topics, subscribe and publish; with a slash before it a way into objects, as /app_metadata/topics",
    ),
    (
        "token_topics_default",
        "topics such as lobby,user/{sub}/*",
        "give no topics to a token that names none",
        "Topics of a token that names none: patterns, in which {sub} is the token's subject",
    ),
    (
        "token_in",
        "any, or query, header and protocol with commas between them",
        "look in all of them",
        "Where in a request its token is: any, or those of query, header and protocol that count",
    ),
    (
        "trusted_proxies",
        "networks such as 10.0.0.0/8",
        "believe no proxy",
        "Proxies before the relay, by network or address, whose X-Forwarded-For is believed",
    ),
];

signal_core::limits! {
    /// Every setting of a relay in JavaScript.
    ///
    /// The names, defaults and forms are those of `signal serve`: `64KiB`, `30s` or a plain number
    /// of bytes or seconds.
    #[derive(Clone, Debug)]
    #[non_exhaustive]
    pub struct Settings {
        /// What the core holds each peer to.
        pub core: Limits = Limits::default(),
        /// What the connections of one address may take.
        pub addresses: AddressLimits = AddressLimits::default(),
        /// Who may come in. Default: anyone, to every topic.
        pub access: Access = Access::default(),
        /// Proxies whose word on the client's address is believed. Default: none.
        pub trusted_proxies: TrustedProxies = TrustedProxies::default(),
    }

    /// The limits that this crate keeps itself, or has its host keep. A new limit is a new row
    /// here; those of the core are [`Limits::ALL`], those of addresses [`AddressLimits::ALL`].
    pub const LIMITS = [
        /// At least one message of `message_bytes_max` must fit.
        outbound_bytes_max: u32 { default: 1024 * 1024, unit: Bytes, range: 1_039..=1 << 31, scope: Peer,
            what: "Bytes that may wait for one peer whose socket takes no more",
            past: "closed with 1013",
            why: "the burst of a full room, on a slow phone" },
        /// On hosts that can end a connection without its client: Node and Bun.
        close_timeout: Duration { default: 5_000, unit: Millis, range: 100..=60_000, scope: Peer,
            what: "How long a close may take",
            past: "TCP reset",
            why: "one round trip of the slowest network, and some" },
        /// Of which `authorize` and the verification of a token have so much.
        handshake_timeout: Duration { default: 5_000, unit: Millis, range: 100..=300_000, scope: Relay,
            what: "How long judging an upgrade may take, by authorize or by the signature of its token",
            past: "HTTP 503 with Retry-After",
            why: "several round trips of the slowest network" },
        peers_max: u32 { default: 10_000, unit: Count, range: 1..=100_000_000, scope: Relay,
            what: "Peers at once",
            past: "HTTP 503 with Retry-After",
            why: "one thread serves as many; a peer is an open file" },
        drain_seconds: u32 { default: 10, unit: Seconds, range: 0..=3_600, scope: Relay,
            what: "Over how long a shutdown spreads the closes, so that not all come back at once",
            past: "the process ends",
            why: "a thousand clients come back at 100 a second" },
    ];
}

/// A setting that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A number that cannot be read.
    #[error("{name} is {text:?}, which is {problem}")]
    Number {
        /// The setting.
        name: &'static str,
        /// Its value.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A limit out of its range.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A setting that keeps someone out is there and says nothing.
    #[error("{name} is empty; write {wanted}, or leave it out to {without}")]
    Guard {
        /// The setting.
        name: &'static str,
        /// What it could be instead.
        wanted: &'static str,
        /// What the relay does without it.
        without: &'static str,
    },
    /// There is no setting of this name.
    #[error("there is no setting {name:?}{}", .meant.map(|meant| format!("; is it {meant}?")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// The setting that may be meant.
        meant: Option<&'static str>,
    },
    /// What is listed is not an origin.
    #[error("origins cannot be used: {0}")]
    Origins(#[from] OriginError),
    /// What is listed is not a proxy.
    #[error("trusted_proxies cannot be used: {0}")]
    Proxies(#[from] ProxyError),
    /// The keys of tokens are not keys. They are not shown.
    #[error("token_keys cannot be used: {0}")]
    TokenKeys(#[from] KeyError),
    /// There is no such place for tokens.
    #[error("token_in cannot be used: {0}")]
    TokenIn(#[from] CarriersError),
    /// Two things say who may come in.
    #[error("token_keys and authorize are both given; one of them says who may come in")]
    TokensAndAuthorizer,
    /// The topics of tokens that name none are not topics.
    #[error("token_topics_default cannot be used: {0}")]
    TopicsDefault(#[from] DefaultTopicsError),
    /// Something is said of tokens, and there is no key to verify them.
    #[error("{0} is set, but token_keys is not set")]
    WithoutKeys(&'static str),
}

/// What tokens have to be like.
enum Rule {
    In(Carriers),
    Audience(String),
    Issuer(String),
    TopicsClaim(String),
    TopicsDefault(DefaultTopics),
}

impl Rule {
    fn add(self, keys: TokenVerifier) -> TokenVerifier {
        match self {
            Self::In(carriers) => keys.with_carriers(carriers),
            Self::Audience(audience) => keys.with_audience(audience),
            Self::Issuer(issuer) => keys.with_issuer(issuer),
            Self::TopicsClaim(claim) => keys.with_topics_claim(claim),
            Self::TopicsDefault(topics) => keys.with_default_topics(topics),
        }
    }
}

impl Settings {
    /// Reads settings by name, each as a text; lists have commas. What is not there keeps its
    /// default.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be used.
    pub fn read<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        let mut keys = None;
        // What tokens have to be like, which says nothing where none are asked for.
        let mut rules: Vec<(&'static str, Rule)> = Vec::new();
        for (name, text) in pairs {
            match name {
                "origins" => settings.access.origins = Origins::new(entries(name, text)?)?,
                "trusted_proxies" => {
                    settings.trusted_proxies = TrustedProxies::new(entries(name, text)?)?;
                }
                "token_keys" => {
                    keys = Some(TokenVerifier::with_host_keys(entry(name, text)?)?);
                }
                "token_in" => rules.push(("token_in", Rule::In(entry(name, text)?.parse()?))),
                "token_audience" => {
                    rules.push((
                        "token_audience",
                        Rule::Audience(entry(name, text)?.to_owned()),
                    ));
                }
                "token_issuer" => {
                    rules.push(("token_issuer", Rule::Issuer(entry(name, text)?.to_owned())));
                }
                "token_topics_claim" => {
                    let claim = entry(name, text)?.to_owned();
                    rules.push(("token_topics_claim", Rule::TopicsClaim(claim)));
                }
                "token_topics_default" => {
                    let topics = entry(name, text)?.parse()?;
                    rules.push(("token_topics_default", Rule::TopicsDefault(topics)));
                }
                _ => settings.set_limit(name, text)?,
            }
        }
        settings.access.tokens = match (keys, rules.first()) {
            (Some(keys), _) => Some(
                rules
                    .into_iter()
                    .fold(keys, |keys, (_, rule)| rule.add(keys)),
            ),
            (None, Some((name, _))) => return Err(SettingsError::WithoutKeys(name)),
            (None, None) => None,
        };
        settings.check()?;
        Ok(settings)
    }

    /// All settings, as JSON: what a program needs for its help.
    pub fn describe() -> String {
        let texts = TEXTS.map(|(name, form, _, what)| {
            json::object([
                ("name", json::string(name)),
                ("unit", json::string("text")),
                ("what", json::string(what)),
                ("form", json::string(form)),
            ])
        });
        let core = Limits::ALL.iter().map(describe);
        let addresses = AddressLimits::ALL.iter().map(describe);
        let own = Self::LIMITS.iter().map(describe);
        json::list(texts.into_iter().chain(core).chain(addresses).chain(own))
    }

    /// All limits by name, sizes in bytes and times in milliseconds.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (&'static str, signal_core::Scope, u64)> {
        let core = Limits::ALL.iter();
        let core = core.map(|limit| (limit.name, limit.scope, (limit.get)(&self.core)));
        let addresses = AddressLimits::ALL.iter();
        let addresses =
            addresses.map(|limit| (limit.name, limit.scope, (limit.get)(&self.addresses)));
        let own = Self::LIMITS.iter();
        let own = own.map(|limit| (limit.name, limit.scope, (limit.get)(self)));
        core.chain(addresses).chain(own)
    }

    fn set_limit(&mut self, name: &str, text: &str) -> Result<(), SettingsError> {
        if let Some(limit) = Limits::ALL.iter().find(|limit| limit.name == name) {
            return set(limit, &mut self.core, text);
        }
        if let Some(limit) = AddressLimits::ALL.iter().find(|limit| limit.name == name) {
            return set(limit, &mut self.addresses, text);
        }
        let limit = Self::LIMITS.iter().find(|limit| limit.name == name);
        let limit = limit.ok_or_else(|| unknown(name))?;
        set(limit, self, text)
    }

    /// Checks what depends on another limit.
    fn check(&self) -> Result<(), SettingsError> {
        // A message and what is written around it.
        let one_message = u64::from(self.core.message_bytes_max) + 1_024;
        for limit in Self::LIMITS {
            if limit.name == "outbound_bytes_max" {
                let range = one_message..=*limit.range.end();
                limit.check_in(range, Some("message_bytes_max"), self)?;
            }
        }
        Ok(())
    }
}

fn set<Owner>(limit: &Limit<Owner>, owner: &mut Owner, text: &str) -> Result<(), SettingsError> {
    let number = limit.unit.parse(text);
    let number = number.map_err(|problem| SettingsError::Number {
        name: limit.name,
        text: text.to_owned(),
        problem,
    })?;
    if limit.range.contains(&number) || (limit.zero && number == 0) {
        (limit.set)(owner, number);
        return Ok(());
    }
    let range = limit.unit.show_range(&limit.range, limit.zero);
    Err(SettingsError::Number {
        name: limit.name,
        text: text.to_owned(),
        problem: format!("out of its range, {range}"),
    })
}

fn describe<Owner>(limit: &Limit<Owner>) -> String {
    let unit = match limit.unit {
        Unit::Count => "count",
        Unit::Bytes => "bytes",
        Unit::Millis | Unit::Seconds => "time",
        Unit::Switch => "switch",
    };
    let default = limit.unit.show((limit.default)());
    json::object([
        ("name", json::string(limit.name)),
        ("unit", json::string(unit)),
        ("what", json::string(limit.what)),
        ("default", json::string(&default)),
        ("past", json::string(limit.past)),
        ("why", json::string(limit.why)),
    ])
}

/// A text that is not empty.
fn entry<'a>(name: &str, text: &'a str) -> Result<&'a str, SettingsError> {
    let text = text.trim();
    match TEXTS.into_iter().find(|(known, ..)| *known == name) {
        Some((name, wanted, without, _)) if text.is_empty() => Err(SettingsError::Guard {
            name,
            wanted,
            without,
        }),
        Some(_) | None => Ok(text),
    }
}

/// The entries of a list that has at least one: a list without would let in all.
fn entries<'a>(name: &str, text: &'a str) -> Result<impl Iterator<Item = &'a str>, SettingsError> {
    let entries = |text: &'a str| {
        let entries = text.split(',').map(str::trim);
        entries.filter(|entry| !entry.is_empty())
    };
    let first = entries(text).next().unwrap_or_default();
    entry(name, first)?;
    Ok(entries(text))
}

fn unknown(name: &str) -> SettingsError {
    let texts = TEXTS.into_iter().map(|(name, ..)| name);
    let core = Limits::ALL.iter().map(|limit| limit.name);
    let addresses = AddressLimits::ALL.iter().map(|limit| limit.name);
    let own = Settings::LIMITS.iter().map(|limit| limit.name);
    let meant = texts
        .chain(core)
        .chain(addresses)
        .chain(own)
        .map(|known| (slips(name, known), known))
        .min()
        .filter(|(slips, _)| *slips <= SLIPS_MAX);
    SettingsError::Unknown {
        name: name.to_owned(),
        meant: meant.map(|(_, known)| known),
    }
}

/// How many letters have to be put in, taken out or changed to make one word into another.
fn slips(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.bytes().enumerate() {
        let mut next = vec![line + 1];
        for ((above_left, above), wanted) in row.iter().zip(row.iter().skip(1)).zip(other.bytes()) {
            let left = next.last().copied().unwrap_or_default();
            let changed = above_left + usize::from(letter != wanted);
            next.push(changed.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    const KEY: &str =
        r#"{"kty":"oct","alg":"HS256","k":"dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk"}"#;

    fn error(pairs: &[(&str, &str)]) -> String {
        Settings::read(pairs.iter().copied())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn settings_are_read_in_the_forms_of_signal_serve() {
        let settings = Settings::read([
            ("peers_max", "10_000"),
            ("message_bytes_max", "2KiB"),
            ("close_hold", "0.5"),
            ("limit_private_ips", "on"),
            ("drain_seconds", "1m"),
            ("origins", "https://app.example, https://*.example.org"),
            ("trusted_proxies", "10.0.0.0/8"),
            ("token_keys", KEY),
            ("token_audience", "me"),
            ("token_in", "query, protocol"),
        ])
        .unwrap();
        assert_eq!(settings.core.message_bytes_max, 2_048);
        assert_eq!(settings.core.close_hold, Duration::from_millis(500));
        assert!(settings.addresses.limit_private_ips);
        assert_eq!(settings.drain_seconds, 60);
        assert_eq!(
            settings.access.to_string(),
            r#"tokens of 1 key, audience "me", in query,protocol only; origins https://app.example, https://*.example.org"#
        );
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named_with_what_is_wrong() {
        for (pair, expected) in [
            (
                ("peers_max", "many"),
                r#"peers_max is "many", which is not a whole number"#,
            ),
            (
                ("depth_max", "300"),
                r#"depth_max is "300", which is out of its range, from 1 to 128"#,
            ),
            (
                ("peer_max", "3"),
                r#"there is no setting "peer_max"; is it peers_max?"#,
            ),
            (("colour", "red"), r#"there is no setting "colour""#),
            (
                ("origins", " , "),
                "origins is empty; write origins such as https://app.example, or leave it out to let the pages of every site connect",
            ),
            (
                ("message_bytes_max", "2MiB"),
                "outbound_bytes_max is 1MiB, but must be from 2049KiB to 2GiB because of message_bytes_max",
            ),
            (
                ("token_in", "cookie"),
                "token_in cannot be used: not a place for tokens; write any, or query, header and protocol with commas between them",
            ),
            (
                ("token_audience", "me"),
                "token_audience is set, but token_keys is not set",
            ),
        ] {
            assert_eq!(error(&[pair]), expected);
        }
    }

    #[test]
    fn keys_that_cannot_be_used_let_nobody_in_and_are_not_shown() {
        for wrong in [
            "secret",
            "{}",
            r#"{"kty":"oct","alg":"HS256","k":"c2VjcmV0"}"#,
        ] {
            let error = error(&[("token_keys", wrong)]);
            assert!(error.starts_with("token_keys cannot be used: "), "{error}");
            assert!(!error.contains("secret") && !error.contains("c2Vj"));
        }
        assert!(error(&[("token_keys", " ")]).starts_with("token_keys is empty; "));
        assert!(error(&[("token_keys", KEY), ("token_audience", "")]).contains("is empty"));
    }

    #[test]
    fn every_setting_is_described_and_can_be_set_to_its_default() {
        let described: Vec<serde_json::Value> =
            serde_json::from_str(&Settings::describe()).unwrap();
        let limits = Limits::ALL.len() + AddressLimits::ALL.len() + Settings::LIMITS.len();
        assert_eq!(described.len(), TEXTS.len() + limits);
        for setting in &described[TEXTS.len()..] {
            let (name, default) = (setting["name"].as_str(), setting["default"].as_str());
            let pair = (name.unwrap(), default.unwrap());
            assert!(Settings::read([pair]).is_ok(), "{pair:?}");
        }
    }
}

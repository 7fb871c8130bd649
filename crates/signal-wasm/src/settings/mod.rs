mod error;
mod names;
#[cfg(test)]
mod tests;

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use signal_access::{
    Access, AddressLimits, Carriers, DefaultTopics, JwksUrl, Origins, TokenVerifier, TrustedProxies,
};
use signal_core::{Limit, Limits, Unit};

use self::names::{TEXTS, entries, entry, unknown};
use crate::json;

pub use self::error::SettingsError;

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
        /// Where the issuer of tokens publishes its keys. Default: nowhere.
        pub token_jwks_url: Option<JwksUrl> = None,
        /// Proxies whose word on the client's address is believed. Default: none.
        pub trusted_proxies: TrustedProxies = TrustedProxies::default(),
    }

    /// The limits that this crate keeps itself, or has its host keep. A new limit is a new row
    /// here; those of the core are [`Limits::ALL`], those of addresses [`AddressLimits::ALL`].
    pub const LIMITS = [
        /// Each message that the runtime does not take counts 128 more than its bytes. At least one
        /// of `message_bytes_max` must fit. 128 times as much, or 32 MiB if that is more, closes at
        /// once.
        outbound_bytes_max: u32 { default: 1024 * 1024, unit: Bytes, range: 1_039..=1 << 31, scope: Peer,
            what: "Bytes that may wait for one peer whose socket takes no more",
            past: "closed with 1013, after outbound_grace",
            why: "the burst of a full room, on a slow phone" },
        /// See [`Pace`](signal_backpressure::Pace).
        outbound_grace: Duration { default: 1_000, unit: Millis, range: 0..=60_000, scope: Peer,
            what: "How far a peer for which more waits may be behind one that takes it at 2 Mbit/s, or in 10 s if it is much",
            past: "closed with 1013",
            why: "what many say in a moment is read at once or steadily; what is older is of no use" },
        /// A module cannot know what the machine has. What waits for several counts for each.
        memory_max: u64 { default: 256 * 1024 * 1024, unit: Bytes, range: 1 << 20..=1 << 50, scope: Relay,
            what: "What may wait for all peers together",
            past: "those for which most waits are closed with 1013",
            why: "each is bounded by the limits above, their number only by open files; a process that is killed serves nobody" },
        /// On hosts that can end a connection without its client: Node and Bun.
        close_timeout: Duration { default: 5_000, unit: Millis, range: 100..=60_000, scope: Peer,
            what: "How long a close may take",
            past: "TCP reset",
            why: "one round trip of the slowest network, and some" },
        /// Of which `authorize` and the verification of a token have so much.
        handshake_timeout: Duration { default: 5_000, unit: Millis, range: 100..=300_000, scope: Relay,
            what: "How long judging an upgrade may take, by authorize or by the signature of its token, and then making it",
            past: "HTTP 503 with Retry-After",
            why: "several round trips of the slowest network" },
        handshakes_max: u32 { default: 1_024, unit: Count, range: 1..=1_000_000, scope: Relay,
            what: "Upgrades that may be judged at once, by authorize or by the signature of their tokens",
            past: "HTTP 503 with Retry-After",
            why: "a session store that does not answer must not use up the places of peers" },
        peers_max: u32 { default: 10_000, unit: Count, range: 1..=100_000_000, scope: Relay,
            what: "Peers at once",
            past: "HTTP 503 with Retry-After",
            why: "one thread serves as many; a peer is an open file" },
        drain_seconds: u32 { default: 3, unit: Seconds, range: 0..=3_600, scope: Relay,
            what: "Over how long a shutdown spreads the closes, so that not all come back at once",
            past: "the process ends",
            why: "with close_timeout it ends within the 10 s after which Docker kills; of a thousand clients some 330 come back each second" },
    ];
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
                "token_jwks_url" => settings.token_jwks_url = Some(entry(name, text)?.parse()?),
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
        let keys = match (keys, &settings.token_jwks_url) {
            (Some(_), Some(_)) => return Err(SettingsError::TwoSources),
            (None, Some(_)) => Some(TokenVerifier::without_keys()),
            (keys, None) => keys,
        };
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

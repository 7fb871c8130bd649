use alloc::borrow::ToOwned;
use alloc::string::String;
#[cfg(feature = "tokens")]
use alloc::string::ToString as _;
use alloc::vec::Vec;

use serde_json::{Map, Value};
use signal_core::TopicSet;

use crate::claim_error::ClaimError;
use crate::clients_max::{self, read_clients_max};
use crate::default_topics::DefaultTopics;
use crate::object::{self, ObjectError};
use crate::time::UnixTime;
#[cfg(feature = "tokens")]
use crate::topics::write_topics;
use crate::topics::{PATTERNS_MAX, read_into};

/// The longest subject, in bytes: an identifier, not a document.
pub const SUBJECT_BYTES_MAX: usize = 256;

/// The latest time that a claim may name, in seconds: the end of the year 9999, so that a time in
/// milliseconds is told from one in seconds.
const LATEST: u64 = 253_402_300_799;

/// What a token says of its bearer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// `sub`: who the bearer is, by a name that the signer has chosen.
    pub subject: Option<String>,
    /// `exp`: when the token, and every connection made with it, ends.
    pub expires: UnixTime,
    /// `nbf`: when the token begins.
    pub not_before: Option<UnixTime>,
    /// `iss`: who made the token, if it is a string.
    pub issuer: Option<String>,
    /// `aud`: for whom the token was made; empty if it does not say.
    pub audience: Vec<String>,
    /// `topics` and `subscribe`: what the bearer may subscribe to.
    pub subscribe: TopicSet,
    /// `topics` and `publish`: what the bearer may publish to.
    pub publish: TopicSet,
    /// `peers_max`: how many connections may be open at once for this subject.
    pub peers_max: Option<u32>,
    /// `clients_max`: how many clients topics may have with the bearer among them. Where several
    /// numbers are for one topic, the smallest holds.
    pub clients_max: Vec<(TopicSet, u32)>,
}

impl Claims {
    /// Claims with an end, and without any right yet.
    pub const fn until(expires: UnixTime) -> Self {
        Self {
            subject: None,
            expires,
            not_before: None,
            issuer: None,
            audience: Vec::new(),
            subscribe: TopicSet::none(),
            publish: TopicSet::none(),
            peers_max: None,
            clients_max: Vec::new(),
        }
    }

    /// Reads the claims of a token whose signature is verified, and its rights by these rules.
    pub(crate) fn parse(json: &[u8], rules: &TopicRules) -> Result<Self, ClaimError> {
        let claims = object::parse(json).map_err(|error| match error {
            ObjectError::Duplicate => ClaimError::Duplicate,
            ObjectError::NotJson | ObjectError::NotObject => ClaimError::NotObject,
        })?;
        let expires = claims.get("exp").ok_or(ClaimError::NoExpiry)?;
        let mut read = Self::until(time(expires).ok_or(ClaimError::Expiry)?);
        for (name, value) in &claims {
            read.claim(name, value)?;
        }
        read.rights(&claims, rules)?;
        read.check()?;
        Ok(read)
    }

    fn claim(&mut self, name: &str, value: &Value) -> Result<(), ClaimError> {
        match name {
            "sub" => self.subject = Some(string(value).ok_or(ClaimError::Subject)?),
            "nbf" => self.not_before = Some(time(value).ok_or(ClaimError::NotBefore)?),
            "iss" => self.issuer = string(value),
            "aud" => self.audience = audience(value).ok_or(ClaimError::Audience)?,
            "peers_max" => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                self.peers_max = Some(number.ok_or(ClaimError::PeersMax)?);
            }
            "clients_max" => self.clients_max = read_clients_max(value)?,
            // Claims that are for others, as RFC 7519 asks.
            _ => {}
        }
        Ok(())
    }

    /// Reads which topics it opens: those that it names, or else those that every token does.
    fn rights(
        &mut self,
        claims: &Map<String, Value>,
        rules: &TopicRules,
    ) -> Result<(), ClaimError> {
        let (both, subscribe, publish) = match rules.claim.as_deref() {
            // What else there is was not written for this relay.
            Some(name) => (named(claims, name), None, None),
            None => (
                claims.get("topics"),
                claims.get("subscribe"),
                claims.get("publish"),
            ),
        };
        if let (None, None, None) = (both, subscribe, publish) {
            self.subscribe = rules.default.of(self.subject.as_deref());
            self.publish = self.subscribe.clone();
        }
        // One that has another name may have the form of `scope`.
        let is_named = rules.claim.is_some();
        for claim in [both, subscribe].into_iter().flatten() {
            read_into(&mut self.subscribe, topics(claim, is_named)?)?;
        }
        for claim in [both, publish].into_iter().flatten() {
            read_into(&mut self.publish, topics(claim, is_named)?)?;
        }
        Ok(())
    }

    /// What holds of all claims, read or about to be signed.
    pub(crate) fn check(&self) -> Result<(), ClaimError> {
        let subject = self.subject.as_deref();
        if subject.is_some_and(|name| name.is_empty() || name.len() > SUBJECT_BYTES_MAX) {
            return Err(ClaimError::Subject);
        }
        match (self.peers_max, subject) {
            (Some(0), _) => return Err(ClaimError::PeersMax),
            (Some(_), None) => return Err(ClaimError::PeersOfNobody),
            (Some(_), Some(_)) | (None, _) => {}
        }
        for set in [&self.subscribe, &self.publish] {
            let is_too_long = match set {
                TopicSet::All => false,
                TopicSet::Matching(patterns) => patterns.len() > PATTERNS_MAX,
            };
            if is_too_long {
                return Err(ClaimError::TooManyTopics);
            }
        }
        clients_max::check(&self.clients_max)
    }

    /// The claims as JSON, with the names in the order of the alphabet.
    #[cfg(feature = "tokens")]
    pub(crate) fn to_json(&self) -> Result<String, ClaimError> {
        self.check()?;
        let mut claims = Map::new();
        let mut insert = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        insert("exp", self.expires.as_secs().into());
        if let Some(subject) = &self.subject {
            insert("sub", subject.as_str().into());
        }
        if let Some(start) = self.not_before {
            insert("nbf", start.as_secs().into());
        }
        if let Some(issuer) = &self.issuer {
            insert("iss", issuer.as_str().into());
        }
        match self.audience.as_slice() {
            [] => {}
            [one] => {
                insert("aud", one.as_str().into());
            }
            more => {
                insert("aud", more.into());
            }
        }
        if self.subscribe == self.publish {
            insert("topics", write_topics(&self.subscribe)?.into());
        } else {
            insert("subscribe", write_topics(&self.subscribe)?.into());
            insert("publish", write_topics(&self.publish)?.into());
        }
        if let Some(peers) = self.peers_max {
            insert("peers_max", peers.into());
        }
        if !self.clients_max.is_empty() {
            insert("clients_max", clients_max::write(&self.clients_max)?);
        }
        Ok(Value::Object(claims).to_string())
    }
}

/// From where the topics of a token are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopicRules {
    /// The claim that has them instead of `topics`, `subscribe` and `publish`.
    pub(crate) claim: Option<String>,
    /// Those of a token that says nothing of topics.
    pub(crate) default: DefaultTopics,
}

/// The claim of this name; one that begins with a slash is a way into objects (RFC 6901).
fn named<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    let Some(way) = name.strip_prefix('/') else {
        return claims.get(name);
    };
    let mut names = way
        .split('/')
        .map(|name| name.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&names.next()?)?;
    names.try_fold(first, |value, name| value.as_object()?.get(&name))
}

fn string(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// Seconds since 1970, perhaps with a fraction.
fn time(value: &Value) -> Option<UnixTime> {
    if let Some(seconds) = value.as_u64() {
        return (seconds <= LATEST).then(|| UnixTime::from_secs(seconds));
    }
    let seconds = value.as_f64()?;
    let is_time = seconds >= 0.0 && seconds <= LATEST as f64;
    is_time.then(|| UnixTime::from_millis((seconds * 1_000.0) as u64))
}

fn audience(value: &Value) -> Option<Vec<String>> {
    match value.as_array() {
        None => string(value).map(|one| alloc::vec![one]),
        Some(several) if several.is_empty() => None,
        Some(several) => several.iter().map(string).collect(),
    }
}

/// The topics of a claim: an array of patterns, or in one that was named the words of a text.
fn topics(claim: &Value, is_named: bool) -> Result<Vec<&str>, ClaimError> {
    if let (Value::String(text), true) = (claim, is_named) {
        return Ok(text.split_ascii_whitespace().collect());
    }
    let patterns = claim.as_array().ok_or(ClaimError::Topics)?;
    patterns
        .iter()
        .map(|pattern| pattern.as_str().ok_or(ClaimError::Topics))
        .collect()
}

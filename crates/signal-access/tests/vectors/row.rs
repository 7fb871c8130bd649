//! The form of the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use signal_access::Denied;

/// The first lines of the file, for those who hold another relay to it.
pub(crate) const ABOUT: &[&str] = &[
    "How a relay judges an upgrade request. Start each of `relays` with its keys (null: no tokens are asked for), its audience",
    "and its origins; send `GET /` with the query and the headers of a row; compare with what is expected. `token_in` is where it",
    "looks for tokens, if not in all three places: `query`, `header`, `protocol`; `issuer` the iss that they must have, `topics_claim`",
    "the claim that names their topics (a way into objects, if it begins with a slash), `topics_default` the topics of tokens that",
    "name none, and `pass` a token for every topic there.",
    "`now` is the relay's time in seconds since 1970; a row without it holds at any time from 2027 to 2100.",
    "expected.status 101 is an upgrade; anything else comes before it. expected.error is the cause by name, for those who can see",
    "it; expected.challenge the WWW-Authenticate header; expected.protocol the Sec-WebSocket-Protocol header of the answer.",
    "may_* and may_not_* name topics that the connection may and may not subscribe and publish to.",
    "expected.clients_max is how many clients topics may have with the bearer among them; there is no such number for other topics.",
    "The keys are for tests only.",
];

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rows {
    pub(crate) about: Vec<String>,
    pub(crate) relays: BTreeMap<String, Relay>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relay {
    pub(crate) keys: Option<Value>,
    pub(crate) audience: Option<String>,
    pub(crate) origins: Vec<String>,
    /// Where tokens are looked for, as `any`, or `query`, `header` and `protocol` with commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_in: Option<String>,
    /// The `iss` that tokens must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// The claim with their topics instead of `topics`, `subscribe` and `publish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topics_claim: Option<String>,
    /// The topics of tokens that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topics_default: Option<String>,
    /// A token for every topic, where `keys` are not one key that signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pass: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) relay: String,
    pub(crate) now: Option<u64>,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) expected: Expected,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) challenge: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) carrier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peers_max: Option<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) clients_max: BTreeMap<String, u32>,
    /// For rows with a time: how long the grant lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds_left: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) may_subscribe: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) may_not_subscribe: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) may_publish: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) may_not_publish: Vec<String>,
}

impl Expected {
    pub(crate) fn refused(denied: Denied) -> Self {
        Self {
            status: denied.status(),
            error: Some(denied.name().to_owned()),
            challenge: denied.challenge().map(str::to_owned),
            ..Self::default()
        }
    }
}

impl Row {
    /// A request to `relay` that carries nothing.
    pub(crate) fn new(name: &str, relay: &str) -> Self {
        Self {
            name: name.to_owned(),
            relay: relay.to_owned(),
            now: None,
            query: None,
            headers: Vec::new(),
            expected: Expected::default(),
        }
    }

    pub(crate) fn at(mut self, now: u64) -> Self {
        self.now = Some(now);
        self
    }

    pub(crate) fn query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// The token where a stock client has it.
    pub(crate) fn token(self, token: &str) -> Self {
        self.query(format!("token={token}"))
    }

    pub(crate) fn with(mut self, header: &str, value: impl Into<String>) -> Self {
        self.headers.push((header.to_owned(), value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("Authorization", format!("Bearer {token}"))
    }

    /// Expects an upgrade, with a token that was found there.
    pub(crate) fn upgraded(mut self, carrier: &str) -> Self {
        self.expected.status = 101;
        self.expected.carrier = (!carrier.is_empty()).then(|| carrier.to_owned());
        self
    }

    pub(crate) fn echoes_marker(mut self) -> Self {
        self.expected.protocol = Some("signal-token".to_owned());
        self
    }

    /// With a token of this subject.
    pub(crate) fn of(mut self, subject: &str) -> Self {
        self.expected.subject = Some(subject.to_owned());
        self
    }

    /// Which topics may be used, both ways, and which not.
    pub(crate) fn may(mut self, topics: &[&str], others: &[&str]) -> Self {
        let list = |topics: &[&str]| topics.iter().map(|topic| (*topic).to_owned()).collect();
        self.expected.may_subscribe = list(topics);
        self.expected.may_not_subscribe = list(others);
        self.expected.may_publish = list(topics);
        self.expected.may_not_publish = list(others);
        self
    }

    /// Expects a refusal. The numbers are written here again, so that the crate is held to them.
    pub(crate) fn refused(mut self, error: &str) -> Self {
        let (status, challenge) = match error {
            "origin" => (403, None),
            "ambiguous" => (400, None),
            "missing" => (401, Some("Bearer")),
            _ => (401, Some("Bearer error=\"invalid_token\"")),
        };
        self.expected.status = status;
        self.expected.error = Some(error.to_owned());
        self.expected.challenge = challenge.map(str::to_owned);
        self
    }

    /// The values of a header, joined where it comes more than once (RFC 9110 5.3).
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let named = self.headers.iter().filter(|(header, _)| header == name);
        let values: Vec<&str> = named.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// All topics that the row asks for, in the order of its lists.
    pub(crate) fn topics(&self) -> Vec<String> {
        let expected = &self.expected;
        let mut topics = Vec::new();
        for topic in [&expected.may_subscribe, &expected.may_not_subscribe]
            .into_iter()
            .flatten()
        {
            topics.push(topic.clone());
        }
        topics
    }

    /// How many clients these topics may have, and those named no such number.
    pub(crate) fn clients(mut self, numbers: &[(&str, u32)], others: &[&str]) -> Self {
        let numbered = numbers.iter();
        let numbered = numbered.map(|(topic, max)| ((*topic).to_owned(), *max));
        self.expected.clients_max = numbered.collect();
        let named: Vec<&str> = numbers.iter().map(|(topic, _)| *topic).collect();
        self.may(&[&named[..], others].concat(), &[])
    }
}

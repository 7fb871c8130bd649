//! Holds a live relay to the vectors beside this file, row by row. Tests of relays include it by
//! its path.
#![allow(
    dead_code,
    reason = "not every relay's test can move its clock or see its log"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use signal_access::{
    Access, Claims, Denied, Origins, PROTOCOL_MARKER, TokenSigner, TokenVerifier, UnixTime,
    UpgradeParts,
};
use signal_conformance::{Backend, ConnectOptions, Connection, Event, UrlBackend};
use signal_core::TopicSet;
use signal_testwire::{PATIENCE, Wire, upgrade};
use tokio::net::TcpStream;

/// The end of this century: a token until then is good for any row.
const FAR: UnixTime = UnixTime::from_secs(4_102_444_800);

/// The rows, and the relays that they are for.
#[derive(Deserialize)]
pub(crate) struct Vectors {
    pub(crate) relays: BTreeMap<String, Policy>,
    pub(crate) rows: Vec<Row>,
}

/// What a relay is started with.
#[derive(Deserialize)]
pub(crate) struct Policy {
    keys: Option<Value>,
    pub(crate) audience: Option<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) token_in: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) topics_claim: Option<String>,
    pub(crate) topics_default: Option<String>,
    pass: Option<String>,
}

/// A request, and what must come of it.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) relay: String,
    /// The relay's time, if it matters.
    pub(crate) now: Option<u64>,
    query: Option<String>,
    headers: Vec<(String, String)>,
    pub(crate) expected: Expected,
}

#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// The cause by its name.
    pub(crate) error: Option<String>,
    pub(crate) challenge: Option<String>,
    pub(crate) protocol: Option<String>,
    /// For rows with a time: how long the connection lasts.
    pub(crate) seconds_left: Option<u64>,
    #[serde(default)]
    pub(crate) may_subscribe: BTreeSet<String>,
    #[serde(default)]
    pub(crate) may_not_subscribe: BTreeSet<String>,
    #[serde(default)]
    pub(crate) may_publish: BTreeSet<String>,
    #[serde(default)]
    pub(crate) may_not_publish: BTreeSet<String>,
}

impl Vectors {
    pub(crate) fn read() -> Self {
        serde_json::from_str(include_str!("tokens.json")).expect("the form of the file")
    }

    /// The rows for a relay.
    pub(crate) fn rows_for(&self, relay: &str) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.relay == relay)
    }
}

impl Policy {
    /// The relay's keys as JSON.
    pub(crate) fn keys(&self) -> Option<String> {
        self.keys.as_ref().map(Value::to_string)
    }

    /// What the relay is to judge by.
    pub(crate) fn access(&self) -> Access {
        let origins = self.origins.iter().map(String::as_str);
        Access {
            origins: Origins::new(origins).expect("origins"),
            tokens: self.keys().map(|keys| self.verifier(&keys)),
        }
    }

    fn verifier(&self, keys: &str) -> TokenVerifier {
        let token_in = self.token_in.as_deref().unwrap_or("any");
        let mut verifier = TokenVerifier::with_public_keys(keys, &crate::PUBLIC_KEYS)
            .expect("keys")
            .with_carriers(token_in.parse().expect("places"));
        if let Some(audience) = &self.audience {
            verifier = verifier.with_audience(audience);
        }
        if let Some(issuer) = &self.issuer {
            verifier = verifier.with_issuer(issuer);
        }
        if let Some(claim) = &self.topics_claim {
            verifier = verifier.with_topics_claim(claim);
        }
        if let Some(topics) = &self.topics_default {
            verifier = verifier.with_default_topics(topics.parse().expect("patterns"));
        }
        verifier
    }

    /// A token for everything.
    fn token(&self) -> Option<String> {
        if let Some(pass) = &self.pass {
            return Some(pass.clone());
        }
        let mut claims = Claims::until(FAR);
        (claims.subscribe, claims.publish) = (TopicSet::All, TopicSet::All);
        claims.audience = self.audience.iter().cloned().collect();
        let signer = TokenSigner::new(&self.keys()?).expect("one key that signs");
        Some(signer.sign(&claims).expect("claims"))
    }
}

impl Row {
    /// Sends the request to the relay at this address, and says what is otherwise than it must be.
    pub(crate) async fn differences(&self, policy: &Policy, relay: SocketAddr) -> Vec<String> {
        let stream = TcpStream::connect(relay).await.expect("the relay listens");
        let answer = Wire::ask(stream, &self.request()).await;
        let mut differences = Vec::new();
        let mut compare = |what: &str, seen: &str, expected: &str| {
            if seen != expected {
                differences.push(format!(
                    "{}: {what} is {seen:?}, must be {expected:?}",
                    self.name
                ));
            }
        };
        let expected = &self.expected;
        let status = answer.status.to_string();
        compare("status", &status, &expected.status.to_string());
        let header = |name| answer.header(name).unwrap_or_default();
        let challenge = expected.challenge.as_deref().unwrap_or_default();
        compare("challenge", header("www-authenticate"), challenge);
        // Of other subprotocols the rows say nothing.
        let chosen = Some(header("sec-websocket-protocol"));
        let chosen = chosen.filter(|name| expected.protocol.is_some() || *name == PROTOCOL_MARKER);
        compare(
            "protocol",
            chosen.unwrap_or_default(),
            expected.protocol.as_deref().unwrap_or_default(),
        );
        if let Err(denied) = self.judge(&policy.access()) {
            compare("body", &answer.body, &denied.body());
        } else {
            differences.extend(self.wrong_rights(policy, relay).await);
        }
        differences
    }

    /// Connects as the row says.
    pub(crate) async fn connect(&self, relay: SocketAddr) -> Box<dyn Connection> {
        let query = self.query.as_deref().unwrap_or_default();
        connect(relay, query, &self.headers).await
    }

    /// The request as the row has it.
    pub(crate) fn request(&self) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}"));
        let path = format!("/{}", query.unwrap_or_default());
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        upgrade(&path, &headers.collect::<Vec<_>>())
    }

    /// What the crate itself says; its own test compares that with the row.
    fn judge(&self, access: &Access) -> Result<(), Denied> {
        let header = |name: &str| {
            let named = self.headers.iter().filter(|(header, _)| header == name);
            let values: Vec<&str> = named.map(|(_, value)| value.as_str()).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        let (origin, authorization) = (header("Origin"), header("Authorization"));
        let protocols = header("Sec-WebSocket-Protocol");
        let parts = UpgradeParts {
            query: self.query.as_deref(),
            host: None,
            origin: origin.as_deref(),
            authorization: authorization.as_deref(),
            protocols: protocols.as_deref(),
        };
        let now = UnixTime::from_secs(self.now.unwrap_or(1_800_000_000));
        access.judge(&parts, now).map(drop)
    }

    /// Tries each topic that the row names, with another peer that may do everything.
    async fn wrong_rights(&self, policy: &Policy, relay: SocketAddr) -> Option<String> {
        let expected = &self.expected;
        let subscribe = &expected.may_subscribe | &expected.may_not_subscribe;
        let publish = &expected.may_publish | &expected.may_not_publish;
        let topics = &subscribe | &publish;
        if topics.is_empty() {
            return None;
        }
        let mut peer = self.connect(relay).await;
        let query = policy.token().map(|token| format!("token={token}"));
        let mut other = connect(relay, &query.unwrap_or_default(), &[]).await;
        let all = json!({"type": "subscribe", "topics": topics}).to_string();
        for connection in [&mut peer, &mut other] {
            connection.send_text(&all).await;
            published_until_now(connection).await;
        }
        publish_all(&mut other, &topics).await;
        published_until_now(&mut other).await;
        let heard = published_until_now(&mut peer).await;
        publish_all(&mut peer, &topics).await;
        published_until_now(&mut peer).await;
        let said = published_until_now(&mut other).await;
        let is_right = heard == expected.may_subscribe && said == expected.may_publish;
        (!is_right).then(|| format!("{}: heard {heard:?}, said {said:?}", self.name))
    }
}

async fn connect(
    relay: SocketAddr,
    query: &str,
    headers: &[(String, String)],
) -> Box<dyn Connection> {
    let mut backend = UrlBackend::new(&format!("ws://{relay}/?{query}")).expect("an address");
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a header");
        let value: HeaderValue = value.parse().expect("a header's value");
        backend = backend.header(name, value);
    }
    let connected = backend.connect(ConnectOptions::default()).await;
    connected.unwrap_or_else(|error| panic!("{query}: {error}"))
}

async fn publish_all(connection: &mut Box<dyn Connection>, topics: &BTreeSet<String>) {
    for topic in topics {
        let publish = json!({"type": "publish", "topic": topic});
        connection.send_text(&publish.to_string()).await;
    }
}

/// The topics of all that has come to a connection, once what it has sent has been handled.
async fn published_until_now(connection: &mut Box<dyn Connection>) -> BTreeSet<String> {
    connection.send_text(r#"{"type": "ping"}"#).await;
    let mut topics = BTreeSet::new();
    loop {
        let event = connection.receive(PATIENCE).await;
        let Event::Text(text) = event else {
            panic!("a message, not {event:?}");
        };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        match message["topic"].as_str() {
            Some(topic) => topics.insert(topic.to_owned()),
            None => return topics,
        };
    }
}

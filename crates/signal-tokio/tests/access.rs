//! Signed tokens and origins, from the request to the end of the connection.

#![cfg(feature = "tokens")]

mod common;
#[path = "../../signal-access/vectors/live.rs"]
mod live;

use std::time::Duration;

use common::{Wire, ask, dial_from, header, retry_after, status, upgrade};
use live::{Policy, Row, Vectors};
use serde_json::Value;
use signal_tokio::signal_access::{
    Access, Algorithm, Claims, NewKey, Origins, TokenSigner, TokenVerifier, UnixTime,
};
use signal_tokio::{
    AccessAuthorizer, AuthResult, Config, Ignored, RefusalCause, Relay, RingKeys, TopicSet,
    UpgradeRequest,
};
use tokio::time::Instant;

/// What verifies RS256 and ES256 in the vectors.
const PUBLIC_KEYS: RingKeys = RingKeys;

/// When the tests begin, in seconds since 1970: 2027.
const START: u64 = 1_800_000_000;

/// A clock that moves with the time of the test.
fn clock(start: u64) -> impl Fn() -> UnixTime + Send + Sync + 'static {
    let origin = Instant::now();
    move || UnixTime::from_secs(start).saturating_add(origin.elapsed())
}

struct Keys {
    signer: TokenSigner,
    access: Access,
}

/// A key, and the access of a relay that has it.
fn keys(seed: u8) -> Keys {
    let key = NewKey::from_seed(Algorithm::EdDsa, None, [seed; 32]);
    let public = key.public_jwk().expect("a key pair");
    Keys {
        signer: TokenSigner::new(&key.private_jwk()).expect("a key"),
        access: Access {
            tokens: Some(TokenVerifier::new(&public).expect("a key")),
            ..Access::default()
        },
    }
}

impl Keys {
    fn relay(&self) -> Relay {
        let authorizer = AccessAuthorizer::with_clock(self.access.clone(), clock(START));
        Relay::with_authorizer(Config::default(), authorizer).expect("valid settings")
    }

    /// A token for every topic that ends so many seconds after [`START`].
    fn token(&self, seconds: u64) -> String {
        self.sign(Claims::until(UnixTime::from_secs(START + seconds)))
    }

    fn sign(&self, mut claims: Claims) -> String {
        claims.subscribe = TopicSet::All;
        claims.publish = TopicSet::All;
        self.signer.sign(&claims).expect("claims")
    }
}

/// The upgrade request with a token.
fn with(token: &str) -> String {
    upgrade(&format!("/?token={token}"), &[])
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_token_and_the_token_opens_no_other() {
    let keys = keys(1);
    let relay = keys.relay();
    let token = keys.token(60);
    let (mut ann, head) = ask(&relay, &with(&token)).await;
    assert_eq!(status(&head), 101);
    let (mut ben, _) = ask(&relay, &with(&keys.token(3_600))).await;
    for peer in [&mut ann, &mut ben] {
        peer.subscribe("t").await;
        peer.settle().await;
    }
    tokio::time::sleep(Duration::from_secs(58)).await;
    ben.publish("t", 1).await;
    let before = async {
        loop {
            let frame = ann.next_answering_pings().await.expect("a message");
            // In a minute it has also been sent pongs.
            if frame.first_byte == common::TEXT && frame.json()["type"] == "publish" {
                return frame.json();
            }
        }
    };
    assert_eq!(before.await["clients"], 2, "still there after 58 s");

    let start = Instant::now();
    let close = ann.next_answering_pings().await.expect("a close");
    assert_eq!(close.close_code(), 4401);
    let held = relay.config().core.close_hold;
    let waited = start.elapsed();
    let expected = Duration::from_secs(2) + held;
    assert!(
        waited >= expected && waited < expected + Duration::from_secs(1),
        "closed after {waited:?}"
    );
    common::until(&relay, "ann has gone", |stats| stats.peers == 1).await;
    assert_eq!(relay.stats().subscriptions, 1);

    let (mut again, head) = ask(&relay, &with(&token)).await;
    assert_eq!(status(&head), 401);
    let challenge = header(&head, "www-authenticate");
    assert_eq!(challenge, Some(r#"Bearer error="invalid_token""#));
    assert_eq!(again.rest().await, "the token has expired");
}

/// The clock jumps back, so that a second verification would find the token valid: for a minute
/// there is none.
#[tokio::test(start_paused = true)]
async fn a_refused_token_is_not_verified_again_for_a_minute() {
    let keys = keys(1);
    let origin = Instant::now();
    let clock = move || match origin.elapsed().as_secs() {
        0 => UnixTime::from_secs(START + 100),
        _ => UnixTime::from_secs(START),
    };
    let authorizer = AccessAuthorizer::with_clock(keys.access.clone(), clock);
    let relay = Relay::with_authorizer(Config::default(), authorizer).expect("valid settings");
    let token = keys.token(50);
    let (_, first) = ask(&relay, &with(&token)).await;
    assert_eq!(status(&first), 401);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let without_date = |head: &str| -> Vec<String> {
        let lines = head.lines().filter(|line| !line.starts_with("date: "));
        lines.map(str::to_owned).collect()
    };
    for _ in 0..50 {
        let (mut wire, head) = ask(&relay, &with(&token)).await;
        assert_eq!(without_date(&head), without_date(&first), "the same answer");
        assert_eq!(wire.rest().await, "the token has expired");
    }
    let (_other, head) = ask(&relay, &with(&keys.token(51))).await;
    assert_eq!(status(&head), 101, "another token is another matter");
    let expired = (AuthResult::Expired, 51);
    assert!(
        relay.stats().auth.contains(&expired),
        "{:?}",
        relay.stats().auth
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (_wire, head) = ask(&relay, &with(&token)).await;
    assert_eq!(status(&head), 101, "verified again");
}

/// A signature costs little, and the neighbours of one who guesses are to come in.
#[tokio::test(start_paused = true)]
async fn past_the_rate_of_refused_tokens_bad_ones_wait_and_good_ones_do_not() {
    let keys = keys(1);
    let relay = keys.relay();
    let knock = async |token: &str| {
        let client = dial_from(&relay, "203.0.113.7:1000");
        let (_, head) = Wire::request(client, &with(token)).await;
        status(&head)
    };
    let rate = relay.config().addresses.connects_per_minute_per_ip;
    for number in 0..rate {
        assert_eq!(knock(&format!("broken{number}")).await, 401);
    }
    assert_eq!(knock("broken").await, 429);
    assert_eq!(knock(&keys.token(60)).await, 101);
    let malformed = (AuthResult::Malformed, u64::from(rate) + 1);
    assert!(
        relay.stats().auth.contains(&malformed),
        "{:?}",
        relay.stats().auth
    );
}

#[tokio::test(start_paused = true)]
async fn keys_are_replaced_while_peers_stay_and_refusals_are_forgotten() {
    let (old, new) = (keys(1), keys(2));
    let relay = old.relay();
    let (mut ann, _) = ask(&relay, &with(&old.token(3_600))).await;
    let (_, head) = ask(&relay, &with(&new.token(3_600))).await;
    assert_eq!(status(&head), 401, "the key is not known yet");
    let replacement = AccessAuthorizer::with_clock(new.access.clone(), clock(START));
    relay.set_authorizer(replacement);
    let (_ben, head) = ask(&relay, &with(&new.token(3_600))).await;
    assert_eq!(status(&head), 101, "the same token from the same address");
    let (_, head) = ask(&relay, &with(&old.token(3_600))).await;
    assert_eq!(status(&head), 401);
    ann.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_caps_the_connections_of_its_subject() {
    let keys = keys(1);
    let relay = keys.relay();
    let mut claims = Claims::until(UnixTime::from_secs(START + 60));
    claims.subject = Some("ann".to_owned());
    claims.peers_max = Some(2);
    let token = keys.sign(claims);
    let (_first, _) = ask(&relay, &with(&token)).await;
    let (_second, head) = ask(&relay, &with(&token)).await;
    assert_eq!(status(&head), 101);
    let (_, head) = ask(&relay, &with(&token)).await;
    assert_eq!(status(&head), 429);
    assert_eq!(retry_after(&head), 30);
}

#[tokio::test(start_paused = true)]
async fn a_token_says_how_many_clients_a_topic_may_have_for_its_bearer() {
    let keys = keys(1);
    let relay = keys.relay();
    let token = |max: Option<u32>| {
        let mut claims = Claims::until(UnixTime::from_secs(START + 60));
        claims
            .clients_max
            .extend(max.map(|max| (TopicSet::All, max)));
        keys.sign(claims)
    };
    let mut wires = Vec::new();
    for max in [Some(2), Some(2), Some(2), Some(3), None] {
        let (mut wire, head) = ask(&relay, &with(&token(max))).await;
        assert_eq!(status(&head), 101);
        wire.subscribe("garden").await;
        wire.settle().await;
        wires.push(wire);
    }
    assert_eq!(relay.stats().subscriptions, 4);
    assert_eq!(relay.stats().topics_skipped, 1);
    // Who is not in is not heard, and whoever is in is, past its own number too.
    wires[2].publish("garden", 1).await;
    wires[2].settle().await;
    assert!(relay.stats().ignored.contains(&(Ignored::Full, 1)));
    wires[0].publish("garden", 2).await;
    for place in [0, 1, 3, 4] {
        let publish = wires[place].next().await.expect("a publish");
        assert_eq!(publish.json()["clients"], 4);
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_other_origins_are_refused_with_a_cause_of_their_own() {
    let access = Access {
        origins: Origins::new(["https://app.example.org"]).expect("an origin"),
        ..Access::default()
    };
    let relay = Relay::with_authorizer(Config::default(), AccessAuthorizer::new(access));
    let relay = relay.expect("valid settings");
    for (origin, expected) in [
        ("https://app.example.org", 101),
        ("https://evil.example", 403),
    ] {
        let (_wire, head) = ask(&relay, &upgrade("/", &[("Origin", origin)])).await;
        assert_eq!(status(&head), expected, "{origin}");
        assert_eq!(header(&head, "www-authenticate"), None);
    }
    let refusals = relay.stats().refusals;
    assert!(
        refusals.contains(&(RefusalCause::Origin, 1)),
        "{refusals:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_header_that_comes_twice_lets_nobody_in() {
    let keys = keys(1);
    let mut access = keys.access.clone();
    access.origins = Origins::new(["https://a.example"]).expect("an origin");
    let authorizer = AccessAuthorizer::with_clock(access, clock(START));
    let relay = Relay::with_authorizer(Config::default(), authorizer).expect("valid settings");
    let (good, origin) = (format!("Bearer {}", keys.token(60)), "https://a.example");
    for (headers, expected) in [
        (
            [
                ("Authorization", good.as_str()),
                ("Authorization", &good),
                ("Origin", origin),
            ],
            400,
        ),
        (
            [
                ("Authorization", &good),
                ("Authorization", "Basic YTpi"),
                ("Origin", origin),
            ],
            400,
        ),
        (
            [
                ("Authorization", &good),
                ("Origin", origin),
                ("Origin", origin),
            ],
            403,
        ),
        (
            [
                ("Authorization", &good),
                ("Origin", "https://\u{fc}.example"),
                ("X-A", "b"),
            ],
            403,
        ),
        (
            [("Authorization", &good), ("Origin", origin), ("X-A", "b")],
            101,
        ),
    ] {
        let (_wire, head) = ask(&relay, &upgrade("/", &headers)).await;
        assert_eq!(status(&head), expected, "{headers:?}");
    }
}

/// Whatever the order in which somebody writes it, and whether or not the relay asks for tokens.
#[tokio::test(start_paused = true)]
async fn a_token_beside_its_marker_is_never_sent_back() {
    let keys = keys(1);
    let token = keys.token(60);
    let open = common::relay(|_| {});
    for (relay, offered) in [
        (&keys.relay(), format!("signal-token, {token}")),
        (&open, format!("signal-token, {token}")),
        (&open, format!("{token}, signal-token")),
        (&open, format!("{token},chat,signal-token")),
    ] {
        let request = upgrade("/", &[("Sec-WebSocket-Protocol", &offered)]);
        let (_wire, head) = ask(relay, &request).await;
        assert_eq!(status(&head), 101, "{offered}");
        let chosen = header(&head, "sec-websocket-protocol");
        assert_eq!(chosen, Some("signal-token"), "{offered}");
        assert!(!head.contains(&token), "{head}");
    }
}

#[test]
fn an_authorizer_prints_no_key() {
    let key = NewKey::from_seed(Algorithm::Hs256, None, [7; 32]).private_jwk();
    let access = Access {
        tokens: Some(TokenVerifier::new(&key).expect("a key")),
        ..Access::default()
    };
    let printed = format!("{:?}", AccessAuthorizer::new(access));
    let parsed: Value = serde_json::from_str(&key).expect("JSON");
    let secret = parsed["k"].as_str().expect("a secret");
    assert!(
        !printed.contains(secret) && !printed.contains("7, 7"),
        "{printed}"
    );
}

/// The vectors that `signal-access` and the Worker are held to as well.
#[tokio::test(start_paused = true)]
async fn the_shared_vectors_are_judged_as_written() {
    let vectors = Vectors::read();
    assert!(vectors.rows.len() > 100);
    for row in &vectors.rows {
        check(row, &vectors.relays[&row.relay]).await;
    }
}

async fn check(row: &Row, policy: &Policy) {
    let (name, expected) = (&row.name, &row.expected);
    let relay = start(policy, row.now.unwrap_or(START));
    let (mut peer, head) = ask(&relay, &row.request()).await;
    assert_eq!(status(&head), expected.status, "{name}");
    let challenge = header(&head, "www-authenticate");
    assert_eq!(challenge, expected.challenge.as_deref(), "{name}");
    if expected.status != 101 {
        let error = expected.error.as_deref().unwrap_or_default();
        let result = (AuthResult::from_name(error), 1);
        let auth = relay.stats().auth;
        assert!(auth.contains(&result), "{name}: {auth:?}");
        return;
    }
    if let Some(protocol) = &expected.protocol {
        let chosen = header(&head, "sec-websocket-protocol");
        assert_eq!(chosen, Some(protocol.as_str()), "{name}");
    }
    let mut subscriptions = 0;
    for (topics, is_allowed) in [
        (&expected.may_subscribe, true),
        (&expected.may_not_subscribe, false),
    ] {
        for topic in topics {
            let message = serde_json::json!({"type": "subscribe", "topics": [topic]});
            peer.send(&message.to_string()).await;
            peer.settle().await;
            subscriptions += u64::from(is_allowed);
            assert_eq!(
                relay.stats().subscriptions,
                subscriptions,
                "{name}: {topic}"
            );
        }
    }
    let message = serde_json::json!({"type": "unsubscribe", "topics": expected.may_subscribe});
    peer.send(&message.to_string()).await;
    let mut ignored = 0;
    for (topics, is_allowed) in [
        (&expected.may_publish, true),
        (&expected.may_not_publish, false),
    ] {
        for topic in topics {
            let message = serde_json::json!({"type": "publish", "topic": topic});
            peer.send(&message.to_string()).await;
            peer.settle().await;
            ignored += u64::from(!is_allowed);
            let not_granted = (Ignored::NotGranted, ignored);
            assert!(
                relay.stats().ignored.contains(&not_granted),
                "{name}: {topic}"
            );
        }
    }
}

fn start(policy: &Policy, now: u64) -> Relay {
    // Some rows carry tokens that are too long.
    let config = common::config(|config| config.header_bytes_max = 64 * 1024);
    let authorizer = AccessAuthorizer::with_clock(policy.access(), clock(now));
    Relay::with_authorizer(config, authorizer).expect("valid settings")
}

/// A closure decides by what a token says, as an application may.
#[tokio::test(start_paused = true)]
async fn an_application_may_judge_by_the_claims_itself() {
    let keys = keys(1);
    let verifier = keys.access.tokens.clone().expect("a key");
    let now = clock(START);
    let judge = move |request: &UpgradeRequest<'_>| {
        let token = request
            .uri
            .query()
            .and_then(|query| query.strip_prefix("token="));
        let claims = verifier.verify(token.unwrap_or_default(), now());
        claims
            .map(|claims| signal_tokio::Grant::new(claims.subscribe, TopicSet::none()))
            .map_err(|error| signal_tokio::Refusal::new(401, error.to_string()))
    };
    let relay = Relay::with_authorizer(Config::default(), judge).expect("valid settings");
    let (mut ann, head) = ask(&relay, &with(&keys.token(60))).await;
    assert_eq!(status(&head), 101);
    ann.publish("t", 1).await;
    ann.settle().await;
    let not_granted = (Ignored::NotGranted, 1);
    assert!(relay.stats().ignored.contains(&not_granted));
}

//! Keys that an identity provider publishes: fetched, rotated, and withheld.

#![cfg(feature = "jwks")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{ask, header, status, upgrade};
use serde_json::{Value, json};
use signal_testwire::{Provider, Says};
use signal_tokio::signal_access::{
    Access, Algorithm, Claims, KeySchedule, NewKey, TokenSigner, TokenVerifier, UnixTime,
};
use signal_tokio::{Config, JwksAuthorizer, Relay, TopicSet};
use tokio::net::TcpListener;

/// It has these keys.
fn keys(ids: &[u8]) -> Says {
    let keys: Vec<Value> = ids.iter().copied().map(public).collect();
    Says::ok(&json!({ "keys": keys }).to_string())
}

/// It never answers.
fn silence() -> Says {
    Says::Hangs(Vec::new())
}

fn relay(provider: SocketAddr) -> Relay {
    let access = Access {
        tokens: Some(TokenVerifier::without_keys().with_issuer("https://id.example.org")),
        ..Access::default()
    };
    let url = format!("http://{provider}/jwks.json?v=1");
    let made = JwksAuthorizer::new(access, url.parse().expect("an address"));
    let (authorizer, fetcher) = made.expect("nothing of TLS");
    tokio::spawn(fetcher.run());
    Relay::with_authorizer(Config::default(), authorizer).expect("settings")
}

fn key(id: u8) -> NewKey {
    NewKey::from_seed(Algorithm::EdDsa, Some(&format!("key-{id}")), [id; 32])
}

fn public(id: u8) -> Value {
    let key = key(id).public_jwk().expect("a key pair");
    serde_json::from_str(&key).expect("JSON")
}

/// A token of the provider, signed with this key.
fn token(id: u8) -> String {
    let mut claims = Claims::until(UnixTime::from_secs(4_102_444_800));
    claims.issuer = Some("https://id.example.org".to_owned());
    claims.subscribe = TopicSet::All;
    let signer = TokenSigner::new(&key(id).private_jwk()).expect("a key");
    signer.sign(&claims).expect("claims")
}

/// Keeps time from moving by itself while the sockets of a test are busy: it moves when the test
/// says so.
struct Frozen(std::sync::mpsc::Sender<()>);

fn freeze() -> Frozen {
    tokio::time::pause();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    // The runtime lets no time pass while a thread of its own is at work.
    tokio::task::spawn_blocking(move || {
        let _ = receiver.recv();
    });
    Frozen(sender)
}

impl Frozen {
    async fn pass(&self, time: Duration) {
        let _still_there = &self.0;
        tokio::time::advance(time).await;
    }
}

async fn answered(relay: &Relay, token: &str) -> (u16, String) {
    let request = upgrade(&format!("/?token={token}"), &[]);
    let (_wire, head) = ask(relay, &request).await;
    (status(&head), head)
}

async fn readiness(relay: &Relay) -> u16 {
    let request = "GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n";
    let (_wire, head) = ask(relay, request).await;
    status(&head)
}

/// Lets the sockets do what they have to, and fires the timers that are due.
async fn settle() {
    std::thread::sleep(Duration::from_millis(1));
    tokio::time::advance(Duration::from_millis(1)).await;
}

/// Asks until the answer is this one.
async fn becomes(relay: &Relay, token: &str, expected: u16) {
    for _ in 0..2_000 {
        if answered(relay, token).await.0 == expected {
            return;
        }
        settle().await;
    }
    panic!("it does not become {expected}");
}

#[tokio::test]
async fn keys_are_fetched_at_the_start_and_tokens_wait_for_them() {
    let _time = freeze();
    let provider = Provider::start(keys(&[1, 2])).await;
    let relay = relay(provider.address);
    becomes(&relay, &token(1), 101).await;
    assert_eq!(answered(&relay, &token(2)).await.0, 101);
    assert_eq!(readiness(&relay).await, 200);
    assert_eq!(provider.requests().len(), 1);
    let request = provider.requests().remove(0);
    assert!(
        request.starts_with("GET /jwks.json?v=1 HTTP/1.1\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_known_with_the_first_token_of_it_and_an_old_one_goes() {
    let time = freeze();
    let provider = Provider::start(keys(&[1])).await;
    let relay = relay(provider.address);
    becomes(&relay, &token(1), 101).await;
    provider.now(keys(&[2]));
    // Peers come meanwhile: the one that brings the new key waits for it, the others do not.
    time.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
    let (old, new) = (token(1), token(2));
    let (first, second, third) = tokio::join!(
        answered(&relay, &old),
        answered(&relay, &new),
        answered(&relay, &new)
    );
    assert_eq!((first.0, second.0, third.0), (101, 101, 101));
    assert_eq!(provider.requests().len(), 2, "one fetch for all");
    assert_eq!(
        answered(&relay, &token(1)).await.0,
        401,
        "its key was withdrawn"
    );
}

#[tokio::test]
async fn tokens_of_unknown_keys_bring_one_fetch_in_ten_seconds_and_nobody_waits_for_it() {
    let time = freeze();
    let provider = Provider::start(keys(&[1])).await;
    let relay = relay(provider.address);
    becomes(&relay, &token(1), 101).await;
    for round in 1..4 {
        for _ in 0..20 {
            assert_eq!(answered(&relay, &token(9)).await.0, 401);
        }
        assert_eq!(provider.requests().len(), round);
        time.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
    }
    assert_eq!(answered(&relay, &token(1)).await.0, 101);
}

#[tokio::test]
async fn while_the_provider_was_never_there_the_door_is_shut() {
    let time = freeze();
    let gone = Provider::start(silence()).await.address;
    tokio::task::yield_now().await;
    let relay = relay(gone);
    becomes(&relay, &token(1), 503).await;
    let (_, head) = answered(&relay, &token(1)).await;
    assert!(header(&head, "retry-after").is_some(), "{head}");
    assert_eq!(readiness(&relay).await, 503);
    // It comes back, and with it the door opens by itself.
    let listener = TcpListener::bind(gone).await.expect("it is free again");
    let _provider = Provider::serve(listener, keys(&[1]));
    time.pass(KeySchedule::RETRY_INTERVAL_MAX).await;
    becomes(&relay, &token(1), 101).await;
    assert_eq!(readiness(&relay).await, 200);
}

#[tokio::test]
async fn keys_stay_in_use_whatever_the_provider_answers_later() {
    let time = freeze();
    let provider = Provider::start(keys(&[1])).await;
    let relay = relay(provider.address);
    becomes(&relay, &token(1), 101).await;
    let secret = NewKey::from_seed(Algorithm::Hs256, None, [9; 32]).private_jwk();
    let large = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(10 << 20));
    let more = [Says::ok(&secret), Says::ok(&large), silence()];
    let answers = Says::without_keys().into_iter().chain(more);
    for (count, answer) in (2..).zip(answers) {
        provider.now(answer.clone());
        time.pass(KeySchedule::REFRESH_INTERVAL).await;
        while provider.requests().len() < count {
            settle().await;
        }
        // Most answers are read by then.
        for _ in 0..20 {
            settle().await;
        }
        // A fetch that gets no answer ends by itself.
        time.pass(KeySchedule::FETCH_TIMEOUT).await;
        assert_eq!(answered(&relay, &token(1)).await.0, 101, "{answer:.200?}");
        assert_eq!(answered(&relay, &token(2)).await.0, 401, "{answer:.200?}");
    }
}

#[tokio::test]
async fn while_a_provider_is_slow_no_more_tokens_of_unknown_keys_wait_than_may() {
    let time = freeze();
    let provider = Provider::start(keys(&[1])).await;
    let relay = relay(provider.address);
    becomes(&relay, &token(1), 101).await;
    provider.now(silence());
    time.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
    let unknown = token(9);
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..=KeySchedule::WAITING_MAX {
        let (relay, unknown) = (relay.clone(), unknown.clone());
        asked.spawn(async move { answered(&relay, &unknown).await });
    }
    // Whichever comes last has its answer at once: the time stands still.
    let one = asked.join_next().await.expect("one of them");
    let (status, head) = one.expect("no panic");
    assert_eq!(status, 503, "{head}");
    assert!(header(&head, "retry-after").is_some(), "{head}");
    assert_eq!(answered(&relay, &unknown).await.0, 503);
    assert_eq!(answered(&relay, &token(1)).await.0, 101, "of a known key");
    time.pass(KeySchedule::FETCH_TIMEOUT).await;
    for _ in 0..2_000 {
        while let Some(answer) = asked.try_join_next() {
            let (status, head) = answer.expect("no panic");
            assert!([401, 503].contains(&status), "{head}");
        }
        if asked.is_empty() {
            return;
        }
        settle().await;
    }
    panic!("{} still wait", asked.len());
}

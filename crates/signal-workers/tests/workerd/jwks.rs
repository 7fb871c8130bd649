//! Keys that an identity provider publishes: fetched by the Worker, rotated, and withheld.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use signal_access::{Algorithm, Claims, KeySchedule, NewKey, TokenSigner, UnixTime};
use signal_core::TopicSet;
use signal_testwire::{Answer, Provider, Says, in_time, reserve_port};

use crate::front::upgrade;
use crate::server::{Workerd, get};
use crate::workerd;

const ISSUER: &str = "https://id.example.org";
/// So long no fetch takes, with what a busy machine adds.
const FETCH_IS_OVER: Duration = Duration::from_secs(7);

/// It has these keys.
fn keys(ids: &[u8]) -> Says {
    let keys: Vec<Value> = ids.iter().copied().map(public).collect();
    Says::ok(&json!({ "keys": keys }).to_string())
}

/// A Worker that takes the tokens of the provider there.
async fn worker(name: &str, provider: SocketAddr) -> Option<Arc<Workerd>> {
    let url = format!("http://{provider}/jwks.json?v=1");
    let variables = [("TOKEN_JWKS_URL", &*url), ("TOKEN_ISSUER", ISSUER)];
    workerd(name, &variables).await
}

fn key(id: u8) -> NewKey {
    NewKey::from_seed(Algorithm::EdDsa, Some(&format!("key-{id}")), [id; 32])
}

fn public(id: u8) -> Value {
    serde_json::from_str(&key(id).public_jwk().unwrap()).unwrap()
}

/// A token of the provider, signed with this key.
fn token(id: u8) -> String {
    token_of(ISSUER, id)
}

fn token_of(issuer: &str, id: u8) -> String {
    let mut claims = Claims::until(UnixTime::from_secs(4_102_444_800));
    claims.issuer = Some(issuer.to_owned());
    claims.subscribe = TopicSet::All;
    let signer = TokenSigner::new(&key(id).private_jwk()).unwrap();
    signer.sign(&claims).unwrap()
}

async fn shown(server: &Workerd, token: &str) -> Answer {
    upgrade(server, &format!("/?token={token}"), &[]).await
}

async fn ready(server: &Workerd) -> Answer {
    get(server.relay_port, "/readyz", &[]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_fetched_once_for_all_who_come_first() {
    let provider = Provider::start(keys(&[1, 2])).await;
    let Some(server) = worker("jwks-first", provider.address).await else {
        return;
    };
    let tokens: Vec<String> = [1, 2].into_iter().cycle().take(8).map(token).collect();
    let all = tokens.into_iter().map(|token| {
        let server = Arc::clone(&server);
        tokio::spawn(async move { shown(&server, &token).await.status })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), 101);
    }
    assert_eq!(provider.requests().len(), 1);
    let request = provider.requests().remove(0);
    assert!(
        request.starts_with("GET /jwks.json?v=1 HTTP/1.1\r\n"),
        "{request}"
    );
    assert_eq!(ready(&server).await.status, 200);
    let foreign = shown(&server, &token_of("https://other.example", 1)).await;
    assert_eq!(foreign.status, 401, "{foreign:?}");
    assert_eq!(upgrade(&server, "/", &[]).await.status, 401);
    let log = server.log();
    for line in [
        r#"{"event":"start","who_may_come_in":"tokens of keys that are fetched, issuer https://id.example.org, without an audience"}"#,
        r#"{"event":"keys","keys":2}"#,
    ] {
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_known_with_its_first_token_and_an_old_one_goes() {
    let provider = Provider::start(keys(&[1])).await;
    let Some(server) = worker("jwks-rotation", provider.address).await else {
        return;
    };
    assert_eq!(shown(&server, &token(1)).await.status, 101);
    provider.now(keys(&[2]));
    assert_eq!(shown(&server, &token(2)).await.status, 401, "just fetched");
    server.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
    assert_eq!(shown(&server, &token(2)).await.status, 101);
    let old = shown(&server, &token(1)).await;
    assert_eq!(old.status, 401, "its key was withdrawn: {old:?}");
    assert_eq!(provider.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_unknown_keys_bring_one_fetch_in_ten_seconds() {
    let provider = Provider::start(keys(&[1])).await;
    let Some(server) = worker("jwks-unknown", provider.address).await else {
        return;
    };
    assert_eq!(shown(&server, &token(1)).await.status, 101);
    for round in 1..4 {
        for _ in 0..6 {
            let answer = shown(&server, &token(9)).await;
            assert_eq!(answer.status, 401, "{answer:?}");
        }
        assert_eq!(provider.requests().len(), round);
        server.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
    }
    assert_eq!(shown(&server, &token(1)).await.status, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_use_are_fetched_anew_while_nobody_waits_and_after_a_pause_before_they_count() {
    let provider = Provider::start(keys(&[1])).await;
    let Some(server) = worker("jwks-refresh", provider.address).await else {
        return;
    };
    assert_eq!(shown(&server, &token(1)).await.status, 101);

    provider.now(Says::Hangs(Vec::new()));
    server.pass(KeySchedule::REFRESH_INTERVAL).await;
    let mut waits = Vec::new();
    // A busy machine may be slow once; one that waits is slow each time.
    for _ in 0..3 {
        let start = std::time::Instant::now();
        assert_eq!(shown(&server, &token(1)).await.status, 101);
        waits.push(start.elapsed());
        if start.elapsed() < KeySchedule::FETCH_TIMEOUT {
            break;
        }
        server.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
    }
    let least = waits.iter().min().unwrap();
    assert!(*least < KeySchedule::FETCH_TIMEOUT, "{waits:?}");
    let is_asked = || async { provider.requests().len() > 1 };
    assert!(in_time(is_asked).await, "nobody fetches");

    // Nobody has come for an hour, and the key was withdrawn meanwhile.
    provider.now(keys(&[2]));
    server.pass(Duration::from_secs(3_600)).await;
    assert_eq!(shown(&server, &token(1)).await.status, 401);
    assert_eq!(shown(&server, &token(2)).await.status, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_provider_was_never_there_the_door_is_shut() {
    let (reserved, port) = reserve_port();
    let address = ([127, 0, 0, 1], port).into();
    let Some(server) = worker("jwks-down", address).await else {
        return;
    };
    let answer = shown(&server, &token(1)).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("5"));
    let sentence = signal_access::TokenError::NoKeys.to_string();
    assert_eq!(answer.body, sentence);
    let page = ready(&server).await;
    assert_eq!(
        (page.status, &*page.body),
        (503, r#"{"ready":false,"reason":"no_keys"}"#)
    );
    assert_eq!(upgrade(&server, "/", &[]).await.status, 401);
    let log = server.log();
    assert!(
        log.contains("every token is refused until they are fetched"),
        "{log}"
    );
    assert_eq!(server.wakes(), 0, "{log}");

    let listener = reserved.listen(16).unwrap();
    let provider = Provider::serve(listener, keys(&[1]));
    server.pass(KeySchedule::RETRY_INTERVAL_MAX).await;
    assert_eq!(shown(&server, &token(1)).await.status, 101);
    assert_eq!(ready(&server).await.status, 200);
    assert_eq!(provider.requests().len(), 1);
}

/// Answers that hold no keys, whatever else they hold.
fn useless() -> Vec<Says> {
    let secret = NewKey::from_seed(Algorithm::Hs256, None, [9; 32]).private_jwk();
    let large = json!({ "keys": [public(2)], "x": "x".repeat(2 << 20) }).to_string();
    let endless = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}",
        format!("4000\r\n{}\r\n", " ".repeat(0x4000)).repeat(128)
    );
    let not_text = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n",
        &b"\xff\xfe{}"[..],
    ]
    .concat();
    let more = [
        Says::ok(&secret),
        Says::ok(&large),
        Says::Hangs(endless.into()),
        Says::Bytes(not_text),
    ];
    Says::without_keys().into_iter().chain(more).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_stay_in_use_whatever_the_provider_answers_later() {
    let provider = Provider::start(keys(&[1])).await;
    let Some(server) = worker("jwks-later", provider.address).await else {
        return;
    };
    assert_eq!(shown(&server, &token(1)).await.status, 101);
    for (count, says) in (1..).zip(useless()) {
        provider.now(says.clone());
        server.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
        // It waits until the fetch has failed.
        assert_eq!(shown(&server, &token(2)).await.status, 401, "{says:.200?}");
        assert_eq!(shown(&server, &token(1)).await.status, 101, "{says:.200?}");
        assert!(provider.requests().len() > count, "{says:.200?}");
    }
    let log = server.log();
    for reason in [
        "it answers with 500; those fetched last stay in use",
        "it answers with a redirect (302), which is not followed",
        "its answer is longer than 256 KiB",
        "its answer is not text",
        "its answer cannot be used: ",
    ] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_in_by_what_holds_no_keys() {
    let provider = Provider::start(Says::Bytes(Vec::new())).await;
    let Some(server) = worker("jwks-useless", provider.address).await else {
        return;
    };
    for says in useless() {
        provider.now(says.clone());
        server.pass(KeySchedule::RETRY_INTERVAL_MAX).await;
        let answer = shown(&server, &token(2)).await;
        assert_eq!(answer.status, 503, "{says:.200?}");
    }
    provider.now(keys(&[2]));
    server.pass(KeySchedule::RETRY_INTERVAL_MAX).await;
    assert_eq!(shown(&server, &token(2)).await.status, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_answers_slowly_or_never_is_given_up() {
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"keys\":[".to_vec();
    for (name, says) in [
        ("jwks-silent", Says::Hangs(Vec::new())),
        ("jwks-slow", Says::Hangs(begun)),
    ] {
        let provider = Provider::start(says).await;
        let Some(server) = worker(name, provider.address).await else {
            return;
        };
        let waits = tokio::time::timeout(3 * FETCH_IS_OVER, shown(&server, &token(1))).await;
        assert_eq!(waits.expect("an answer in time").status, 503, "{name}");
        let said = "it did not answer within 5 seconds";
        assert!(server.log().contains(said), "{}", server.log());
        // A client that does not wait for it leaves nothing undone.
        provider.now(keys(&[1]));
        server.pass(KeySchedule::RETRY_INTERVAL_MAX).await;
        assert_eq!(shown(&server, &token(1)).await.status, 101, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_whose_client_has_left_keeps_nobody_waiting() {
    let provider = Provider::start(Says::Hangs(Vec::new())).await;
    let Some(server) = worker("jwks-left", provider.address).await else {
        return;
    };
    let token = token(1);
    let hurried = shown(&server, &token);
    let is_asked = || async { provider.requests().len() == 1 };
    tokio::select! {
        answer = hurried => panic!("{answer:?}"),
        asked = in_time(is_asked) => assert!(asked),
    }
    // What is on its way is given up after its time, and the next begins.
    provider.now(keys(&[1]));
    let comes_in = || async {
        server.pass(KeySchedule::RETRY_INTERVAL_MAX).await;
        shown(&server, &token).await.status == 101
    };
    assert!(in_time(comes_in).await, "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_cannot_be_used_lets_nobody_in() {
    let key = key(1).public_jwk().unwrap();
    for (name, url, keys, said) in [
        (
            "both",
            "https://id.example/keys",
            Some(&*key),
            "both set; the keys of tokens come from one place",
        ),
        (
            "plain",
            "http://id.example/keys?secret",
            None,
            "write https",
        ),
        (
            "empty",
            " ",
            None,
            "TOKEN_JWKS_URL is empty; write the address",
        ),
        ("relative", "/jwks.json", None, "not an address of the form"),
    ] {
        let mut variables = vec![("TOKEN_JWKS_URL", url)];
        variables.extend(keys.map(|keys| ("TOKEN_KEYS", keys)));
        let Some(server) = workerd(&format!("jwks-set-{name}"), &variables).await else {
            return;
        };
        assert_eq!(upgrade(&server, "/", &[]).await.status, 500, "{name}");
        let log = server.log();
        assert!(log.contains(said) && !log.contains("secret"), "{log}");
    }
}

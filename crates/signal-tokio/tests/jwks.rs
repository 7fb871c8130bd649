//! Keys that an identity provider publishes: fetched, rotated, and withheld.

#![cfg(feature = "jwks")]

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{ask, header, status, upgrade};
use serde_json::{Value, json};
use signal_tokio::signal_access::{
    Access, Algorithm, Claims, KeySchedule, NewKey, TokenSigner, TokenVerifier, UnixTime,
};
use signal_tokio::{Config, JwksAuthorizer, Relay, TopicSet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the provider does with a request.
#[derive(Clone, Debug)]
enum Answer {
    /// It has these keys.
    Keys(Vec<u8>),
    /// These bytes, whatever they are.
    Bytes(Vec<u8>),
    /// It never answers.
    Silence,
}

/// An identity provider on a port of this machine.
struct Provider {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Provider {
    async fn start(answer: Answer) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), answer).await
    }

    async fn start_at(address: SocketAddr, answer: Answer) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let answer = Arc::new(Mutex::new(answer));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (said, heard) = (Arc::clone(&answer), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = said.lock().expect("no panic").clone();
                tokio::spawn(respond(stream, answer, Arc::clone(&heard)));
            }
        });
        Self {
            address,
            answer,
            requests,
            task,
        }
    }

    fn now(&self, answer: Answer) {
        *self.answer.lock().expect("no panic") = answer;
    }

    fn requests(&self) -> usize {
        self.requests.lock().expect("no panic").len()
    }

    /// A relay that takes its tokens.
    fn relay(&self) -> Relay {
        relay(self.address)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond(mut stream: TcpStream, answer: Answer, requests: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).expect("a head of ours");
    requests.lock().expect("no panic").push(head);
    let bytes = match answer {
        Answer::Bytes(bytes) => bytes,
        Answer::Keys(ids) => {
            let keys: Vec<Value> = ids.into_iter().map(public).collect();
            ok(&json!({ "keys": keys }).to_string())
        }
        Answer::Silence => std::future::pending().await,
    };
    // The relay may have gone already.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
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
    let provider = Provider::start(Answer::Keys(vec![1, 2])).await;
    let relay = provider.relay();
    becomes(&relay, &token(1), 101).await;
    assert_eq!(answered(&relay, &token(2)).await.0, 101);
    assert_eq!(readiness(&relay).await, 200);
    assert_eq!(provider.requests(), 1);
    let request = provider.requests.lock().expect("no panic")[0].clone();
    assert!(
        request.starts_with("GET /jwks.json?v=1 HTTP/1.1\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_known_with_the_first_token_of_it_and_an_old_one_goes() {
    let time = freeze();
    let provider = Provider::start(Answer::Keys(vec![1])).await;
    let relay = provider.relay();
    becomes(&relay, &token(1), 101).await;
    provider.now(Answer::Keys(vec![2]));
    // Peers come meanwhile: the one that brings the new key waits for it, the others do not.
    time.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
    let (old, new) = (token(1), token(2));
    let (first, second, third) = tokio::join!(
        answered(&relay, &old),
        answered(&relay, &new),
        answered(&relay, &new)
    );
    assert_eq!((first.0, second.0, third.0), (101, 101, 101));
    assert_eq!(provider.requests(), 2, "one fetch for all");
    assert_eq!(
        answered(&relay, &token(1)).await.0,
        401,
        "its key was withdrawn"
    );
}

#[tokio::test]
async fn tokens_of_unknown_keys_bring_one_fetch_in_ten_seconds_and_nobody_waits_for_it() {
    let time = freeze();
    let provider = Provider::start(Answer::Keys(vec![1])).await;
    let relay = provider.relay();
    becomes(&relay, &token(1), 101).await;
    for round in 1..4 {
        for _ in 0..20 {
            assert_eq!(answered(&relay, &token(9)).await.0, 401);
        }
        assert_eq!(provider.requests(), round);
        time.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
    }
    assert_eq!(answered(&relay, &token(1)).await.0, 101);
}

#[tokio::test]
async fn while_the_provider_was_never_there_the_door_is_shut() {
    let time = freeze();
    let gone = Provider::start(Answer::Silence).await.address;
    tokio::task::yield_now().await;
    let relay = relay(gone);
    becomes(&relay, &token(1), 503).await;
    let (_, head) = answered(&relay, &token(1)).await;
    assert!(header(&head, "retry-after").is_some(), "{head}");
    assert_eq!(readiness(&relay).await, 503);
    // It comes back, and with it the door opens by itself.
    let _provider = Provider::start_at(gone, Answer::Keys(vec![1])).await;
    time.pass(KeySchedule::RETRY_INTERVAL_MAX).await;
    becomes(&relay, &token(1), 101).await;
    assert_eq!(readiness(&relay).await, 200);
}

#[tokio::test]
async fn keys_stay_in_use_whatever_the_provider_answers_later() {
    let time = freeze();
    let provider = Provider::start(Answer::Keys(vec![1])).await;
    let relay = provider.relay();
    becomes(&relay, &token(1), 101).await;
    let secret = NewKey::from_seed(Algorithm::Hs256, None, [9; 32]).private_jwk();
    let large = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(10 << 20));
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"keys\":[";
    let answers = [
        Answer::Bytes(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec()),
        Answer::Bytes(redirect.into()),
        Answer::Bytes(cut.into()),
        Answer::Bytes(b"\x16\x03\x01garbage that is not HTTP\r\n\r\n".to_vec()),
        Answer::Bytes(Vec::new()),
        Answer::Bytes(ok("")),
        Answer::Bytes(ok("<html>sign in</html>")),
        Answer::Bytes(ok(r#"{"keys":[]}"#)),
        Answer::Bytes(ok(&secret)),
        Answer::Bytes(ok(&large)),
        Answer::Silence,
    ];
    for (count, answer) in (2..).zip(answers) {
        provider.now(answer.clone());
        time.pass(KeySchedule::REFRESH_INTERVAL).await;
        while provider.requests() < count {
            settle().await;
        }
        // Most answers are read by then.
        for _ in 0..20 {
            settle().await;
        }
        // A fetch that gets no answer ends by itself.
        time.pass(KeySchedule::FETCH_TIMEOUT).await;
        assert_eq!(answered(&relay, &token(1)).await.0, 101, "{answer:?}");
        assert_eq!(answered(&relay, &token(2)).await.0, 401, "{answer:?}");
    }
}

#[tokio::test]
async fn while_a_provider_is_slow_no_more_tokens_of_unknown_keys_wait_than_may() {
    let time = freeze();
    let provider = Provider::start(Answer::Keys(vec![1])).await;
    let relay = provider.relay();
    becomes(&relay, &token(1), 101).await;
    provider.now(Answer::Silence);
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

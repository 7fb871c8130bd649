//! Keys that an identity provider publishes: fetched by the Worker, rotated, and withheld.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use signal_access::{Algorithm, Claims, KeySchedule, NewKey, TokenSigner, UnixTime};
use signal_core::TopicSet;
use signal_testwire::{Answer, in_time};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::front::upgrade;
use crate::server::{Workerd, get, reserve_port};
use crate::workerd;

const ISSUER: &str = "https://id.example.org";
/// So long no fetch takes, with what a busy machine adds.
const FETCH_IS_OVER: Duration = Duration::from_secs(7);

/// What the provider does with a request.
#[derive(Clone, Debug)]
enum Says {
    /// It has these keys.
    Keys(Vec<u8>),
    /// These bytes, whatever they are.
    Bytes(Vec<u8>),
    /// These bytes, and then neither more nor an end.
    Hangs(Vec<u8>),
}

/// An identity provider on a port of this machine.
struct Provider {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Provider {
    async fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, says)
    }

    fn serve(listener: TcpListener, says: Says) -> Self {
        let address = listener.local_addr().unwrap();
        let says = Arc::new(Mutex::new(says));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (said, heard) = (Arc::clone(&says), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(respond(stream, Arc::clone(&said), Arc::clone(&heard)));
            }
        });
        Self {
            address,
            says,
            requests,
            task,
        }
    }

    fn now(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// A Worker that takes its tokens.
    async fn worker(&self, name: &str) -> Option<Arc<Workerd>> {
        worker(name, self.address).await
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn worker(name: &str, provider: SocketAddr) -> Option<Arc<Workerd>> {
    let url = format!("http://{provider}/jwks.json?v=1");
    let variables = [("TOKEN_JWKS_URL", &*url), ("TOKEN_ISSUER", ISSUER)];
    workerd(name, &variables).await
}

/// Answers the requests of one connection.
async fn respond(mut stream: TcpStream, says: Arc<Mutex<Says>>, requests: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    requests
        .lock()
        .unwrap()
        .push(String::from_utf8(head).unwrap());
    let says = says.lock().unwrap().clone();
    let bytes = match &says {
        Says::Bytes(bytes) | Says::Hangs(bytes) => bytes.clone(),
        Says::Keys(ids) => {
            let keys: Vec<Value> = ids.iter().copied().map(public).collect();
            ok(&json!({ "keys": keys }).to_string())
        }
    };
    // The Worker may have gone already.
    let _ = stream.write_all(&bytes).await;
    if matches!(says, Says::Hangs(_)) {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}

fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
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
    let provider = Provider::start(Says::Keys(vec![1, 2])).await;
    let Some(server) = provider.worker("jwks-first").await else {
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
    assert_eq!(provider.requests(), 1);
    let request = provider.requests.lock().unwrap()[0].clone();
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
    let provider = Provider::start(Says::Keys(vec![1])).await;
    let Some(server) = provider.worker("jwks-rotation").await else {
        return;
    };
    assert_eq!(shown(&server, &token(1)).await.status, 101);
    provider.now(Says::Keys(vec![2]));
    assert_eq!(shown(&server, &token(2)).await.status, 401, "just fetched");
    server.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
    assert_eq!(shown(&server, &token(2)).await.status, 101);
    let old = shown(&server, &token(1)).await;
    assert_eq!(old.status, 401, "its key was withdrawn: {old:?}");
    assert_eq!(provider.requests(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_unknown_keys_bring_one_fetch_in_ten_seconds() {
    let provider = Provider::start(Says::Keys(vec![1])).await;
    let Some(server) = provider.worker("jwks-unknown").await else {
        return;
    };
    assert_eq!(shown(&server, &token(1)).await.status, 101);
    for round in 1..4 {
        for _ in 0..6 {
            let answer = shown(&server, &token(9)).await;
            assert_eq!(answer.status, 401, "{answer:?}");
        }
        assert_eq!(provider.requests(), round);
        server.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
    }
    assert_eq!(shown(&server, &token(1)).await.status, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_use_are_fetched_anew_while_nobody_waits_and_after_a_pause_before_they_count() {
    let provider = Provider::start(Says::Keys(vec![1])).await;
    let Some(server) = provider.worker("jwks-refresh").await else {
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
    let is_asked = || async { provider.requests() > 1 };
    assert!(in_time(is_asked).await, "nobody fetches");

    // Nobody has come for an hour, and the key was withdrawn meanwhile.
    provider.now(Says::Keys(vec![2]));
    server.pass(Duration::from_secs(3_600)).await;
    assert_eq!(shown(&server, &token(1)).await.status, 401);
    assert_eq!(shown(&server, &token(2)).await.status, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_provider_was_never_there_the_door_is_shut() {
    let reserved = reserve_port();
    let address = reserved.local_addr().unwrap();
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
    let provider = Provider::serve(listener, Says::Keys(vec![1]));
    server.pass(KeySchedule::RETRY_INTERVAL_MAX).await;
    assert_eq!(shown(&server, &token(1)).await.status, 101);
    assert_eq!(ready(&server).await.status, 200);
    assert_eq!(provider.requests(), 1);
}

/// Answers that hold no keys, whatever else they hold.
fn useless() -> Vec<Says> {
    let secret = NewKey::from_seed(Algorithm::Hs256, None, [9; 32]).private_jwk();
    let large = json!({ "keys": [public(2)], "x": "x".repeat(2 << 20) }).to_string();
    let endless = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}",
        format!("4000\r\n{}\r\n", " ".repeat(0x4000)).repeat(128)
    );
    let redirect = "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"keys\":[";
    vec![
        Says::Bytes(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec()),
        Says::Bytes(redirect.into()),
        Says::Bytes(cut.into()),
        Says::Bytes(b"\x16\x03\x01garbage that is not HTTP\r\n\r\n".to_vec()),
        Says::Bytes(Vec::new()),
        Says::Bytes(ok("")),
        Says::Bytes(ok("<html>sign in</html>")),
        Says::Bytes(ok(r#"{"keys":[]}"#)),
        Says::Bytes(ok(&secret)),
        Says::Bytes(ok(&large)),
        Says::Hangs(endless.into()),
        Says::Bytes(
            [
                &b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"[..],
                b"\xff\xfe{}",
            ]
            .concat(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_stay_in_use_whatever_the_provider_answers_later() {
    let provider = Provider::start(Says::Keys(vec![1])).await;
    let Some(server) = provider.worker("jwks-later").await else {
        return;
    };
    assert_eq!(shown(&server, &token(1)).await.status, 101);
    for (count, says) in (1..).zip(useless()) {
        provider.now(says.clone());
        server.pass(KeySchedule::UNKNOWN_KEY_INTERVAL).await;
        // It waits until the fetch has failed.
        assert_eq!(shown(&server, &token(2)).await.status, 401, "{says:.200?}");
        assert_eq!(shown(&server, &token(1)).await.status, 101, "{says:.200?}");
        assert!(provider.requests() > count, "{says:.200?}");
    }
    let log = server.log();
    for reason in [
        "it answers with 500; those fetched last stay in use",
        "it answers with a redirect (302), which is not followed",
        "its answer is longer than 64 KiB",
        "its answer is not text",
        "its answer cannot be used: ",
    ] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_in_by_what_holds_no_keys() {
    let provider = Provider::start(Says::Bytes(Vec::new())).await;
    let Some(server) = provider.worker("jwks-useless").await else {
        return;
    };
    for says in useless() {
        provider.now(says.clone());
        server.pass(KeySchedule::RETRY_INTERVAL_MAX).await;
        let answer = shown(&server, &token(2)).await;
        assert_eq!(answer.status, 503, "{says:.200?}");
    }
    provider.now(Says::Keys(vec![2]));
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
        let Some(server) = provider.worker(name).await else {
            return;
        };
        let waits = tokio::time::timeout(3 * FETCH_IS_OVER, shown(&server, &token(1))).await;
        assert_eq!(waits.expect("an answer in time").status, 503, "{name}");
        let said = "it did not answer within 5 seconds";
        assert!(server.log().contains(said), "{}", server.log());
        // A client that does not wait for it leaves nothing undone.
        provider.now(Says::Keys(vec![1]));
        server.pass(KeySchedule::RETRY_INTERVAL_MAX).await;
        assert_eq!(shown(&server, &token(1)).await.status, 101, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_whose_client_has_left_keeps_nobody_waiting() {
    let provider = Provider::start(Says::Hangs(Vec::new())).await;
    let Some(server) = provider.worker("jwks-left").await else {
        return;
    };
    let token = token(1);
    let hurried = shown(&server, &token);
    let is_asked = || async { provider.requests() == 1 };
    tokio::select! {
        answer = hurried => panic!("{answer:?}"),
        asked = in_time(is_asked) => assert!(asked),
    }
    // What is on its way is given up after its time, and the next begins.
    provider.now(Says::Keys(vec![1]));
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

//! Webhooks: what is sent, signed how, and that a server that fails or hangs harms nobody.

#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use base64ct::{Base64, Encoding};
use common::folder::{Folder, mint, new_key};
use common::{PATIENCE, Peer, Relay, run};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A request as the server of a webhook got it.
#[derive(Debug)]
struct Sent {
    head: String,
    body: String,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        signal_testwire::header(&self.head, name).unwrap_or_else(|| panic!("{name}: {self:?}"))
    }

    /// The signature is right, and so is the time.
    fn verify(&self) {
        self.verify_with(KEY);
    }

    fn verify_with(&self, key: &[u8]) {
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        assert!(id.starts_with("msg_") && id.len() == 36, "{id}");
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
        mac.update(format!("{id}.{timestamp}.{}", self.body).as_bytes());
        let signature = format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()));
        assert_eq!(self.header("webhook-signature"), signature);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let age = now.expect("after 1970").as_secs() - timestamp.parse::<u64>().expect("a time");
        assert!(age < 300, "{age} s old");
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// A server that answers each request with what `answer` says, or not at all.
struct Hook {
    address: SocketAddr,
    sent: Receiver<Sent>,
}

impl Hook {
    fn start(answer: impl FnMut(usize) -> Option<&'static str> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (sender, sent) = channel();
        std::thread::spawn(move || serve(&listener, &sender, answer));
        Self { address, sent }
    }

    fn next(&self) -> Sent {
        self.sent.recv_timeout(PATIENCE).expect("a batch, in time")
    }

    /// Events of as many batches as it takes to see this many of them.
    fn events(&self, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        while events.len() < count {
            let sent = self.next();
            sent.verify();
            let json = sent.json();
            assert_eq!(json["dropped"], 0, "{json}");
            let more = json["events"].as_array().expect("events").clone();
            assert!(!more.is_empty() && more.len() <= 100, "{json}");
            events.extend(more);
        }
        events
    }
}

fn serve(
    listener: &TcpListener,
    sent: &Sender<Sent>,
    mut answer: impl FnMut(usize) -> Option<&'static str>,
) {
    let mut hanging = Vec::new();
    for number in 0.. {
        let Ok((mut stream, _)) = listener.accept() else {
            return;
        };
        let Some(request) = read(&mut stream) else {
            continue;
        };
        if sent.send(request).is_err() {
            return;
        }
        match answer(number) {
            Some(status) => {
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes());
            }
            None => hanging.push(stream),
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Sent> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = signal_testwire::header(head, "content-length")?;
            if body.len() >= length.parse().ok()? {
                let (head, body) = (head.to_owned(), body.to_owned());
                return Some(Sent { head, body });
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(more) => bytes.extend_from_slice(&piece[..more]),
        }
    }
}

fn start(folder: &Folder, hook: &Hook, arguments: &[&str]) -> Relay {
    let url = format!("http://{}/hook?key=1", hook.address);
    let secret = folder.write("secret", &format!("{SECRET}\n"));
    let hook = ["--webhook-url", &url, "--webhook-secret-file", &secret];
    let admin = ["--admin-listen", "127.0.0.1:0"];
    Relay::start(&[&hook[..], &admin, arguments].concat())
}

/// An event without its time, which is checked to be one of today.
fn timeless(event: &Value) -> Value {
    let mut event = event.clone();
    let at = event.as_object_mut().expect("an object").remove("at");
    let at = at.and_then(|at| at.as_u64()).expect("a time");
    assert!(
        (1_700_000_000_000..10_000_000_000_000).contains(&at),
        "{at}"
    );
    event
}

/// Waits until the metrics have this line.
async fn until_counted(relay: &Relay, line: &str) {
    let address = relay.listening["admin"]
        .as_str()
        .expect("an address")
        .to_owned();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
    signal_testwire::until(line, || {
        let metrics = signal_testwire::ask(&address, &request).body;
        std::future::ready(metrics.lines().any(|it| it == line))
    })
    .await;
}

#[tokio::test]
async fn topics_and_peers_are_told_in_order_and_signed() {
    let folder = Folder::new("webhook");
    let hook = Hook::start(|_| Some("204 No Content"));
    let keys = new_key(&folder, "tokens", &[]);
    let relay = start(&folder, &hook, &["--token-key-file", &keys]);
    let token = mint(
        &keys,
        &["--topics", "*", "--expires", "1h", "--subject", "ann/ü"],
    );
    let mut ann = Peer::connect(&format!("{}/?token={token}", relay.url())).await;
    ann.ping().await;
    let token = mint(&keys, &["--topics", "*", "--expires", "1h"]);
    let mut ben = Peer::connect(&format!("{}/?token={token}", relay.url())).await;
    ben.ping().await;
    ann.subscribe("room \"1\" 💥").await;
    ben.subscribe("room \"1\" 💥").await;
    ann.send(json!({"type": "unsubscribe", "topics": ["room \"1\" 💥"]}))
        .await;
    ann.ping().await;
    drop(ben);
    // The topic is told to be empty before its peer to be gone.
    let events: Vec<_> = hook.events(5).iter().map(timeless).collect();
    let (ann_id, ben_id) = (events[0]["peer"].clone(), events[1]["peer"].clone());
    assert_ne!(ann_id, ben_id);
    let topic = "room \"1\" 💥";
    assert_eq!(
        events,
        [
            json!({"type": "peer_in", "peer": ann_id, "subject": "ann/ü"}),
            json!({"type": "peer_in", "peer": ben_id, "subject": null}),
            json!({"type": "topic_opened", "topic": topic}),
            json!({"type": "topic_emptied", "topic": topic}),
            json!({"type": "peer_out", "peer": ben_id, "subject": null}),
        ]
    );
    drop(ann);
    let out = hook.events(1).iter().map(timeless).collect::<Vec<_>>();
    assert_eq!(
        out,
        [json!({"type": "peer_out", "peer": ann_id, "subject": "ann/ü"})]
    );
    until_counted(&relay, "signal_webhook_events_total{result=\"sent\"} 6").await;
}

#[tokio::test]
async fn a_batch_that_fails_comes_again_with_its_id() {
    let folder = Folder::new("webhook-again");
    let hook = Hook::start(|number| {
        Some(["500 Internal Server Error", "302 Found", "200 OK"][number.min(2)])
    });
    let relay = start(&folder, &hook, &["--webhook-events", "topic_opened"]);
    let mut peer = relay.connect().await;
    peer.subscribe("t").await;
    let attempts = [hook.next(), hook.next(), hook.next()];
    for attempt in &attempts {
        attempt.verify();
        assert_eq!(
            attempt.header("webhook-id"),
            attempts[0].header("webhook-id")
        );
        assert_eq!(attempt.body, attempts[0].body);
        assert!(
            attempt.head.starts_with("POST /hook?key=1 HTTP/1.1\r\n"),
            "{attempt:?}"
        );
        assert_eq!(attempt.header("content-type"), "application/json");
    }
    let line = relay.until_logged("will be sent again");
    assert_eq!(line["host"], "127.0.0.1");
    assert!(!line.to_string().contains("key=1"), "{line}");
    until_counted(&relay, "signal_webhook_events_total{result=\"sent\"} 1").await;
    peer.subscribe("u").await;
    let next = hook.next();
    assert_ne!(next.header("webhook-id"), attempts[0].header("webhook-id"));
}

#[tokio::test]
async fn a_server_that_hangs_delays_no_peer_and_holds_no_end_up() {
    let folder = Folder::new("webhook-hangs");
    let hook = Hook::start(|_| None);
    let relay = start(&folder, &hook, &["--drain-seconds", "1"]);
    let (mut ann, mut ben) = (relay.connect().await, relay.connect().await);
    ann.subscribe("t").await;
    ben.subscribe("t").await;
    hook.next();
    // While it waits for an answer.
    for number in 0..20 {
        ann.publish("t", json!(number)).await;
        assert_eq!(ben.receive().await["data"], number);
    }
    drop((ann, ben));
    let begun = Instant::now();
    relay.terminate();
    let (code, log) = relay.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert!(
        log.contains("could not be sent to the webhook in time"),
        "{log}"
    );
}

#[tokio::test]
async fn the_end_of_the_relay_is_told_of_too() {
    let folder = Folder::new("webhook-end");
    let hook = Hook::start(|_| Some("200 OK"));
    let relay = start(
        &folder,
        &hook,
        &["--drain-seconds", "1", "--webhook-events", "peer_out"],
    );
    let mut peer = relay.connect().await;
    peer.ping().await;
    relay.terminate();
    assert_eq!(peer.closed().await, Some(1012));
    drop(peer);
    assert_eq!(hook.events(1)[0]["type"], "peer_out");
    assert_eq!(relay.wait().0, Some(0));
}

#[tokio::test]
async fn refusals_are_told_of_as_sums() {
    let folder = Folder::new("webhook-refused");
    let hook = Hook::start(|_| Some("200 OK"));
    let origins = [
        "--origins",
        "https://app.example",
        "--webhook-events",
        "refused",
        "--drain-seconds",
        "1",
    ];
    let relay = start(&folder, &hook, &origins);
    let upgrade = signal_testwire::upgrade("/", &[("Origin", "https://evil.example")]);
    for _ in 0..3 {
        assert_eq!(signal_testwire::ask(relay.address(), &upgrade).status, 403);
    }
    // They are counted every ten seconds, and at the end.
    relay.terminate();
    let mut count = 0;
    while count < 3 {
        for event in hook.events(1) {
            assert_eq!(
                (&event["type"], &event["cause"]),
                (&json!("refused"), &json!("origin"))
            );
            count += event["count"].as_u64().expect("a count");
        }
    }
    assert_eq!(count, 3);
    assert_eq!(relay.wait().0, Some(0));
}

#[test]
fn what_cannot_be_used_stops_the_start() {
    let folder = Folder::new("webhook-mistakes");
    let good = folder.write("good", SECRET);
    let short = folder.write("short", "whsec_c2hvcnQ=");
    let plain = folder.write("plain", "0123456789abcdef0123456789abcdef");
    let missing = folder.path("missing");
    let url = "https://app.example/hook";
    for (arguments, said) in [
        (&["--webhook-url", url][..], "events are signed"),
        (&["--webhook-secret-file", &good], "there is no webhook"),
        (&["--webhook-events", "peer_in"], "there is no webhook"),
        (
            &["--webhook-url", url, "--webhook-secret-file", &missing],
            "cannot be read",
        ),
        (
            &["--webhook-url", url, "--webhook-secret-file", &short],
            "it has 5 bytes",
        ),
        (
            &["--webhook-url", url, "--webhook-secret-file", &plain],
            "begins with whsec_",
        ),
        (&["--webhook-url", "http://app.example/hook"], "write https"),
        (
            &["--webhook-url", "https://a:b@app.example/"],
            "events are signed instead",
        ),
        (&["--webhook-url", "app.example"], "https://HOST/PATH"),
        (&["--webhook-events", "peers"], "`peers` is not an event"),
        (&["--webhook-url", ""], "webhook_url"),
    ] {
        for command in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["config", "check"],
        ] {
            let ran = run(&[command, arguments].concat());
            assert_eq!(ran.code(), Some(2), "{ran:?}");
            ran.says(said);
            assert!(!ran.stderr.contains("c2hvcnQ"), "{ran:?}");
        }
    }
}

#[tokio::test]
async fn a_new_secret_signs_what_follows() {
    let folder = Folder::new("webhook-secret");
    let hook = Hook::start(|_| Some("200 OK"));
    let relay = start(&folder, &hook, &["--webhook-events", "topic_opened"]);
    let mut peer = relay.connect().await;
    peer.subscribe("t").await;
    hook.next().verify();
    folder.write("secret", "whsec_short");
    relay.signal(rustix::process::Signal::HUP);
    relay.until_logged("the old secret of the webhook stays in use");
    peer.subscribe("u").await;
    hook.next().verify();
    let new = Base64::encode_string(&[7; 32]);
    folder.write("secret", &format!("whsec_{new}"));
    relay.signal(rustix::process::Signal::HUP);
    relay.until_logged("the secret of the webhook was read again");
    peer.subscribe("v").await;
    hook.next().verify_with(&[7; 32]);
}

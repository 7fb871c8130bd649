//! `signal serve` as a process: what it says, how it ends.

#![cfg(unix)]

mod common;

use std::net::TcpListener;

use common::{Relay, run, signal};
use serde_json::{Value, json};
use signal_testwire::Answer;

/// A plain request.
fn get(address: &str, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    signal_testwire::ask(address, &request)
}

#[tokio::test]
async fn it_says_where_it_listens_and_what_to_write_into_an_app() {
    let relay = Relay::start(&[]);
    let port = relay.address().rsplit_once(':').expect("a port").1;
    let url = format!("ws://localhost:{port}");
    assert_eq!(relay.listening["url"], url);
    let app = format!("new WebrtcProvider('my-room', doc, {{ signaling: ['{url}'] }})");
    assert_eq!(relay.listening["app"], app);
    assert!(
        relay.listening["peers_max"].as_u64() > Some(0),
        "{}",
        relay.listening
    );
}

#[tokio::test]
async fn peers_find_each_other() {
    let relay = Relay::start(&[]);
    let (mut ann, mut bob) = (relay.connect().await, relay.connect().await);
    ann.subscribe("room").await;
    bob.subscribe("room").await;
    ann.publish("room", json!({"hello": "bob"})).await;
    let message =
        json!({"type": "publish", "topic": "room", "data": {"hello": "bob"}, "clients": 2});
    assert_eq!(bob.receive().await, message);
    assert_eq!(ann.receive().await, message);
}

#[test]
fn health_is_json_and_everything_else_is_okay() {
    let relay = Relay::start(&["--peers-max", "5"]);
    let json = |path| {
        let Answer { status, body, .. } = get(relay.address(), path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str::<Value>(&body).unwrap_or_else(|_| panic!("{path}: {body}"))
    };
    assert_eq!(json("/healthz"), json!({"status": "ok", "peers": 0}));
    assert_eq!(json("/readyz"), json!({"ready": true}));
    assert_eq!(json("/limits")["message_bytes_max"], 65_536);
    assert_eq!(get(relay.address(), "/").body, "okay");
}

#[tokio::test]
async fn settings_reach_the_relay() {
    let relay = Relay::start(&["--message-bytes-max", "1KiB", "--threads", "3"]);
    let mut peer = relay.connect().await;
    peer.publish("room", json!("x".repeat(2_000))).await;
    assert_eq!(peer.closed().await, Some(1009));
}

#[tokio::test]
async fn without_a_command_it_serves() {
    let relay = Relay::start_command(signal(&["--listen", "127.0.0.1:0"]));
    relay.connect().await.ping().await;
}

#[tokio::test]
async fn sigterm_closes_the_peers_and_ends_with_0() {
    let relay = Relay::start(&["--drain-seconds", "0"]);
    let mut peer = relay.connect().await;
    peer.subscribe("room").await;
    relay.terminate();
    assert_eq!(peer.closed().await, Some(1012));
    drop(peer);
    let (code, log) = relay.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("drained"), "{log}");
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let relay = Relay::start(&["--drain-seconds", "3600"]);
    // Enough that the drain cannot have picked a moment near the beginning for all.
    let mut peers = Vec::new();
    for _ in 0..20 {
        peers.push(relay.connect().await);
    }
    relay.terminate();
    // Signals of one kind do not queue up: the second must come after the first was taken.
    while get(relay.address(), "/readyz").status == 200 {
        tokio::task::yield_now().await;
    }
    relay.terminate();
    let (code, log) = relay.wait();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("ending at once"), "{log}");
}

#[test]
fn a_taken_port_names_the_process_and_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let ran = run(&["serve", "--listen", &address]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says(&format!("{address} is taken"));
    if cfg!(target_os = "linux") {
        ran.says(&format!("(process {})", std::process::id()));
    }
    ran.says("(listen: flag --listen)");
    ran.says("--listen 127.0.0.1:0 takes a free port");
}

#[test]
fn a_second_relay_on_the_port_is_an_error_and_takes_no_connections() {
    let relay = Relay::start(&[]);
    let ran = run(&["serve", "--listen", relay.address()]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("is taken");
}

#[test]
fn an_address_of_another_machine_is_reported() {
    let ran = run(&["serve", "--listen", "192.0.2.1:4444"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("no network interface of this machine has the address 192.0.2.1");
}

#[test]
fn logs_can_be_text() {
    let mut child = signal(&["serve", "--listen", "127.0.0.1:0", "--log-format", "text"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut log = std::io::BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut log, &mut line).expect("a line");
    child.kill().expect("it lives");
    child.wait().expect("it ends");
    assert!(line.contains("INFO listening"), "{line}");
    assert!(!line.contains('\x1b'), "no colours in a pipe: {line:?}");
}

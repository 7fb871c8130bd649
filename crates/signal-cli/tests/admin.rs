//! The admin address: what it answers, to whom, and that nobody who hangs there harms anybody.

#![cfg(unix)]

mod common;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::{PATIENCE, Relay, run};
use serde_json::{Value, json};
use signal_testwire::Answer;

const ADMIN: [&str; 2] = ["--admin-listen", "127.0.0.1:0"];

fn admin(relay: &Relay) -> String {
    let admin = relay.listening["admin"].as_str();
    admin.expect("the admin address").to_owned()
}

fn ask(address: &str, method: &str, path: &str, host: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    signal_testwire::ask(address, &request)
}

fn get(address: &str, path: &str) -> Answer {
    ask(address, "GET", path, address)
}

fn json(address: &str, path: &str) -> Value {
    let answer = get(address, path);
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{path}: {}", answer.body))
}

#[tokio::test]
async fn metrics_tell_what_peers_do_and_what_the_process_takes() {
    let relay = Relay::start(&ADMIN);
    let address = admin(&relay);
    let (mut ann, mut bob) = (relay.connect().await, relay.connect().await);
    ann.subscribe("room").await;
    bob.subscribe("room").await;
    ann.publish("room", json!("hello")).await;
    bob.receive().await;
    let answer = get(&address, "/metrics");
    assert_eq!(answer.status, 200);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(content_type));
    for line in [
        "signal_peers 2",
        "signal_subscriptions 2",
        "signal_connections_total 2",
        "signal_auth_total{result=\"granted\"} 2",
        "signal_sent_total{type=\"publish\"} 2",
    ] {
        assert!(
            answer.body.lines().any(|it| it == line),
            "{line}\n{}",
            answer.body
        );
    }
    if cfg!(target_os = "linux") {
        assert!(answer.body.contains("\nprocess_resident_memory_bytes "));
    }
    assert!(answer.body.ends_with("# EOF\n"));
    assert!(!answer.body.contains("room"), "no topic is told");
}

#[tokio::test]
async fn the_page_gets_its_numbers_and_may_ask_nobody_else() {
    let relay = Relay::start(&[&ADMIN[..], &["--peers-max", "7"]].concat());
    let address = admin(&relay);
    let page = get(&address, "/");
    assert!(page.body.starts_with("<!doctype html>"), "{}", page.body);
    for header in [
        "content-security-policy: default-src 'none'; script-src 'sha256-",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(page.head.contains(header), "{header}\n{}", page.head);
    }
    assert!(!page.head.contains("access-control"), "{}", page.head);
    let _peer = relay.connect().await;
    let status = json(&address, "/status.json");
    assert_eq!(status["now"]["peers"], 1);
    assert_eq!(status["peers_max"], 7);
    assert_eq!(status["lifecycle"], "serving");
    let url = status["listens"][0].as_str().expect("an address");
    assert!(relay.url().ends_with(url), "{url}");
    assert_eq!(status["last_refusal"], serde_json::Value::Null);
    let limits = status["limits"].as_array().expect("limits");
    let peers_max = limits.iter().find(|limit| limit["name"] == "peers_max");
    assert_eq!(peers_max.expect("peers_max")["value"], "7");
}

#[test]
fn nothing_can_be_changed_and_no_other_name_leads_here() {
    let relay = Relay::start(&ADMIN);
    let address = admin(&relay);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(&address, method, "/", &address);
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    let head = ask(&address, "HEAD", "/metrics", &address);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(get(&address, "/etc/passwd").status, 404);
    assert_eq!(ask(&address, "GET", "/metrics", "localhost").status, 200);
    for host in ["evil.example", "localhost.evil.example:9444", ""] {
        assert_eq!(ask(&address, "GET", "/metrics", host).status, 421, "{host}");
    }
}

/// A page on `evil.example` could have that name lead here (DNS rebinding) and read what it likes.
#[test]
fn on_every_interface_only_known_names_lead_there_too() {
    let everywhere = ["--admin-listen", "0.0.0.0:0"];
    let relay = Relay::start(&everywhere);
    let address = admin(&relay).replace("0.0.0.0", "127.0.0.1");
    for host in ["evil.example", "evil.example:9444", "signal.internal", ""] {
        let answer = ask(&address, "GET", "/status.json", host);
        assert_eq!(answer.status, 421, "{host}");
        assert!(
            answer.body.ends_with("the setting admin_hosts"),
            "{}",
            answer.body
        );
    }
    for host in ["192.0.2.7:9444", "[2001:db8::7]", "localhost"] {
        assert_eq!(ask(&address, "GET", "/metrics", host).status, 200, "{host}");
    }
    let relay = Relay::start(&[&everywhere[..], &["--admin-hosts", "signal.internal"]].concat());
    let address = admin(&relay).replace("0.0.0.0", "127.0.0.1");
    for (host, status) in [("Signal.Internal:9444", 200), ("evil.example", 421)] {
        assert_eq!(
            ask(&address, "GET", "/metrics", host).status,
            status,
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_hangs_harms_neither_peers_nor_other_readers() {
    let relay = Relay::start(&ADMIN);
    let address = admin(&relay);
    let hang = |text: &'static [u8]| {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.write_all(text).expect("a part of a request");
        stream
    };
    let hanging: Vec<TcpStream> = (0..30)
        .flat_map(|_| [hang(b""), hang(b"GET / HTTP/1.1\r\nHost: localhost\r\nX:")])
        .collect();
    assert_eq!(get(&address, "/metrics").status, 200);
    relay.connect().await.ping().await;
    // Many more than there are places. Who asks does not wait for all of them to be given up, which
    // would take five seconds for each 64.
    let more: Vec<TcpStream> = (0..500).map(|_| hang(b"")).collect();
    relay.connect().await.ping().await;
    let start = Instant::now();
    assert_eq!(get(&address, "/healthz").status, 200);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    drop((hanging, more));
}

#[tokio::test]
async fn it_answers_while_the_relay_drains() {
    let relay = Relay::start(&[&ADMIN[..], &["--drain-seconds", "60"]].concat());
    let address = admin(&relay);
    let _peers = [relay.connect().await, relay.connect().await];
    assert_eq!(json(&address, "/readyz"), json!({"ready": true}));
    relay.terminate();
    let deadline = Instant::now() + PATIENCE;
    while get(&address, "/readyz").status != 503 {
        assert!(Instant::now() < deadline, "it stays ready");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(get(&address, "/healthz").status, 200);
    let metrics = get(&address, "/metrics").body;
    assert!(metrics.contains("signal_lifecycle{state=\"draining\"} 1\n"));
}

#[test]
fn it_is_off_unless_asked_for_and_says_what_is_wrong() {
    let relay = Relay::start(&[]);
    assert_eq!(relay.listening["admin"], Value::Null);
    let owner = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = owner.local_addr().expect("bound").to_string();
    let ran = run(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", &taken]);
    assert_eq!(ran.code(), Some(1));
    ran.says(&format!("{taken} is taken"));
    ran.says("(admin_listen: flag --admin-listen)");
    ran.says("--admin-listen 127.0.0.1:0 takes a free port");
    let ran = run(&["serve", "--admin-listen", "127.0.0.1"]);
    assert_eq!(ran.code(), Some(2));
    ran.says("the port is missing; write 127.0.0.1:9444");
}

//! `signal check` against servers that work, and many that do not.

mod answers;
#[path = "../common/mod.rs"]
mod common;
mod proxy;
mod turn;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use common::{Relay, naive, run, run_command, signal};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

/// A server that answers every connection with these bytes and ends it.
fn answering(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(bytes);
        }
    });
    address
}

/// A WebSocket server with one client at a time, which answers each message with what `answer`
/// makes of it.
fn websocket(answer: fn(Value) -> Vec<Message>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    listener.set_nonblocking(true).expect("a socket for tokio");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut socket = tokio_tungstenite::accept_async(stream)
                        .await
                        .expect("an upgrade");
                    while let Some(Ok(message)) = socket.next().await {
                        let Message::Text(text) = message else {
                            continue;
                        };
                        for message in answer(serde_json::from_str(&text).expect("JSON")) {
                            let _ = socket.send(message).await;
                        }
                    }
                });
            }
        });
    });
    address
}

fn url(address: SocketAddr) -> String {
    format!("ws://{address}")
}

#[test]
fn a_working_relay_is_reported_as_scripts_do() {
    let relay = Relay::start(&[]);
    let ran = run(&["check", &relay.url()]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[0], format!("✅ WORKING: {}", relay.url()));
    assert!(
        lines[1].starts_with("   Connected: ") && lines[1].ends_with(" ms"),
        "{lines:?}"
    );
    assert!(
        lines[2].starts_with("   Ping/Pong: ") && lines[2].ends_with(" ms"),
        "{lines:?}"
    );
    let steps = [
        "resolve",
        "tcp",
        "tls",
        "upgrade",
        "subscribe",
        "second",
        "publish",
        "count",
        "isolation",
        "unsubscribe",
        "ping",
        "close",
        "turn",
    ];
    let shown: Vec<_> = lines[4..]
        .iter()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(shown, steps);
    let readme: Vec<_> = include_str!("../../README.md").lines().collect();
    let sample = readme
        .iter()
        .position(|line| line.starts_with("✅ WORKING"))
        .expect("a sample");
    for (line, documented) in lines[4..].iter().zip(&readme[sample + 4..]) {
        assert_eq!(
            line.get(..20),
            documented.get(..20),
            "the sample in the README is not of today"
        );
    }
    assert!(!ran.stdout.contains('\x1b'), "no colours in a pipe");
}

#[test]
fn colours_can_be_forced_and_denied() {
    let relay = Relay::start(&[]);
    let (relay, check) = (&relay.url(), |url: &str| signal(&["check", url]));
    let forced = run_command(check(relay).env("CLICOLOR_FORCE", "1"));
    assert!(forced.stdout.contains('\x1b'), "{forced:?}");
    let denied = run_command(check(relay).env("CLICOLOR_FORCE", "0").env("NO_COLOR", "1"));
    assert!(!denied.stdout.contains('\x1b'), "{denied:?}");
}

#[test]
fn the_address_may_be_short_or_of_http() {
    let relay = Relay::start(&[]);
    let short = run(&["check", relay.address()]);
    assert_eq!(short.code(), Some(0), "{short:?}");
    short.says("note: no scheme given: ws:// taken");
    let http = run(&["check", &format!("http://{}/any/path?x=1", relay.address())]);
    assert_eq!(http.code(), Some(0), "{http:?}");
    http.says("note: http:// taken as ws://");
}

#[test]
fn json_is_one_document() {
    let relay = Relay::start(&[]);
    let ran = run(&["check", &relay.url(), "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(report["verdict"], "working");
    assert_eq!(report["url"], relay.url());
    assert!(report["connected_ms"].as_f64() > Some(0.0), "{report}");
    assert_eq!(report["ping"]["count"], 3);
    let steps = report["steps"].as_array().expect("steps");
    assert!(
        steps.iter().all(|step| step["status"] == "passed"
            || step["name"] == "tls"
            || step["name"] == "turn"),
        "{report}"
    );
}

#[test]
fn junit_and_tap_count_as_the_json_does() {
    let refused = url(answering(b"HTTP/1.1 403 Forbidden\r\n\r\n"));
    let junit = run(&["check", &refused, "--format", "junit"]);
    assert_eq!(junit.code(), Some(2), "{junit:?}");
    assert_eq!(junit.stdout.matches("<testcase ").count(), 13);
    assert_eq!(junit.stdout.matches("</testcase>").count(), 13);
    assert_eq!(junit.stdout.matches("<failure ").count(), 1);
    assert_eq!(junit.stdout.matches("<skipped ").count(), 10);
    junit.says(r#"tests="13" failures="1" errors="0" skipped="10""#);
    let tap = run(&["check", &refused, "--format", "tap"]);
    assert_eq!(tap.code(), Some(2), "{tap:?}");
    let lines: Vec<_> = tap.stdout.lines().collect();
    assert_eq!(lines[..2], ["TAP version 14", "1..13"]);
    let points = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((points("ok "), points("not ok ")), (12, 1), "{tap:?}");
    assert!(lines.contains(&"not ok 4 - upgrade"), "{tap:?}");
}

#[test]
fn a_dead_port_asks_whether_the_relay_runs() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let ran = run(&["check", &url(address)]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says(&format!("❌ BROKEN: ws://{address}"));
    ran.says(&format!(
        "tcp: connection refused: nothing listens on {address}"
    ));
    ran.says(&format!(
        "→ is the relay running? start it: signal serve --listen {address}"
    ));
}

#[test]
fn an_unknown_name_is_reported() {
    let ran = run(&["check", "ws://no-such-host.invalid"]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("resolve: the name no-such-host.invalid cannot be resolved");
    ran.says("check the spelling");
}

#[test]
fn a_name_in_unicode_is_looked_up_as_dns_has_it() {
    let ran = run(&["check", "ws://bücher.invalid"]);
    ran.says("the name xn--bcher-kva.invalid cannot be resolved");
    ran.says("bücher.invalid is xn--bcher-kva.invalid to name servers");
}

#[test]
fn a_websocket_that_is_not_a_relay_is_reported() {
    let silent = websocket(|_| Vec::new());
    let ran = run(&["check", &url(silent), "--timeout", "1s"]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says(r#"the WebSocket opened, but {"type":"ping"} got no answer within 1000 ms"#);
    ran.says("no y-webrtc signaling server");

    let greeting = websocket(|_| vec![Message::text("hello!")]);
    let ran = run(&["check", &url(greeting)]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says(r#"the server sent "hello!", no JSON object"#);

    let binary = websocket(|_| vec![Message::binary(vec![1, 2, 3])]);
    let ran = run(&["check", &url(binary)]);
    ran.says("the server sent 3 bytes of binary data");
}

#[test]
fn clients_that_do_not_reach_each_other_are_reported() {
    // As several instances behind one address do: each answers, none knows of the other's clients.
    let alone = websocket(|message| match message["type"].as_str() {
        Some("ping") => vec![Message::text(r#"{"type":"pong"}"#)],
        _ => Vec::new(),
    });
    let ran = run(&["check", &url(alone), "--timeout", "1s"]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("publish: a message did not reach the other client within 1000 ms");
    ran.says("do all connections reach the same process?");
}

#[test]
fn a_relay_without_echoes_is_degraded_and_not_waited_for_twice() {
    let started = Instant::now();
    let ran = run(&["check", &url(naive::serve(false))]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("DEGRADED");
    ran.says("publish: publishers do not get their own messages");
    assert!(started.elapsed() < Duration::from_secs(9), "{ran:?}");
}

#[test]
fn a_relay_without_tcp_nodelay_is_degraded_and_told_to_set_it() {
    let ran = run(&["check", &url(naive::serve_with(true, false))]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("the server keeps messages back");
    ran.says("set TCP_NODELAY on the connections it accepts");
    let ran = run(&["check", &url(naive::serve_with(true, true))]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
}

#[test]
fn a_full_relay_that_takes_one_client_is_reported() {
    let relay = Relay::start(&["--peers-max", "1"]);
    let ran = run(&["check", &relay.url()]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("second client: the upgrade was answered with HTTP 503");
    ran.says("retry after");
}

#[test]
fn a_slow_server_is_degraded() {
    let relay = Relay::start(&[]);
    let ran = run(&["check", &relay.url(), "--slow", "1us"]);
    assert_eq!(ran.code(), Some(64), "there are no microseconds: {ran:?}");
    let ran = run(&["check", &relay.url(), "--slow", "0.000001"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("DEGRADED: ");
    ran.says("slower than");
}

#[test]
fn headers_origin_and_token_are_sent_and_the_token_not_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).expect("a request");
        stream
            .write_all(b"HTTP/1.1 401 Unauthorized\r\n\r\n")
            .expect("an answer");
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let mut command = signal(&[
        "check",
        &format!("ws://{address}/relay?room=1"),
        "--token",
        "s3cret",
        "--origin",
        "https://your.app",
    ]);
    let ran = run_command(command.args(["--header", "X-Test: yes"]));
    let request = server.join().expect("a request");
    assert!(
        request.starts_with("GET /relay?room=1&token=s3cret HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request
            .to_lowercase()
            .contains("\r\norigin: https://your.app\r\n"),
        "{request}"
    );
    assert!(
        request.to_lowercase().contains("\r\nx-test: yes\r\n"),
        "{request}"
    );
    assert!(!ran.stdout.contains("s3cret"), "{ran:?}");
    ran.says("token=***");
}

#[test]
fn wrong_usage_is_64_and_says_what_to_write() {
    for (arguments, hint) in [
        (&["check"][..], "<URL>"),
        (&["check", "ftp://example.org"], "write ws:// or wss://"),
        (
            &["check", "ws://localhost", "--format", "xml"],
            "text, json, junit, tap",
        ),
        (
            &["check", "ws://localhost", "--timeout", "0"],
            "longer than nothing",
        ),
        (
            &["check", "ws://localhost", "--header", "nonsense"],
            "Name: value",
        ),
        (&["check", "ws://localhost", "--hostile"], "--conformance"),
        (
            &["check", "ws://localhost", "--scenario", "publish"],
            "add --conformance",
        ),
        (
            &["check", "ws://localhost", "--conformance", "--level", "all"],
            "the levels are stock, ",
        ),
        (
            &["check", "ws://192.0.2.1", "--conformance", "--hostile"],
            "--i-own-this-server",
        ),
        (
            &["check", "--list", "--scenario", "nothing.of.this.name"],
            "signal check --list shows all",
        ),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code(), Some(64), "{arguments:?}: {ran:?}");
        ran.says(hint);
    }
}

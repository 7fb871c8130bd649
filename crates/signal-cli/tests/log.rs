//! What stands in the log, and how little of it there is in a storm.

#![cfg(unix)]

mod common;

use std::io::Read;
use std::process::{Child, Stdio};

use common::folder::{Folder, mint, new_key};
use common::{Relay, signal};
use serde_json::Value;
use signal_core::client;
use signal_testwire::{Wire, upgrade};
use tokio::net::TcpStream;

/// An upgrade request whose path and other parts somebody chose to harm the reader of the log.
fn hostile(address: &str, version: u32) -> u16 {
    let path = format!(
        "/\u{9b}2J\u{202e}room;token=TELLNOBODY/{}?token=TELLNOBODY",
        "x".repeat(2_000)
    );
    let headers = [
        ("Origin", "https://evil.example"),
        ("Authorization", "Bearer TELLNOBODY"),
    ];
    let version = format!("Version: {version}");
    let request = upgrade(&path, &headers).replace("Version: 13", &version);
    signal_testwire::ask(address, &request).status
}

/// A process that ends with this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lets a relay with these flags see two such requests, one refused and one upgraded; its log as
/// lines.
fn log_of(flags: &[&str]) -> Vec<String> {
    let relay = Relay::start(&[&["--drain-seconds", "0"], flags].concat());
    assert_eq!(hostile(relay.address(), 8), 426);
    assert_eq!(hostile(relay.address(), 13), 101);
    relay.terminate();
    let (code, log) = relay.wait();
    assert_eq!(code, Some(0));
    log.lines().map(str::to_owned).collect()
}

fn line<'a>(log: &'a [String], message: &str) -> &'a str {
    let line = log.iter().find(|line| line.contains(message));
    line.unwrap_or_else(|| panic!("no {message} in {log:#?}"))
}

#[test]
fn clients_are_logged_at_debug_without_secrets_and_on_one_line() {
    let log = log_of(&["--log", "debug"]);
    for message in ["\"refused\"", "\"upgraded\""] {
        let line: Value = serde_json::from_str(line(&log, message)).expect("JSON");
        assert_eq!(line["client"], "127.0.0.0/24", "{line}");
        let path = line["path"].as_str().expect("a path");
        assert!(
            path.starts_with(r"/\u{9b}2J\u{202e}room;token=***"),
            "{path}"
        );
        assert!(path.len() < 120, "{path}");
    }
    assert!(line(&log, "\"refused\"").contains(r#""cause":"bad_request""#));
    let all = log.concat();
    assert!(
        !all.contains("TELLNOBODY") && !all.contains("evil"),
        "{all}"
    );
}

#[test]
fn a_terminal_gets_no_control_characters_of_a_client() {
    // Its first line is not JSON, so it is read as it comes.
    let mut command = signal(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--log",
        "debug",
        "--log-format",
        "text",
    ]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Ended(command.spawn().expect("it starts"));
    let mut stderr = child.0.stderr.take().expect("piped");
    let mut log = String::new();
    let address = loop {
        let mut bytes = [0; 1_024];
        let count = stderr.read(&mut bytes).expect("the log");
        assert!(count > 0, "it ended: {log}");
        log += &String::from_utf8_lossy(&bytes[..count]);
        let behind = log.split_once("address=").map(|(_, behind)| behind);
        if let Some((address, _)) = behind.and_then(|behind| behind.split_once(' ')) {
            break address.to_owned();
        }
    };
    assert_eq!(hostile(&address, 8), 426);
    drop(child);
    stderr.read_to_string(&mut log).expect("the log");
    assert!(log.contains("refused client=127.0.0.0/24 path="), "{log}");
    assert!(
        log.contains("token=***") && !log.contains("TELLNOBODY"),
        "{log}"
    );
    assert!(!log.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{log}");
}

#[test]
fn addresses_are_whole_or_left_out_where_somebody_wants_that() {
    let full = log_of(&["--log", "debug", "--log-ips", "full"]);
    assert!(line(&full, "\"refused\"").contains(r#""client":"127.0.0.1""#));
    let none = log_of(&["--log", "debug", "--log-ips", "none"]);
    assert!(!line(&none, "\"refused\"").contains("client"), "{none:#?}");
    assert!(!none.concat().contains("127.0.0.1:"), "{none:#?}");
}

#[test]
fn a_storm_of_refused_clients_costs_a_few_lines() {
    const CLIENTS: usize = 2_000;
    let relay = Relay::start(&["--drain-seconds", "0", "--limit-private-ips"]);
    for _ in 0..CLIENTS {
        hostile(relay.address(), 8);
    }
    relay.terminate();
    let (_, log) = relay.wait();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.len() <= 8, "{} lines: {log}", lines.len());
    let sum = lines.iter().find(|line| line.contains("since the start"));
    let sum: Value = serde_json::from_str(sum.expect("a sum")).expect("JSON");
    assert_eq!(sum["refused"], CLIENTS);
    assert!(!log.contains("127.0.0.1"), "{log}");
}

/// An app's author sees an empty room and nothing else, so the log says which setting it was.
#[tokio::test]
async fn a_topic_that_is_skipped_is_said_once_with_its_setting() {
    let relay = Relay::start(&["--drain-seconds", "0", "--topics-per-peer-max", "3"]);
    for _ in 0..3 {
        let stream = TcpStream::connect(relay.address()).await;
        let mut wire = Wire::open(stream.expect("the relay listens")).await;
        for topic in ["x".repeat(5_000), "y".repeat(5_000)] {
            wire.send(&client::subscribe([topic])).await;
        }
        wire.send(&client::subscribe(["a", "b", "c", "d"])).await;
        wire.send(client::PING).await;
        assert_eq!(wire.next_text().await, r#"{"type":"pong"}"#);
    }
    relay.terminate();
    let (_, log) = relay.wait();
    for setting in ["topic_bytes_max", "topics_per_peer_max"] {
        let setting = format!(r#""setting":"{setting}""#);
        let said: Vec<&str> = log.lines().filter(|line| line.contains(&setting)).collect();
        assert_eq!(said.len(), 1, "{log}");
        assert!(said[0].contains(r#""level":"WARN""#), "{said:?}");
    }
    assert!(!log.contains("xxx"), "{log}");
}

/// The number of a token is not the operator's to raise.
#[tokio::test]
async fn a_topic_that_is_full_by_a_token_is_said_once_and_as_no_setting() {
    let folder = Folder::new("full");
    let key = new_key(&folder, "key.jwk", &[]);
    let rights = ["--topics", "*", "--expires", "1h", "--clients-max", "1"];
    let path = format!("/?token={}", mint(&key, &rights));
    let relay = Relay::start(&["--drain-seconds", "0", "--token-key-file", &key]);
    let mut peers = Vec::new();
    for _ in 0..3 {
        let stream = TcpStream::connect(relay.address()).await;
        let stream = stream.expect("the relay listens");
        let (mut wire, _) = Wire::request(stream, &upgrade(&path, &[])).await;
        wire.send(&client::subscribe(["room"])).await;
        wire.send(client::PING).await;
        assert_eq!(wire.next_text().await, r#"{"type":"pong"}"#);
        peers.push(wire);
    }
    relay.terminate();
    let (_, log) = relay.wait();
    let is_it = |line: &&str| line.contains("past the clients_max of its token or grant");
    let said: Vec<&str> = log.lines().filter(is_it).collect();
    assert_eq!(said.len(), 1, "{log}");
    assert!(said[0].contains(r#""level":"WARN""#), "{said:?}");
    assert!(!said[0].contains(r#""setting""#), "{said:?}");
}

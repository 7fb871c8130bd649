//! What `signal check` says of TURN credentials.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::common::folder::{Folder, mint, new_key};
use crate::common::{Ran, Relay, run};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const URL: &str = "turn:turn.example.org:3478";

/// The step about TURN of a check of this address.
fn step(ran: &Ran) -> Value {
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let steps = report["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["name"] == "turn");
    step.expect("a step").clone()
}

fn check(url: &str, more: &[&str]) -> Ran {
    run(&[&["check", url, "--format", "json"], more].concat())
}

/// A relay, before which somebody else answers what is asked of `/turn`.
fn behind(relay: &Relay, answer: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let relay = relay.address().to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(client) = stream else { return };
            pass(client, &relay, &answer);
        }
    });
    address
}

fn pass(mut client: TcpStream, relay: &str, answer: &impl Fn() -> Vec<u8>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match client.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    if head.starts_with(b"GET /turn") {
        // The client may have seen enough.
        let _ = client.write_all(&answer());
        return;
    }
    let mut server = TcpStream::connect(relay).expect("the relay listens");
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("an option");
    }
    server.write_all(&head).expect("the relay reads");
    let (from, to) = (client.try_clone(), server.try_clone());
    let (mut from, mut to) = (from.expect("a handle"), to.expect("a handle"));
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(std::net::Shutdown::Write);
    });
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Credentials as they should be.
fn credentials() -> Value {
    let since_1970 = SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("a clock after 1970");
    json!({
        "iceServers": [{
            "urls": [URL],
            "username": format!("{}:ann", since_1970.as_secs() + 600),
            "credential": "IO7AP7OpFdCl0Hg4Y6rpSEb7lQg=",
        }],
        "ttl": 600,
    })
}

#[test]
fn credentials_of_a_relay_are_right() {
    let folder = Folder::new("check-turn");
    let secret = folder.write("secret", SECRET);
    let key = new_key(&folder, "key", &[]);
    let urls = format!("{URL},stun:turn.example.org");
    let turn = ["--turn-urls", &urls, "--turn-secret-file", &secret];
    let open = Relay::start(&turn);
    let ran = check(&open.url(), &[]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    assert_eq!(step(&ran)["status"], "passed", "{ran:?}");
    assert_eq!(step(&ran)["detail"], "credentials for 2 URLs, for 86400 s");

    let relay = Relay::start(&[&turn[..], &["--token-key-file", &key]].concat());
    let token = mint(
        &key,
        &["--subject", "ann", "--topics", "*", "--expires", "1h"],
    );
    for place in ["query", "header", "protocol"] {
        let ran = check(&relay.url(), &["--token", &token, "--token-in", place]);
        assert_eq!(ran.code(), Some(0), "{place}: {ran:?}");
        assert_eq!(step(&ran)["status"], "passed", "{place}: {ran:?}");
        assert!(!ran.stdout.contains(&token), "{ran:?}");
    }
}

#[test]
fn a_server_without_turn_is_not_at_fault() {
    let relay = Relay::start(&[]);
    for (status, body) in [
        ("404 Not Found", "nothing"),
        ("200 OK", "okay"),
        ("200 OK", "<html>an app</html>"),
        ("200 OK", "{\"limits\":{}}"),
        ("302 Found", ""),
        ("401 Unauthorized", "a page of somebody else"),
        ("429 Too Many Requests", "slow down"),
    ] {
        let address = behind(&relay, move || answer(status, "", body));
        let ran = check(&format!("ws://{address}"), &[]);
        assert_eq!(ran.code(), Some(0), "{status} {body}: {ran:?}");
        assert_eq!(step(&ran)["status"], "skipped", "{status} {body}: {ran:?}");
    }
    let gone = behind(&relay, Vec::new);
    let ran = check(&format!("ws://{gone}"), &[]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
}

#[test]
fn what_is_wrong_with_credentials_is_said_and_the_relay_works_all_the_same() {
    let relay = Relay::start(&[]);
    let kept = "Cache-Control: no-store\r\n";
    let with = |name: &str, value: Value| {
        let mut all = credentials();
        all["iceServers"][0][name] = value;
        all.to_string()
    };
    for (headers, body, sentence) in [
        (
            "",
            credentials().to_string(),
            "without `Cache-Control: no-store`",
        ),
        (kept, with("username", "ann".into()), "is not EXPIRY:USER"),
        (
            kept,
            with("credential", "secret".into()),
            "is not an HMAC-SHA1",
        ),
        (
            kept,
            with("urls", "https://a".into()),
            "is not an address of a TURN",
        ),
    ] {
        let address = behind(&relay, move || answer("200 OK", headers, &body));
        let ran = check(&format!("ws://{address}"), &[]);
        assert_eq!(ran.code(), Some(1), "{ran:?}");
        let problem = step(&ran)["problem"]
            .as_str()
            .expect("a sentence")
            .to_owned();
        assert!(problem.contains(sentence), "{problem}");
    }
    let address = behind(&relay, || answer("200 OK", "", "{\"iceServers\":5}"));
    let ran = check(&format!("ws://{address}"), &[]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("the TURN credentials cannot be read");
    let refusal = || answer("401 Unauthorized", "", "the token has expired");
    let ran = check(&format!("ws://{}", behind(&relay, refusal)), &[]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("a client that may connect is refused TURN credentials");
}

#[test]
fn credentials_for_those_who_may_not_connect_are_a_fault() {
    let folder = Folder::new("check-turn-open");
    let key = new_key(&folder, "key", &[]);
    let relay = Relay::start(&["--token-key-file", &key]);
    let token = mint(&key, &["--topics", "*", "--expires", "1h"]);
    let give = || {
        answer(
            "200 OK",
            "Cache-Control: no-store\r\n",
            &credentials().to_string(),
        )
    };
    let address = behind(&relay, give);
    for place in ["query", "header", "protocol"] {
        let url = format!("ws://{address}/?a=1");
        let ran = check(&url, &["--token", &token, "--token-in", place]);
        assert_eq!(ran.code(), Some(2), "{place}: {ran:?}");
        ran.says("TURN credentials are given to clients without a token");
    }
}

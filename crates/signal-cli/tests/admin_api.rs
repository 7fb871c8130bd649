//! The admin API: what it does, for whom, and what of it stands in log and metrics.

#![cfg(unix)]

mod common;

use std::time::{Duration, Instant};

use common::folder::{Folder, mint, new_key};
use common::{PATIENCE, Peer, Relay, run};
use serde_json::{Value, json};
use signal_testwire::Answer;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn start(key_file: &str, arguments: &[&str]) -> Relay {
    let admin = [
        "--admin-listen",
        "127.0.0.1:0",
        "--admin-key-file",
        key_file,
    ];
    Relay::start(&[&admin[..], arguments].concat())
}

fn admin(relay: &Relay) -> &str {
    relay.listening["admin"]
        .as_str()
        .expect("the admin address")
}

/// The answer to a request with these headers and this body.
fn ask(relay: &Relay, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let (address, length) = (admin(relay), body.len());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    signal_testwire::ask(address, &request)
}

/// The status and the JSON of an answer to whoever has the key.
fn call(relay: &Relay, method: &str, path: &str, body: &str) -> (u16, Value) {
    let answer = ask(relay, method, path, &bearer(KEY), body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body));
    (answer.status, json)
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

/// A text as a name in a path.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[tokio::test]
async fn topics_are_listed_and_published_to_whatever_they_are_called() {
    let folder = Folder::new("api-topics");
    let relay = start(&folder.write("key", KEY), &[]);
    assert_eq!(
        call(&relay, "GET", "/api/topics", ""),
        (200, json!({"topics": [], "next": null}))
    );
    let longest = "ü".repeat(2_048);
    let mut names = [
        "..",
        "a/b",
        "%2F",
        "?x#",
        "\0",
        "\u{202e}💥",
        "\"\\",
        "+ ",
        &longest,
    ];
    names.sort_unstable();
    let mut ann = relay.connect().await;
    for name in names {
        ann.subscribe(name).await;
    }
    let mut ben = relay.connect().await;
    ben.subscribe("a/b").await;

    let clients = |name| if name == "a/b" { 2 } else { 1 };
    let listed: Vec<_> = names
        .iter()
        .map(|name| json!({"topic": name, "clients": clients(*name)}))
        .collect();
    let (_, all) = call(&relay, "GET", "/api/topics", "");
    assert_eq!(all, json!({"topics": listed, "next": null}));
    let (_, page) = call(&relay, "GET", "/api/topics?limit=3", "");
    assert_eq!(page, json!({"topics": listed[..3], "next": names[2]}));
    let rest = format!("/api/topics?limit=1000&after={}", encoded(names[2]));
    let (_, rest) = call(&relay, "GET", &rest, "");
    assert_eq!(rest, json!({"topics": listed[3..], "next": null}));

    for name in names {
        let path = format!("/api/topics/{}", encoded(name));
        let clients = clients(name);
        assert_eq!(
            call(&relay, "GET", &path, ""),
            (200, json!({"topic": name, "clients": clients}))
        );
        let published = call(&relay, "POST", &path, r#"{"n": 1.50}"#);
        assert_eq!(published, (200, json!({"topic": name, "clients": clients})));
        let message = ann.receive().await;
        assert_eq!(
            message,
            json!({"type": "publish", "topic": name, "data": {"n": 1.5}, "clients": clients})
        );
    }
    assert_eq!(ben.receive().await["topic"], "a/b");
}

#[tokio::test]
async fn a_topic_is_closed_with_a_code_that_says_who_did_it() {
    let folder = Folder::new("api-close");
    let relay = start(&folder.write("key", KEY), &[]);
    let (mut ann, mut ben) = (relay.connect().await, relay.connect().await);
    ann.subscribe("room 1").await;
    ben.subscribe("room 2").await;
    let closed = call(&relay, "DELETE", "/api/topics/room%201", "");
    assert_eq!(closed, (200, json!({"topic": "room 1", "closed": 1})));
    assert_eq!(ann.closed().await, Some(4403));
    ben.ping().await;
    let line = relay.until_logged("closed the connections of a topic");
    assert_eq!(
        (&line["topic"], &line["closed"]),
        (&json!("room 1"), &json!(1))
    );
    assert!(
        line["from"]
            .as_str()
            .is_some_and(|from| from.starts_with("127.0.0.1:")),
        "{line}"
    );
    let lines = [
        "signal_closes_total{cause=\"by_operator\",code=\"4403\"} 1",
        "signal_admin_requests_total{kind=\"close_topic\"} 1",
        "signal_admin_requests_total{kind=\"denied\"} 0",
    ];
    // A connection counts as closed once its socket is.
    signal_testwire::until("the metrics count it", || {
        let metrics = ask(&relay, "GET", "/metrics", "", "").body;
        let has = |line: &&str| metrics.lines().any(|it| it == *line);
        std::future::ready(lines.iter().all(has))
    })
    .await;
}

#[tokio::test]
async fn a_subject_is_closed_wherever_it_is_connected() {
    let folder = Folder::new("api-subject");
    let keys = new_key(&folder, "tokens", &[]);
    let relay = start(&folder.write("key", KEY), &["--token-key-file", &keys]);
    let url = |subject: &str| {
        let token = mint(
            &keys,
            &["--topics", "*", "--expires", "1h", "--subject", subject],
        );
        format!("{}/?token={token}", relay.url())
    };
    let (ann, ben) = (url("ann@example.org/ü"), url("ben"));
    let mut anns = [Peer::connect(&ann).await, Peer::connect(&ann).await];
    let mut ben = Peer::connect(&ben).await;
    for peer in anns.iter_mut().chain([&mut ben]) {
        peer.ping().await;
    }
    let closed = call(
        &relay,
        "DELETE",
        "/api/subjects/ann@example.org%2F%C3%BC",
        "",
    );
    assert_eq!(
        closed,
        (200, json!({"subject": "ann@example.org/ü", "closed": 2}))
    );
    for peer in &mut anns {
        assert_eq!(peer.closed().await, Some(4403));
    }
    ben.ping().await;
    relay.until_logged("closed the connections of a subject");
}

#[test]
fn each_action_stands_in_the_log_however_many_they_are() {
    let folder = Folder::new("api-log");
    let relay = start(&folder.write("key", KEY), &[]);
    for number in 0..10 {
        call(&relay, "POST", &format!("/api/topics/t{number}"), "1");
    }
    for number in 0..10 {
        let line = relay.until_logged("admin API: published");
        assert_eq!(line["topic"], format!("t{number}"));
    }
}

#[test]
fn without_its_key_it_does_nothing() {
    let folder = Folder::new("api-key");
    let relay = start(&folder.write("key", &format!("\u{feff}{KEY}\r\n")), &[]);
    assert_eq!(call(&relay, "GET", "/api/topics", "").0, 200);
    let lower = format!("authorization: bearer {KEY}\r\n");
    assert_eq!(ask(&relay, "GET", "/api/topics", &lower, "").status, 200);
    let denied = [
        String::new(),
        bearer(""),
        bearer(&KEY[1..]),
        bearer(&format!("{KEY}0")),
        bearer(&KEY.to_uppercase()),
        bearer(KEY).replace("Bearer ", "Basic "),
        bearer(KEY).replace("Bearer ", ""),
        bearer(KEY).replace("Authorization", "X-Api-Key"),
        bearer(KEY).repeat(2),
        bearer(KEY) + &bearer("another"),
    ];
    for headers in &denied {
        for (method, path) in [
            ("GET", "/api/topics"),
            ("POST", "/api/topics/t"),
            ("DELETE", "/api/subjects/ann"),
            ("GET", "/api/nothing"),
            ("OPTIONS", "/api/topics"),
        ] {
            let answer = ask(&relay, method, path, headers, "");
            assert_eq!(answer.status, 401, "{method} {path} {headers}");
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer realm=\"signal admin\"")
            );
            assert!(answer.body.contains("admin_key_file"), "{}", answer.body);
        }
        assert!(!headers.is_empty() || ask(&relay, "GET", "/metrics", headers, "").status == 200);
    }
    let query = format!("/api/topics?token={KEY}");
    assert_eq!(ask(&relay, "GET", &query, "", "").status, 401);
    let warning = relay.until_logged("another key than that");
    assert!(!warning.to_string().contains(&KEY[2..30]), "{warning}");
}

/// A page elsewhere can neither send the header without asking first, nor have a name lead here.
#[test]
fn no_page_elsewhere_can_use_it() {
    let folder = Folder::new("api-pages");
    let relay = start(&folder.write("key", KEY), &[]);
    let preflight = "Origin: https://evil.example\r\nAccess-Control-Request-Method: DELETE\r\n\
        Access-Control-Request-Headers: authorization\r\n";
    let answer = ask(&relay, "OPTIONS", "/api/topics/t", preflight, "");
    assert_eq!(answer.status, 401);
    assert!(!answer.head.contains("access-control"), "{}", answer.head);
    let request = format!(
        "DELETE /api/topics/t HTTP/1.1\r\nHost: evil.example\r\n{}\r\n",
        bearer(KEY)
    );
    assert_eq!(signal_testwire::ask(admin(&relay), &request).status, 421);
}

#[test]
fn without_a_key_it_is_off_and_says_how_to_switch_it_on() {
    let relay = Relay::start(&["--admin-listen", "127.0.0.1:0"]);
    for headers in ["", "Authorization: Bearer \r\n", &bearer(KEY)] {
        let answer = ask(&relay, "GET", "/api/topics", headers, "");
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("admin_key_file"), "{}", answer.body);
    }
    let metrics = ask(&relay, "GET", "/metrics", "", "").body;
    assert!(!metrics.contains("signal_admin_requests"), "{metrics}");
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_sentence() {
    let folder = Folder::new("api-mistakes");
    let relay = start(&folder.write("key", KEY), &["--message-bytes-max", "1000"]);
    let (long, longer) = ("x".repeat(998), "x".repeat(500_000));
    for (method, path, body, status, said) in [
        ("GET", "/api", "", 404, "there is /api/topics"),
        ("GET", "/api/peers", "", 404, "there is /api/topics"),
        ("DELETE", "/api/topics", "", 405, "GET, HEAD"),
        ("PUT", "/api/topics/t", "1", 405, "GET, HEAD, POST, DELETE"),
        ("GET", "/api/subjects/ann", "", 405, "DELETE"),
        ("DELETE", "/api/subjects/", "", 400, "the name is missing"),
        ("DELETE", "/api/topics/what?", "", 400, "written %3F"),
        ("DELETE", "/api/topics/%ff", "", 400, "written %25"),
        ("GET", "/api/topics?limit=0", "", 400, "from 1 to 1000"),
        (
            "GET",
            "/api/topics?prefx=a",
            "",
            400,
            "prefix, after and limit",
        ),
        ("POST", "/api/topics/t", "", 400, "not JSON"),
        ("POST", "/api/topics/t", "{\"a\":1", 400, "not JSON"),
        (
            "POST",
            "/api/topics/t",
            "1,\"topic\":\"u\"",
            400,
            "not JSON",
        ),
        ("POST", "/api/topics/t", &long, 413, "message_bytes_max"),
        ("POST", "/api/topics/t", &longer, 413, "message_bytes_max"),
    ] {
        let (seen, json) = call(&relay, method, path, body);
        assert_eq!(seen, status, "{method} {path} {json}");
        let error = json["error"].as_str().expect("a sentence");
        assert!(error.contains(said), "{method} {path} {error}");
    }
    let answer = ask(&relay, "PUT", "/api/topics/t", &bearer(KEY), "");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, DELETE"));
}

#[test]
fn a_body_that_does_not_end_is_given_up() {
    let folder = Folder::new("api-slow");
    let relay = start(&folder.write("key", KEY), &[]);
    let head = format!(
        "Host: localhost\r\n{}Content-Length: 9\r\n\r\n1",
        bearer(KEY)
    );
    let answer = signal_testwire::ask(
        admin(&relay),
        &format!("POST /api/topics/t HTTP/1.1\r\n{head}"),
    );
    assert_eq!(answer.status, 408);
    let answer = signal_testwire::ask(
        admin(&relay),
        &format!("GET /api/topics HTTP/1.1\r\n{head}"),
    );
    assert_eq!(answer.status, 200, "its body is not wanted");
}

#[test]
fn the_key_is_read_again_and_a_bad_one_does_not_replace_a_good_one() {
    let folder = Folder::new("api-reload");
    let path = folder.write("key", KEY);
    let relay = start(&path, &[]);
    let new = KEY.replace('0', "n");
    folder.write("key", &new);
    relay.signal(rustix::process::Signal::HUP);
    relay.until_logged("the key of the admin API was read again");
    assert_eq!(call(&relay, "GET", "/api/topics", "").0, 401);
    assert_eq!(
        ask(&relay, "GET", "/api/topics", &bearer(&new), "").status,
        200
    );
    folder.write("key", "short");
    relay.until_logged("the old key of the admin API stays in use");
    assert_eq!(
        ask(&relay, "GET", "/api/topics", &bearer(&new), "").status,
        200
    );
    assert_eq!(
        ask(&relay, "GET", "/api/topics", &bearer("short"), "").status,
        401
    );
    folder.write("key", KEY);
    let deadline = Instant::now() + PATIENCE;
    while call(&relay, "GET", "/api/topics", "").0 != 200 {
        assert!(
            Instant::now() < deadline,
            "the file is not read when it changes"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_key_that_cannot_be_used_stops_the_start() {
    let folder = Folder::new("api-bad-keys");
    for (name, text, said) in [
        ("empty", "", "the file is empty"),
        ("blank", " \n", "the file is empty"),
        (
            "short",
            "0123456789abcdef0123456789abcde\n",
            "31 characters",
        ),
        ("two", "0123456789abcdef 0123456789abcdef", "one word"),
        (
            "lines",
            "0123456789abcdef0123456789abcdef\n0123",
            "one word",
        ),
        ("long", &"x".repeat(2_000), "1024 is the most"),
    ] {
        let path = folder.write(name, text);
        for command in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["config", "check"],
        ] {
            let ran = run(&[command, &["--admin-key-file", &path]].concat());
            assert_eq!(ran.code(), Some(2), "{ran:?}");
            ran.says(said);
            ran.says("openssl rand -hex 32");
            assert!(!ran.stderr.contains("0123456789abcdef"), "{ran:?}");
        }
    }
    let ran = run(&["serve", "--admin-key-file", &folder.path("missing")]);
    assert_eq!(ran.code(), Some(2));
    ran.says("cannot be read");
    let ran = run(&["serve", "--admin-key-file", ""]);
    assert_eq!(ran.code(), Some(2));
    let relay = Relay::start(&["--admin-key-file", &folder.write("good", KEY)]);
    relay.until_logged("admin_key_file has no effect");
}

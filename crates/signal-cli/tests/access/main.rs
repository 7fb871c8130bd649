//! `signal serve` with tokens and origins.

#[path = "../common/mod.rs"]
mod common;
mod keys;
#[path = "../../../signal-access/vectors/live.rs"]
mod live;
mod mistakes;

use common::folder::{Folder, mint, new_key};
use common::{Peer, Relay, run};
use live::{Policy, Vectors};
use serde_json::{Value, json};
use signal_testwire::{Answer, upgrade};
use signal_tokio::RingKeys;

/// What verifies RS256 and ES256 in the vectors.
const PUBLIC_KEYS: RingKeys = RingKeys;

/// Asks for an upgrade as no client of a library would: whatever the query and the headers are.
fn ask(relay: &Relay, query: Option<&str>, headers: &[(&str, &str)]) -> Answer {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    signal_testwire::ask(relay.address(), &upgrade(&format!("/{query}"), headers))
}

#[tokio::test]
async fn without_a_token_nobody_comes_in_and_with_one_two_peers_meet() {
    let folder = Folder::new("meet");
    for algorithm in ["HS256", "EdDSA"] {
        let key = new_key(&folder, algorithm, &["--algorithm", algorithm]);
        let relay = Relay::start(&["--token-key-file", &key]);
        assert!(
            relay.listening["app"]
                .as_str()
                .is_some_and(|app| app.contains("/?token=…"))
        );

        let refused = ask(&relay, None, &[]);
        assert_eq!(refused.status, 401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        assert!(
            refused.body.starts_with("this relay needs a token"),
            "{refused:?}"
        );

        let token = mint(&key, &["--topics", "team-*", "--expires", "1h"]);
        let bearer = format!("Bearer {token}");
        let protocols = format!("signal-token, {token}");
        assert_eq!(ask(&relay, None, &[("Authorization", &bearer)]).status, 101);
        let by_protocol = ask(&relay, None, &[("Sec-WebSocket-Protocol", &protocols)]);
        assert_eq!(by_protocol.status, 101);
        assert_eq!(
            by_protocol.header("sec-websocket-protocol"),
            Some("signal-token")
        );
        assert!(
            !by_protocol.head.contains(&token),
            "only the marker comes back"
        );

        let url = format!("{}/?token={token}", relay.url());
        let (mut ann, mut ben) = (Peer::connect(&url).await, Peer::connect(&url).await);
        ben.subscribe("team-7").await;
        ben.subscribe("garden").await;
        ann.publish("garden", json!("not heard")).await;
        ann.publish("team-7", json!("heard")).await;
        assert_eq!(ben.receive().await["data"], "heard");
    }
}

/// The rows that hold at any time; those that need another clock are for the crates.
#[tokio::test]
async fn every_shared_vector_is_answered_as_written() {
    let folder = Folder::new("vectors");
    let vectors = Vectors::read();
    let (mut asked, mut wrong) = (0, Vec::new());
    for (name, policy) in &vectors.relays {
        let relay = start(&folder, name, policy);
        let address = relay.address().parse().expect("an address");
        for row in vectors.rows_for(name).filter(|row| row.now.is_none()) {
            wrong.extend(row.differences(policy, address).await);
            asked += 1;
        }
    }
    assert!(asked > 150, "{asked} rows");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn start(folder: &Folder, name: &str, policy: &Policy) -> Relay {
    let origins = (!policy.origins.is_empty()).then(|| policy.origins.join(","));
    let settings = [
        (
            "--token-key-file",
            policy.keys().map(|keys| folder.write(name, &keys)),
        ),
        ("--token-audience", policy.audience.clone()),
        ("--token-in", policy.token_in.clone()),
        ("--token-issuer", policy.issuer.clone()),
        ("--token-topics-claim", policy.topics_claim.clone()),
        ("--token-topics-default", policy.topics_default.clone()),
        ("--origins", origins),
    ];
    let given = settings
        .iter()
        .filter_map(|(flag, value)| Some([*flag, value.as_deref()?]));
    Relay::start(&given.flatten().collect::<Vec<_>>())
}

#[test]
fn a_list_in_the_file_may_be_a_list() {
    let folder = Folder::new("list");
    let text = "origins = [\"https://a.example\", \"https://*.b.example\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\n";
    let file = folder.write("list.toml", text);
    let ran = run(&["config", "print", "--config", &file]);
    ran.says("origins = \"https://a.example,https://*.b.example\"");
    ran.says("trusted_proxies = \"10.0.0.0/8\"");
}

/// Python's websocket-client and React Native send the address that they connect to.
#[test]
fn programs_that_name_the_relay_itself_as_their_origin_are_let_in() {
    let relay = Relay::start(&["--origins", "https://app.example.org,http://localhost:*"]);
    let own = format!("http://{}", relay.address());
    for (origin, status) in [
        (own.as_str(), 101),
        ("https://app.example.org/", 101),
        ("http://localhost:3000", 101),
        ("http://relay.example", 403),
        ("null", 403),
        ("https://app.example.org, https://evil.example", 403),
    ] {
        let request = upgrade("/", &[("Origin", origin)]);
        let request = request.replace("Host: localhost", &format!("Host: {}", relay.address()));
        let answer = signal_testwire::ask(relay.address(), &request);
        assert_eq!(answer.status, status, "{origin}");
    }
}

#[test]
fn the_start_says_who_may_come_in() {
    let folder = Folder::new("who");
    let key = new_key(&folder, "key.jwk", &[]);
    let open = Relay::start(&[]);
    assert_eq!(open.listening["who_may_come_in"], "anyone, to every topic");
    let guards = [
        "--token-key-file",
        &key,
        "--token-audience",
        "relay",
        "--origins",
        "https://a.example,https://*.b.example",
    ];
    let who = "tokens of 1 key, audience \"relay\"; origins https://a.example, https://*.b.example";
    let guarded = Relay::start(&guards);
    assert_eq!(guarded.listening["who_may_come_in"], who);
    let check = run(&[&["config", "check"][..], &guards].concat());
    check.says(&format!("who may come in: {who}"));
}

#[test]
fn config_print_names_the_file_and_nothing_in_it() {
    let folder = Folder::new("print");
    let key = new_key(&folder, "key.jwk", &["--algorithm", "HS256"]);
    let text = std::fs::read_to_string(&key).expect("a key");
    let secret: Value = serde_json::from_str(&text).expect("JSON");
    let arguments = [
        "config",
        "print",
        "--token-key-file",
        &key,
        "--origins",
        "https://App.example:443",
    ];
    let ran = run(&arguments);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says(&format!("token_key_file = {key:?}"));
    ran.says("origins = \"https://app.example\"");
    assert!(
        !ran.stdout.contains(secret["k"].as_str().expect("a secret")),
        "{ran:?}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_token_stands_in_no_log() {
    let folder = Folder::new("log");
    let key = new_key(&folder, "key.jwk", &[]);
    // The last client may still be there, and would be closed at some moment of a longer drain.
    let drain = ["--drain-seconds", "0"];
    let relay = Relay::start(&[&["--token-key-file", &key, "--log", "trace"], &drain[..]].concat());
    let token = mint(
        &key,
        &["--topics", "*", "--expires", "1h", "--subject", "ann"],
    );
    let (_, secret) = token.rsplit_once('.').expect("three parts");
    let forged = token.replace(secret, &secret.chars().rev().collect::<String>());
    for token in [&token, &forged] {
        let (query, bearer) = (format!("token={token}"), format!("Bearer {token}"));
        let protocols = format!("signal-token, {token}");
        ask(&relay, Some(&query), &[]);
        ask(&relay, None, &[("Authorization", &bearer)]);
        ask(&relay, None, &[("Sec-WebSocket-Protocol", &protocols)]);
        ask(&relay, Some(&query), &[("Authorization", &bearer)]);
    }
    Peer::connect(&format!("{}/?token={token}", relay.url()))
        .await
        .ping()
        .await;
    relay.terminate();
    let (_, log) = relay.wait();
    assert!(log.contains("drained"), "the whole log: {log}");
    for part in token.split('.').chain(forged.split('.')) {
        assert!(!log.contains(part), "{log}");
    }
}

//! `signal check --conformance`: the suite, as a user runs it.

#![cfg(unix)]

mod common;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::folder::{Folder, new_key};
use common::{PATIENCE, Relay, naive, run};
use serde_json::{Value, json};

/// The end of a long report.
fn tail(text: &str) -> &str {
    text.get(text.len().saturating_sub(4_000)..).unwrap_or(text)
}

/// A port that was free a moment ago.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

#[test]
fn the_suite_is_listed_and_exported() {
    let list = run(&["check", "--list", "--level", "stock"]);
    assert_eq!(list.code(), Some(0), "{list:?}");
    assert!(list.stdout.lines().count() > 40, "{list:?}");
    assert!(
        list.stdout.lines().all(|line| line.starts_with("stock ")),
        "{list:?}"
    );
    let export: Value = serde_json::from_str(&run(&["check", "--export"]).stdout).expect("JSON");
    let scenarios = export["scenarios"].as_array().expect("scenarios");
    assert!(scenarios.len() >= 80, "{}", scenarios.len());
}

/// What it does beside the point: it cannot hold lone surrogates, and hangs up on what is not an
/// upgrade.
#[test]
fn a_server_that_writes_json_in_its_own_way_is_not_failed_for_it() {
    let ran = run(&["check", &naive::serve(true).to_string(), "--conformance"]);
    let failed = ran.stdout.lines().filter_map(|line| line.split_once("✗ "));
    let failed: Vec<_> = failed.map(|(_, id)| id).collect();
    assert_eq!(
        failed,
        ["transport.key (T1)", "publish.lone_surrogates (G9, P5)"],
        "{}",
        tail(&ran.stdout)
    );
    ran.says("! should: transport.okay (T2)");
    ran.says("expected an answer to an HTTP request");
    ran.says("The server does not report limits");
}

#[test]
fn a_missing_echo_is_one_failure_said_at_once_and_hides_no_other() {
    let started = Instant::now();
    let address = naive::serve(false).to_string();
    let parts = ["basics", "grammar", "subscribe", "publish", "ping", "order"];
    let parts = parts.iter().flat_map(|part| ["--scenario", part]);
    let arguments = ["check", &address, "--conformance", "--timeout", "2s"];
    let ran = run(&arguments.into_iter().chain(parts).collect::<Vec<_>>());
    assert_eq!(ran.code(), Some(2), "{}", tail(&ran.stdout));
    // Its library refuses lone surrogates, which is a fault of its own.
    assert_eq!(ran.stdout.matches('✗').count(), 2, "{}", tail(&ran.stdout));
    ran.says("✗ publish.lone_surrogates");
    ran.says("Begin with basics.echo");
    ran.says("/PROTOCOL.md");
    // Not only on a terminal.
    ran.says("running the suite against ");
    ran.says("✗ basics.echo: step 5: expected a: ");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

#[test]
fn a_run_may_end_at_the_first_failure_or_when_its_time_is_over() {
    let address = naive::serve(false).to_string();
    let check = |more: &[&str]| {
        let arguments = ["check", &address, "--conformance", "--timeout", "2s"];
        run(&[&arguments[..], more].concat())
    };
    let ran = check(&["--fail-fast", "--quiet"]);
    assert_eq!(ran.code(), Some(2), "{}", tail(&ran.stdout));
    ran.says("It was not run to its end: `basics.echo` failed");
    assert_eq!(ran.stderr, "");
    let ran = check(&["--max-seconds", "1", "--format", "tap"]);
    assert_ne!(ran.code(), Some(0), "{}", tail(&ran.stdout));
    ran.says("# SKIP the run was over after 1 s");
}

#[test]
fn a_scenario_that_is_not_there_is_named_with_the_nearest() {
    let ran = run(&[
        "check",
        "ws://localhost",
        "--conformance",
        "--scenario",
        "ping",
        "--scenario",
        "publsh",
    ]);
    assert_eq!(ran.code(), Some(64), "{ran:?}");
    ran.says("there is no scenario publsh");
    ran.says("did you mean publish?");
}

#[test]
fn a_relay_is_held_to_the_limits_it_tells() {
    let limits = [
        "--depth-max",
        "20",
        "--topics-per-peer-max",
        "9",
        "--message-bytes-max",
        "2KiB",
    ];
    let mut relay = Relay::start(&limits);
    let ran = run(&[
        "check",
        &relay.url(),
        "--conformance",
        "--scenario",
        "limits.message_over_limit",
        "--scenario",
        "limits.depth_over_limit",
        "--scenario",
        "limits.topics_at_limit",
        "--format",
        "json",
    ]);
    assert_eq!(ran.code(), Some(0), "{}", tail(&ran.stdout));
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(report["backend"]["limits"]["message_bytes_max"], 2_048);
    let grade = |id: &str| {
        let results = report["results"].as_array().expect("results");
        results
            .iter()
            .find(|result| result["id"] == id)
            .map(|result| result["grade"].clone())
    };
    assert_eq!(grade("limits.message_over_limit"), Some(json!("passed")));
    assert_eq!(grade("limits.depth_over_limit"), Some(json!("passed")));
    assert_eq!(grade("limits.topics_at_limit"), Some(json!("passed")));
    relay.assert_alive();
}

#[test]
fn hostile_inputs_do_our_own_relay_no_harm() {
    let mut relay = Relay::start(&[]);
    let arguments = [
        "check",
        &relay.url(),
        "--conformance",
        "--hostile",
        "--scenario",
        "robust.text",
        "--scenario",
        "robust.frame",
    ];
    let ran = run(&arguments);
    assert_eq!(ran.code(), Some(0), "{}", ran.stdout);
    ran.says("robust     PASSED");
    relay.assert_alive();
    let refused = run(&[
        "check",
        &relay.url(),
        "--conformance",
        "--scenario",
        "robust",
    ]);
    assert_eq!(refused.code(), Some(64), "{refused:?}");
    refused.says("add --hostile");
}

#[test]
fn a_server_is_started_drained_and_started_again() {
    let address = free_address();
    let signal = env!("CARGO_BIN_EXE_signal");
    let start = format!("{signal} serve --listen {address} --drain-seconds 1");
    let scenarios = [
        "--scenario",
        "lifecycle.drain",
        "--scenario",
        "lifecycle.restart",
    ];
    let arguments = ["check", &address, "--conformance", "--start", &start];
    let ran = run(&[&arguments[..], &scenarios].concat());
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("lifecycle  PASSED: 2 passed");
    let deadline = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(&address).is_ok() {
        assert!(Instant::now() < deadline, "the server outlives the check");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_command_that_starts_no_server_is_reported() {
    let ran = run(&[
        "check",
        &free_address(),
        "--conformance",
        "--start",
        "exit 3",
    ]);
    assert_eq!(ran.code(), Some(64), "{ran:?}");
    ran.says("`exit 3` ended at once (exit status: 3)");
    let relay = Relay::start(&[]);
    let ran = run(&[
        "check",
        relay.address(),
        "--conformance",
        "--start",
        "exit 3",
    ]);
    assert_eq!(ran.code(), Some(64), "{ran:?}");
    ran.says("something else listens on");
}

#[tokio::test]
async fn a_server_that_refuses_is_not_reported_as_failed_scenarios() {
    let relay = Relay::start(&["--peers-max", "1"]);
    let _place = relay.connect().await;
    let ran = run(&["check", &relay.url(), "--conformance"]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("the relay is full or restarts");
    assert!(!ran.stdout.contains("stock"), "{ran:?}");
}

/// What a server asks of its clients: a key in a file, an audience, an origin.
#[test]
fn a_relay_that_asks_for_tokens_is_held_to_them() {
    let folder = Folder::new("conformance-access");
    let key = new_key(&folder, "key.jwk", &["--algorithm", "EdDSA"]);
    let mut relay = Relay::start(&[
        "--token-key-file",
        &key,
        "--token-audience",
        "relay.example",
        "--origins",
        "https://app.example",
    ]);
    let url = relay.url();
    let check = |key: &str, audience: &str, origin: &str| {
        run(&[
            "check",
            &url,
            "--conformance",
            "--scenario",
            "access",
            "--scenario",
            "publish.echo",
            "--token-key-file",
            key,
            "--token-audience",
            audience,
            "--only-origin",
            origin,
        ])
    };
    let ran = check(&key, "relay.example", "https://app.example");
    assert_eq!(ran.code(), Some(0), "{}", tail(&ran.stdout));
    ran.says("access     PASSED: 76 passed, 4 skipped");
    ran.says("stock      PASSED: 1 passed");
    relay.assert_alive();

    let ran = check(&key, "relay.example", "https://elsewhere.example");
    assert_eq!(ran.code(), Some(1), "{}", tail(&ran.stdout));
    ran.says("✗ access.origin.allowed");
    let ran = check(&key, "somebody else", "https://app.example");
    assert_eq!(ran.code(), Some(2), "{}", tail(&ran.stdout));
    ran.says("the token is for another audience (aud) than this relay's");
    let ran = check("nowhere.jwk", "relay.example", "https://app.example");
    assert_eq!(ran.code(), Some(64), "{}", tail(&ran.stdout));
    ran.says("the key file nowhere.jwk cannot be read");
}

//! The vectors that every relay of this project is held to, through the Worker.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use signal_conformance::Event;
use signal_testwire::{PATIENCE, until};

use crate::live::{Policy, Row, Vectors};
use crate::server::Workerd;
use crate::workerd;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shared_vector_is_judged_as_written() {
    let vectors = Vectors::read();
    let mut wrong = Vec::new();
    for (name, policy) in &vectors.relays {
        let variables = variables(policy);
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let Some(server) = workerd(&format!("vectors-{name}"), &variables).await else {
            return;
        };
        for row in vectors.rows_for(name) {
            wrong.extend(check(&server, policy, row).await);
        }
    }
    assert!(vectors.rows.len() > 150);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn variables(policy: &Policy) -> Vec<(&'static str, String)> {
    let origins = policy.origins.join(",");
    let all = [
        ("TOKEN_KEYS", policy.keys()),
        ("TOKEN_AUDIENCE", policy.audience.clone()),
        ("TOKEN_IN", policy.token_in.clone()),
        ("TOKEN_ISSUER", policy.issuer.clone()),
        ("TOKEN_TOPICS_CLAIM", policy.topics_claim.clone()),
        ("TOKEN_TOPICS_DEFAULT", policy.topics_default.clone()),
        ("SIGNAL_ORIGINS", (!origins.is_empty()).then_some(origins)),
        // Rows whose token ends in an hour have clients that say nothing until then.
        ("SIGNAL_SILENCE_MAX", Some("0".to_owned())),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

async fn check(server: &Workerd, policy: &Policy, row: &Row) -> Vec<String> {
    if let Some(now) = row.now {
        server.set_time(Duration::from_secs(now)).await.unwrap();
    }
    let refused = refusals(server).len();
    let mut wrong = row.differences(policy, address(server)).await;
    if let Some(error) = &row.expected.error {
        until("a line in the log", || async {
            refusals(server).len() > refused
        })
        .await;
        let named = format!("\"{error}\"");
        let lines = refusals(server).split_off(refused);
        if lines.len() != 1 || !lines[0].contains(&named) {
            wrong.push(format!("{}: {error} in {lines:?}", row.name));
        }
    }
    if let Some(seconds) = row.expected.seconds_left {
        wrong.extend(check_end(server, row, Duration::from_secs(seconds)).await);
    }
    wrong
}

/// The connection is there until its token ends, and no longer, though the object sleeps meanwhile.
async fn check_end(server: &Workerd, row: &Row, left: Duration) -> Option<String> {
    const PART: Duration = Duration::from_millis(900);
    // The clock goes on by itself. It is set before each step, so that only a step must be done in
    // time, not all.
    let now = row.now.map(Duration::from_secs).unwrap_or_default();
    server.set_time(now).await.unwrap();
    let mut peer = row.connect(address(server)).await;
    // The runtime ends a connection on which nothing was ever received ten seconds after its close.
    peer.send_text(r#"{"type":"ping"}"#).await;
    let pong = peer.receive(PATIENCE).await;
    assert_eq!(pong.text(), Some(r#"{"type":"pong"}"#));
    server.evict("global").await.unwrap();
    server.set_time(now + left - PART).await.unwrap();
    let before = peer.receive(Duration::from_millis(1)).await;
    server.set_time(now + left).await.unwrap();
    let after = peer.receive(PATIENCE).await;
    let is_right = before == Event::Nothing && matches!(after, Event::Closed { code: 4401, .. });
    (!is_right).then(|| format!("{}: {before:?}, then {after:?}", row.name))
}

/// The lines of the log that tell of a refusal.
fn refusals(server: &Workerd) -> Vec<String> {
    let log = server.log();
    let lines = log
        .lines()
        .filter(|line| line.contains(r#""event":"refuse""#));
    lines.map(str::to_owned).collect()
}

fn address(server: &Workerd) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, server.relay_port).into()
}

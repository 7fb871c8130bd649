//! What a scrape reads.

mod common;

use std::collections::BTreeSet;

use common::{ask, open, relay, upgrade};
use signal_tokio::{AuthResult, Config, Grant, Refusal, Relay, UpgradeRequest};

/// The value of a series, written as in the text.
fn value(text: &str, series: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}"))
        .parse()
        .expect("a number")
}

/// All series, without their values.
fn series(relay: &Relay) -> BTreeSet<String> {
    let text = relay.open_metrics();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').expect("a value").0.to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_peers_do_is_counted() {
    let relay = relay(|config| config.peers_max = 7);
    let (mut ann, mut ben) = (open(&relay).await, open(&relay).await);
    for peer in [&mut ann, &mut ben] {
        peer.subscribe("t").await;
        peer.settle().await;
    }
    ann.publish("t", 1).await;
    ann.send(r#"{"type":"ping"}"#).await;
    ann.send("not json").await;
    let got = ann.next_text().await;
    assert_eq!(ann.next_json().await["type"], "pong");
    ann.settle().await;
    let text = relay.open_metrics();
    for (series, expected) in [
        ("signal_build_info{version=\"0.1.0\"}", 1.0),
        ("signal_lifecycle{state=\"serving\"}", 1.0),
        ("signal_lifecycle{state=\"draining\"}", 0.0),
        ("signal_peers", 2.0),
        ("signal_peers_max", 7.0),
        ("signal_topics", 1.0),
        ("signal_subscriptions", 2.0),
        ("signal_upgrades_total", 2.0),
        ("signal_received_total{type=\"subscribe\"}", 2.0),
        ("signal_received_total{type=\"publish\"}", 1.0),
        ("signal_received_total{type=\"ping\"}", 1.0),
        ("signal_received_total{type=\"other\"}", 1.0),
        ("signal_received_bytes_total{type=\"other\"}", 8.0),
        ("signal_sent_total{type=\"publish\"}", 2.0),
        ("signal_sent_total{type=\"pong\"}", 1.0),
        (
            "signal_sent_bytes_total{type=\"publish\"}",
            2.0 * (got.len() as f64 + 2.0),
        ),
        ("signal_ignored_total{cause=\"not_json\"}", 1.0),
        ("signal_fan_out_sum", 2.0),
        ("signal_fan_out_bucket{le=\"1.0\"}", 0.0),
        ("signal_fan_out_bucket{le=\"2.0\"}", 1.0),
        ("signal_fan_out_bucket{le=\"+Inf\"}", 1.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series}\n{text}");
    }
    assert!(text.contains("# TYPE signal_upgrades counter\n"), "{text}");
    assert!(text.contains("# UNIT signal_turn_seconds seconds\n"));
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn no_peer_can_add_a_series_or_put_a_word_into_one() {
    let relay = relay(|config| config.core.messages_burst = 20);
    let before = series(&relay);
    let mut peer = open(&relay).await;
    peer.subscribe("mallory\"} 1\nsignal_peers 9").await;
    peer.publish("mallory", "\"mallory\"").await;
    peer.send(r#"{"type":"mallory"}"#).await;
    peer.send_frame(common::PING, b"mallory").await;
    for _ in 0..100 {
        peer.send("mallory").await;
    }
    while peer.next().await.is_some() {}
    drop(peer);
    common::until(&relay, "it has gone", |stats| stats.peers == 0).await;
    assert_eq!(series(&relay), before);
    assert!(!relay.open_metrics().contains("mallory"));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_slow_peer_is_shown() {
    let relay = relay(|_| {});
    let (mut slow, mut publisher) = (open(&relay).await, open(&relay).await);
    slow.subscribe("t").await;
    slow.settle().await;
    let data = format!("\"{}\"", "x".repeat(60_000));
    for _ in 0..10 {
        publisher.publish("t", &data).await;
    }
    publisher.settle().await;
    let text = relay.open_metrics();
    let (all, largest) = (
        value(&text, "signal_queue_bytes"),
        value(&text, "signal_queue_largest_bytes"),
    );
    assert!(largest > 300_000.0, "{largest} bytes wait");
    assert!(all >= largest && all < largest + 1_000.0, "{all} in all");
    assert!(largest <= value(&text, "signal_queue_limit_bytes"));
}

#[tokio::test(start_paused = true)]
async fn what_the_authorizer_answers_is_counted_by_name() {
    let judge = |request: &UpgradeRequest<'_>| {
        let refusal = Refusal::new(401, "no");
        match request.uri.path() {
            "/open" => Ok(Grant::open()),
            "/expired" => Err(refusal.auth_result(AuthResult::from_name("expired"))),
            "/mallory" => Err(refusal.auth_result(AuthResult::from_name("mallory"))),
            _ => Err(refusal),
        }
    };
    let relay = Relay::with_authorizer(Config::default(), judge).expect("valid settings");
    for path in ["/open", "/expired", "/expired", "/mallory", "/"] {
        let request = upgrade(path, &[]);
        ask(&relay, &request).await;
    }
    let text = relay.open_metrics();
    for (result, count) in [
        ("granted", 1.0),
        ("expired", 2.0),
        ("refused", 2.0),
        ("missing", 0.0),
    ] {
        let series = format!("signal_auth_total{{result=\"{result}\"}}");
        assert_eq!(value(&text, &series), count, "{text}");
    }
    assert_eq!(
        value(&text, "signal_refusals_total{cause=\"unauthorized\"}"),
        4.0
    );
}

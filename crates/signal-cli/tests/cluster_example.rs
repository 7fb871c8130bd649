//! `examples/cluster`: what it says of the relay is so.

mod common;

use common::{run_command, signal};
use signal_testwire::installed;

const COMPOSE: &str = include_str!("../../../examples/cluster/compose.yaml");
const KUBERNETES: &str = include_str!("../../../examples/cluster/kubernetes.yaml");
const CADDYFILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../examples/cluster/Caddyfile"
);

/// What follows a word in a file, up to the end of the line.
fn value<'a>(text: &'a str, word: &str) -> &'a str {
    let (_, rest) = text.split_once(word).unwrap_or_else(|| panic!("no {word}"));
    let line = rest.lines().next().unwrap_or_default();
    line.trim().trim_end_matches('}').trim().trim_matches('"')
}

#[test]
fn every_variable_is_a_setting_with_a_value_that_can_be() {
    for (nats, drain, proxies) in [
        (
            value(COMPOSE, "SIGNAL_CLUSTER_NATS:"),
            value(COMPOSE, "SIGNAL_DRAIN_SECONDS:"),
            value(COMPOSE, "SIGNAL_TRUSTED_PROXIES:"),
        ),
        (
            value(
                KUBERNETES,
                "name: SIGNAL_CLUSTER_NATS\n              value:",
            ),
            value(KUBERNETES, "name: SIGNAL_DRAIN_SECONDS, value:"),
            value(KUBERNETES, "name: SIGNAL_TRUSTED_PROXIES, value:"),
        ),
    ] {
        assert_eq!(nats.split(',').count(), 3, "{nats}");
        let mut command = signal(&["config", "check"]);
        command.env("SIGNAL_CLUSTER_NATS", nats);
        command.env("SIGNAL_DRAIN_SECONDS", drain);
        command.env("SIGNAL_TRUSTED_PROXIES", proxies);
        let checked = run_command(&mut command);
        assert_eq!(checked.code(), Some(0), "{checked:?}");
    }
}

#[test]
fn both_wait_for_the_drain() {
    let close = signal_tokio::Config::default().close_timeout.as_secs();
    let seconds = |text: &str| -> u64 { text.trim_end_matches('s').parse().expect("a number") };
    let grace = seconds(value(COMPOSE, "stop_grace_period:"));
    let drain = seconds(value(COMPOSE, "SIGNAL_DRAIN_SECONDS:"));
    assert!(grace > drain + close, "Compose kills after {grace} s");

    // The relays, not the NATS servers before them.
    let (_, relays) = KUBERNETES
        .split_once("name: signal\n  labels")
        .expect("relays");
    let grace = seconds(value(relays, "terminationGracePeriodSeconds:"));
    let drain = seconds(value(relays, "name: SIGNAL_DRAIN_SECONDS, value:"));
    let pause = seconds(value(relays, "sleep: { seconds:"));
    assert!(grace > pause + drain + close, "killed after {grace} s");
}

#[test]
fn a_server_takes_the_longest_batch_of_a_relay() {
    let batch = run_command(&mut signal(&["config", "print"]));
    batch.says("cluster_batch_bytes_max = \"256KiB\"");
    let conf = include_str!("../../../examples/cluster/nats.conf");
    for text in [conf, KUBERNETES] {
        assert_eq!(value(text, "max_payload:"), "1MB");
    }
}

#[test]
fn the_caddyfile_is_one() {
    let Some(caddy) = installed("SIGNAL_CADDY") else {
        return;
    };
    let mut command = common::clean(caddy);
    command.args(["validate", "--adapter", "caddyfile", "--config", CADDYFILE]);
    let checked = run_command(&mut command);
    assert_eq!(checked.code(), Some(0), "{checked:?}");
}

//! `signal check --cluster`: several addresses, judged as one service.

mod common;

use common::{Relay, run};

/// What shows whether nodes are one service.
const SCENARIOS: [&str; 4] = ["--scenario", "cluster", "--scenario", "publish.echo"];

fn check(urls: &[&str], more: &[&str]) -> common::Ran {
    run(&[&["check", "--cluster"], urls, &["--quiet"], more].concat())
}

#[test]
fn two_addresses_of_one_relay_are_one_service() {
    let relay = Relay::start(&[]);
    let urls = [relay.url(), format!("{}/another/path", relay.url())];
    let ran = check(&urls.each_ref().map(String::as_str), &SCENARIOS);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("cluster    PASSED");
    ran.says("stock      PASSED: 1 passed");
    ran.says("Peers were placed on 2 nodes at random; --seed ");
}

#[test]
fn two_relays_that_do_not_know_each_other_are_not() {
    let relays = [Relay::start(&[]), Relay::start(&[])];
    let urls = relays.each_ref().map(Relay::url);
    let urls = urls.each_ref().map(String::as_str);
    let meet = ["--scenario", "cluster.meet", "--timeout", "1s"];
    let ran = check(&urls, &[&meet[..], &["--seed", "7"]].concat());
    assert_ne!(ran.code(), Some(0), "{ran:?}");
    ran.says("✗ cluster.meet (M1, M2)");
    ran.says("expected a and b: at least one hears the other");
    ran.says("--seed 7 places them so again");
    ran.says("crates/signal-cluster/CLUSTER.md");
}

#[test]
fn a_node_that_cannot_be_reached_is_named() {
    let relay = Relay::start(&[]);
    let ran = check(&[&relay.url(), "ws://127.0.0.1:1"], &[]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("❌ BROKEN: ws://127.0.0.1:1");
}

#[test]
fn one_address_is_not_a_cluster() {
    let ran = run(&["check", "--cluster", "ws://127.0.0.1:1"]);
    assert_eq!(ran.code(), Some(64), "{ran:?}");
    ran.says("2 values required");
}

//! Relays that are nodes of a cluster on a NATS server.

use serde_json::Value;
use signal_testwire::until_blocking;

use crate::common::Relay;

/// A relay with short beats, which is a node of the cluster on these servers.
pub(crate) fn node(servers: &str, more: &[&str]) -> Relay {
    let arguments = [
        "--admin-listen",
        "127.0.0.1:0",
        "--cluster-beat",
        "100ms",
        "--cluster-nats",
        servers,
    ];
    Relay::start(&[&arguments[..], more].concat())
}

pub(crate) fn get(relay: &Relay, path: &str) -> signal_testwire::Answer {
    let admin = relay.listening["admin"]
        .as_str()
        .expect("the admin address");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    signal_testwire::ask(admin, &request)
}

/// The value of a metric.
pub(crate) fn count(relay: &Relay, metric: &str) -> f64 {
    let page = get(relay, "/metrics").body;
    let mut lines = page.lines().filter_map(|line| line.rsplit_once(' '));
    let line = lines.find(|(name, _)| *name == metric);
    let (_, value) = line.unwrap_or_else(|| panic!("{metric} is not in:\n{page}"));
    value.parse().expect("a number")
}

/// What the status page shows of the node.
pub(crate) fn shown(relay: &Relay) -> Value {
    let status: Value = serde_json::from_str(&get(relay, "/status.json").body).expect("JSON");
    status["cluster"].clone()
}

pub(crate) fn hears(relay: &Relay, others: usize) {
    until_blocking("it hears the other nodes", || {
        let shown = shown(relay);
        let is_so = shown["others"].as_array()?.len() == others && shown["is_ready"] == true;
        is_so.then_some(())
    });
}

pub(crate) fn is_ready(relay: &Relay) {
    until_blocking("it is ready", || {
        (get(relay, "/readyz").status == 200).then_some(())
    });
}

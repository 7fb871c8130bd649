use std::time::Duration;

use signal_tokio::cluster::{ClusterConfig, ClusterStats, NodeId};
use signal_tokio::{Config, Relay};
use tokio::io::DuplexStream;
use tokio::time::{sleep, timeout};

use crate::air::Air;
use crate::common::{Wire, ask, config, lift_budgets, open};

pub(crate) const BEAT: Duration = Duration::from_secs(1);

pub(crate) type Peer = Wire<DuplexStream>;

/// A relay on this air.
pub(crate) fn node(air: &Air) -> Relay {
    node_with(air, |_| {}, |_| {})
}

pub(crate) fn node_with(
    air: &Air,
    change: impl FnOnce(&mut Config),
    change_cluster: impl FnOnce(&mut ClusterConfig),
) -> Relay {
    let air = air.clone();
    let mut cluster = ClusterConfig::default();
    change_cluster(&mut cluster);
    let config = config(|config| {
        // Days pass in a moment here, and nobody answers.
        config.core.ping_interval = Duration::ZERO;
        lift_budgets(config);
        change(config);
    });
    let builder = Relay::builder(config);
    let builder = builder.cluster(cluster, move |id| air.join(id));
    builder.build().expect("valid settings")
}

/// Relays that know each other and may be homes.
pub(crate) async fn nodes<const N: usize>(air: &Air) -> [Relay; N] {
    know_each_other(std::array::from_fn(|_| node(air))).await
}

pub(crate) async fn know_each_other<const N: usize>(relays: [Relay; N]) -> [Relay; N] {
    for relay in &relays {
        joined(relay, N - 1).await;
    }
    // Until each has heard from all that they are ready.
    sleep(2 * BEAT).await;
    relays
}

/// Waits until the node is ready and hears so many others.
pub(crate) async fn joined(relay: &Relay, others: usize) {
    cluster_until(relay, "all are there", |stats| {
        stats.is_ready && stats.nodes.len() == others
    })
    .await;
}

pub(crate) async fn cluster_until(
    relay: &Relay,
    what: &str,
    mut is_so: impl FnMut(&ClusterStats) -> bool,
) {
    let is_in_time = signal_testwire::in_time(|| std::future::ready(is_so(&stats(relay)))).await;
    assert!(is_in_time, "not in time: {what}; {:?}", stats(relay));
}

pub(crate) fn stats(relay: &Relay) -> ClusterStats {
    relay.cluster_stats().expect("a node of a cluster")
}

pub(crate) fn id(relay: &Relay) -> NodeId {
    stats(relay).node.id
}

pub(crate) async fn member(relay: &Relay, topic: &str) -> Peer {
    let mut peer = open(relay).await;
    peer.subscribe(topic).await;
    peer.settle().await;
    peer
}

/// The next publish that a peer gets.
pub(crate) async fn next(peer: &mut Peer) -> serde_json::Value {
    loop {
        let message = peer.next_json().await;
        // Sent to those who have heard nothing for long.
        if message["type"] != "pong" {
            return message;
        }
    }
}

/// All that a peer has got, once it has got nothing for a while.
pub(crate) async fn all(peer: &mut Peer) -> Vec<serde_json::Value> {
    let mut messages = Vec::new();
    while let Ok(message) = timeout(Duration::from_secs(5), next(peer)).await {
        messages.push(message);
    }
    messages
}

pub(crate) async fn announce(peer: &mut Peer, topic: &str) {
    peer.subscribe(topic).await;
    peer.publish(topic, r#"{"type":"announce"}"#).await;
}

pub(crate) async fn page(relay: &Relay) -> (Peer, String, String) {
    let request = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (mut wire, head) = ask(relay, request).await;
    let body = wire.rest().await;
    (wire, head, body)
}

pub(crate) async fn ready(relay: &Relay) -> u16 {
    let (_, head, _) = page(relay).await;
    head[9..12].parse().expect("a status")
}

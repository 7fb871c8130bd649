//! How nodes go, and when they are ready.

use std::time::Duration;

use tokio::time::sleep;

use crate::air::Air;
use crate::common::open;
use crate::nodes::*;

#[tokio::test(start_paused = true)]
async fn a_node_that_drains_moves_its_peers_and_is_missed_by_nobody() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let mut ann = member(&a, "garden").await;
    let mut bob = member(&b, "garden").await;
    sleep(BEAT).await;

    let drain = tokio::spawn({
        let b = b.clone();
        async move { b.drain().await }
    });
    assert_eq!(bob.closed().await, 1012);
    let mut bob = open(&a).await;
    announce(&mut bob, "garden").await;
    let message = next(&mut ann).await;
    assert_eq!(message["data"]["type"], "announce");
    drain.await.expect("no panic");
    // At once, and not after it has been silent for five seconds.
    sleep(Duration::from_millis(200)).await;
    assert_eq!(stats(&a).nodes, []);
    bob.publish("garden", 1).await;
    assert_eq!(next(&mut ann).await["clients"], 2);
}

/// Or what is published in the moment of its end would be lost.
#[tokio::test(start_paused = true)]
async fn a_node_that_drains_is_home_of_nothing_before_its_last_peer_goes() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let mut ann = open(&a).await;
    for number in 0..40 {
        ann.subscribe(&format!("room {number}")).await;
    }
    let _bobs = [member(&b, "garden").await, member(&b, "garden").await];
    sleep(BEAT).await;
    assert!(stats(&b).homed > 0);
    let drain = tokio::spawn({
        let b = b.clone();
        async move { b.drain().await }
    });
    sleep(Duration::from_millis(500)).await;
    assert_eq!((stats(&a).homed, stats(&b).homed), (41, 0));
    assert_eq!(stats(&a).nodes.len(), 1, "it is there still");
    drain.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_dropped_says_good_bye() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let id = id(&b);
    drop(b);
    cluster_until(&a, "it is alone", |stats| stats.nodes.is_empty()).await;
    assert_eq!(stats(&a).counts.silent, 0, "{id} has left");
}

#[tokio::test(start_paused = true)]
async fn a_node_is_not_ready_until_it_knows_the_others() {
    let air = Air::default();
    let relay = node(&air);
    let (_, head, body) = page(&relay).await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(body, r#"{"ready":false,"reason":"joining_cluster"}"#);
    joined(&relay, 0).await;
    assert_eq!(ready(&relay).await, 200);
    air.cut(id(&relay));
    sleep(BEAT).await;
    assert_eq!(ready(&relay).await, 200, "it goes on alone");
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_cluster_is_required_is_not_ready_without_its_bus() {
    let air = Air::default();
    let relay = node_with(&air, |_| {}, |cluster| cluster.cluster_required = true);
    joined(&relay, 0).await;
    assert_eq!(ready(&relay).await, 200);
    air.cut(id(&relay));
    sleep(2 * BEAT).await;
    let (_, _, body) = page(&relay).await;
    assert_eq!(body, r#"{"ready":false,"reason":"cluster_bus_down"}"#);
    air.heal(id(&relay));
    sleep(2 * BEAT).await;
    assert_eq!(ready(&relay).await, 200);
}

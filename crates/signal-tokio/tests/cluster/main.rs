//! Relays of one process that serve as one, in virtual time.

mod air;
mod alone;
mod charges;
#[path = "../common/mod.rs"]
mod common;
mod drain;
mod faults;
mod nodes;

use std::time::Duration;

use signal_tokio::cluster::ClusterConfig;
use signal_tokio::{Config, Relay};
use tokio::time::sleep;

use crate::air::Air;
use crate::common::{config, listen, open, open_tcp};
use crate::nodes::*;

#[tokio::test(start_paused = true)]
async fn a_publish_reaches_the_subscribers_of_all_nodes_and_counts_them() {
    let air = Air::default();
    let [a, b, c] = nodes(&air).await;
    let mut ann = member(&a, "garden").await;
    let mut bob = member(&b, "garden").await;
    let mut cem = member(&c, "garden").await;
    let mut dan = member(&c, "cellar").await;
    sleep(BEAT).await;

    ann.publish("garden", 1).await;
    for peer in [&mut ann, &mut bob, &mut cem] {
        let message = next(peer).await;
        assert_eq!(message["data"], 1);
        assert_eq!(message["clients"], 3);
    }
    cem.send(r#"{"type":"unsubscribe","topics":["garden"]}"#)
        .await;
    sleep(BEAT).await;
    bob.publish("garden", 2).await;
    for peer in [&mut ann, &mut bob] {
        assert_eq!(next(peer).await["clients"], 2);
    }
    assert_eq!(all(&mut cem).await, [] as [serde_json::Value; 0]);
    assert_eq!(all(&mut dan).await, [] as [serde_json::Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_publishes_on_one_node_is_heard_on_all() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let mut bob = member(&b, "garden").await;
    sleep(BEAT).await;
    let here = a.publish("garden", "1").expect("it is JSON");
    assert_eq!(here, 0, "nobody is on this node");
    assert_eq!(next(&mut bob).await["data"], 1);
}

#[tokio::test(start_paused = true)]
async fn two_who_open_a_room_in_the_same_moment_on_two_nodes_meet() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    for room in 0..100 {
        let topic = format!("room {room}");
        let (mut ann, mut bob) = (open(&a).await, open(&b).await);
        let ((), ()) = tokio::join!(announce(&mut ann, &topic), announce(&mut bob, &topic));
        let heard = [all(&mut ann).await, all(&mut bob).await];
        // Each hears itself.
        assert!(
            heard.iter().any(|messages| messages.len() == 2),
            "{topic}: {heard:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_doubled_or_out_of_order_on_a_bus_that_loses_repeats_and_reorders() {
    const PUBLISHES: u64 = 300;
    let air = Air::default();
    // However many beats are lost.
    let patient = |cluster: &mut ClusterConfig| {
        cluster.nodes.cluster_dead_after = Duration::from_secs(600);
    };
    let relays = [(); 3].map(|()| node_with(&air, |_| {}, patient));
    let [a, b, c] = know_each_other(relays).await;
    // Topics with different homes.
    for topic in ["t0", "t1", "t2", "t3", "t4", "t5"] {
        let mut ann = member(&a, topic).await;
        let mut bob = member(&b, topic).await;
        let mut cem = member(&c, topic).await;
        sleep(BEAT).await;
        air.disturb(7, 20, 20, 20);
        for number in 0..PUBLISHES {
            ann.publish(topic, number).await;
            if number % 5 == 0 {
                sleep(Duration::from_millis(200)).await;
            }
        }
        air.calm();
        for peer in [&mut ann, &mut bob, &mut cem] {
            let got = all(peer).await;
            let got: Vec<_> = got.iter().map(|message| message["data"].as_u64()).collect();
            let sent: Vec<_> = (0..PUBLISHES).map(Some).collect();
            assert_eq!(got, sent, "{topic}");
        }
    }
    let resent = [&a, &b, &c].map(|relay| stats(relay).counts.resent);
    assert!(resent.iter().sum::<u64>() > 0, "the bus was disturbed");
}

#[tokio::test(start_paused = true)]
async fn what_a_publish_causes_on_other_nodes_is_charged_to_its_peer() {
    let air = Air::default();
    let change = |config: &mut Config| {
        config.core.fan_out_per_second = 1;
        config.core.fan_out_burst = 12;
    };
    let a = node_with(&air, change, |_| {});
    let b = node(&air);
    joined(&a, 1).await;
    sleep(2 * BEAT).await;
    let mut ann = member(&a, "garden").await;
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(member(&b, "garden").await);
    }
    sleep(BEAT).await;
    for number in 0..4 {
        ann.publish("garden", number).await;
    }
    // Six each, so that two are within the budget; the one that exceeds it is still carried out.
    ann.settle_among_others().await;
    let got = all(&mut others[0]).await;
    assert!(got.len() < 4, "{got:?}");
    assert!(got.iter().all(|message| message["clients"] == 6), "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn what_peers_may_say_has_to_fit_between_nodes() {
    let air = Air::default();
    let config = config(|config| {
        config.core.message_bytes_max = 1 << 20;
        config.outbound_bytes_max = 4 << 20;
    });
    let error = Relay::builder(config)
        .cluster(ClusterConfig::default(), move |id| air.join(id))
        .build()
        .expect_err("a message that never gets to another node");
    let error = error.to_string();
    assert!(
        error.starts_with("cluster_batch_bytes_max is 256KiB"),
        "{error}"
    );
    assert!(error.ends_with("because of message_bytes_max"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_node_says_no_more_than_its_beat() {
    let air = Air::default();
    let [_a, _b] = nodes(&air).await;
    sleep(10 * BEAT).await;
    let before = air.messages();
    sleep(100 * BEAT).await;
    let messages = air.messages() - before;
    assert!((190..=210).contains(&messages), "{messages} messages");
}

/// Sockets and threads, in real time: connections that live in the reactors of several threads.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn peers_of_threads_and_tasks_meet_over_sockets() {
    let air = Air::default();
    let fast = |cluster: &mut ClusterConfig| {
        cluster.nodes.cluster_beat = Duration::from_millis(50);
        // However slow the machine is.
        cluster.nodes.cluster_dead_after = Duration::from_secs(600);
    };
    let a = node_with(&air, |_| {}, fast);
    let b = node_with(&air, |_| {}, fast);
    joined(&a, 1).await;
    joined(&b, 1).await;
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let serving = a.serve_per_core(any, 2).expect("a free port");
    let at_a = serving.local_address().expect("it is TCP");
    let at_b = listen(&b).await;
    for room in 0..20 {
        let topic = format!("room {room}");
        let (mut ann, mut bea) = (open_tcp(at_a).await, open_tcp(at_a).await);
        let mut bob = open_tcp(at_b).await;
        for peer in [&mut ann, &mut bea, &mut bob] {
            peer.subscribe(&topic).await;
            peer.settle().await;
        }
        // Whatever the home of the topic knows by now, it hears of bob before bob's publish.
        bob.publish(&topic, 1).await;
        assert_eq!(bob.next_json().await["data"], 1);
        loop {
            bob.publish(&topic, 2).await;
            if bob.next_json().await["clients"] == 3 {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        ann.publish(&topic, 3).await;
        for peer in [&mut ann, &mut bea, &mut bob] {
            while peer.next_json().await["data"] != 3 {}
        }
    }
    a.drain().await;
    tokio::task::spawn_blocking(move || serving.join())
        .await
        .expect("no panic");
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn a_node_has_metrics_and_a_relay_that_is_none_has_not() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let mut ann = member(&a, "garden").await;
    let _bob = member(&b, "garden").await;
    sleep(BEAT).await;
    ann.publish("garden", 1).await;
    next(&mut ann).await;
    sleep(BEAT).await;
    let lines = [a.open_metrics(), b.open_metrics()];
    for (node, line) in [
        (0, "signal_cluster_nodes 2"),
        (0, "signal_cluster_bus_up 1"),
        (1, "signal_cluster_passed_total 1"),
        (1, "signal_cluster_dropped_total{cause=\"malformed\"} 0"),
    ] {
        let text = &lines[node];
        assert!(text.lines().any(|shown| shown == line), "{line}:\n{text}");
    }
    let alone = common::relay(|_| {});
    assert!(!alone.open_metrics().contains("cluster"));
}

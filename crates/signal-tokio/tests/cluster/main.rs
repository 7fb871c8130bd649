//! Relays of one process that serve as one, in virtual time.

mod air;
#[path = "../common/mod.rs"]
mod common;

use std::time::Duration;

use air::Air;
use common::{Wire, ask, config, lift_budgets, listen, open, open_tcp};
use signal_tokio::cluster::{ClusterConfig, ClusterStats, NodeId};
use signal_tokio::{CloseReason, Config, Ending, Relay};
use tokio::io::DuplexStream;
use tokio::time::{sleep, timeout};

const BEAT: Duration = Duration::from_secs(1);

type Peer = Wire<DuplexStream>;

/// A relay on this air.
fn node(air: &Air) -> Relay {
    node_with(air, |_| {}, |_| {})
}

fn node_with(
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
async fn nodes<const N: usize>(air: &Air) -> [Relay; N] {
    know_each_other(std::array::from_fn(|_| node(air))).await
}

async fn know_each_other<const N: usize>(relays: [Relay; N]) -> [Relay; N] {
    for relay in &relays {
        joined(relay, N - 1).await;
    }
    // Until each has heard from all that they are ready.
    sleep(2 * BEAT).await;
    relays
}

/// Waits until the node is ready and hears so many others.
async fn joined(relay: &Relay, others: usize) {
    cluster_until(relay, "all are there", |stats| {
        stats.is_ready && stats.nodes.len() == others
    })
    .await;
}

async fn cluster_until(relay: &Relay, what: &str, mut is_so: impl FnMut(&ClusterStats) -> bool) {
    let is_in_time = signal_testwire::in_time(|| std::future::ready(is_so(&stats(relay)))).await;
    assert!(is_in_time, "not in time: {what}; {:?}", stats(relay));
}

fn stats(relay: &Relay) -> ClusterStats {
    relay.cluster_stats().expect("a node of a cluster")
}

fn id(relay: &Relay) -> NodeId {
    stats(relay).node.id
}

async fn member(relay: &Relay, topic: &str) -> Peer {
    let mut peer = open(relay).await;
    peer.subscribe(topic).await;
    peer.settle().await;
    peer
}

/// The next publish that a peer gets.
async fn next(peer: &mut Peer) -> serde_json::Value {
    loop {
        let message = peer.next_json().await;
        // Sent to those who have heard nothing for long.
        if message["type"] != "pong" {
            return message;
        }
    }
}

/// All that a peer has got, once it has got nothing for a while.
async fn all(peer: &mut Peer) -> Vec<serde_json::Value> {
    let mut messages = Vec::new();
    while let Ok(message) = timeout(Duration::from_secs(5), next(peer)).await {
        messages.push(message);
    }
    messages
}

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

async fn announce(peer: &mut Peer, topic: &str) {
    peer.subscribe(topic).await;
    peer.publish(topic, r#"{"type":"announce"}"#).await;
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
async fn those_of_a_node_that_is_gone_are_not_counted_any_more() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let mut ann = member(&a, "garden").await;
    let _bob = member(&b, "garden").await;
    sleep(BEAT).await;
    ann.publish("garden", 1).await;
    assert_eq!(next(&mut ann).await["clients"], 2);

    air.cut(id(&b));
    sleep(Duration::from_secs(7)).await;
    assert_eq!(stats(&a).nodes, []);
    ann.publish("garden", 2).await;
    assert_eq!(next(&mut ann).await["clients"], 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_to_a_topic_does_not_find_the_counts_of_before() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let ann = member(&a, "garden").await;
    let bob = member(&b, "garden").await;
    sleep(BEAT).await;
    drop(ann);
    sleep(BEAT).await;
    drop(bob);
    sleep(BEAT).await;
    let mut ann = member(&a, "garden").await;
    ann.publish("garden", 1).await;
    assert_eq!(next(&mut ann).await["clients"], 1);
}

/// All that a hundred peers say in one moment, before the task has a turn.
#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_the_mailbox_is_counted_and_its_publishers_announce_again() {
    const PEERS: usize = 100;
    let air = Air::default();
    let small = |cluster: &mut ClusterConfig| cluster.cluster_mailbox_bytes_max = 1 << 20;
    let a = node_with(&air, |_| {}, small);
    let b = node(&air);
    let [a, b] = know_each_other([a, b]).await;
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for number in 0..PEERS {
        here.push(member(&a, &format!("room {number}")).await);
        there.push(member(&b, &format!("room {number}")).await);
    }
    sleep(BEAT).await;
    let data = format!("{:?}", "x".repeat(50_000));
    for (number, peer) in here.iter_mut().enumerate() {
        peer.publish(&format!("room {number}"), &data).await;
    }
    let (mut arrived, mut closed) = (0, 0);
    for (here, there) in here.iter_mut().zip(&mut there) {
        arrived += all(there).await.len();
        assert_eq!(next(here).await["clients"], 2, "those here are served");
        let end = timeout(Duration::from_secs(10), here.closed()).await;
        closed += usize::from(end == Ok(1012));
    }
    let lost = stats(&a).mailbox_overflows as usize;
    assert!(lost > 0, "all of it fitted");
    assert_eq!((arrived, closed), (PEERS - lost, lost));
    // The last of them have left the mailbox as it was.
    let mut ann = member(&a, "garden").await;
    let mut bob = member(&b, "garden").await;
    sleep(BEAT).await;
    ann.publish("garden", 1).await;
    assert_eq!(next(&mut bob).await["clients"], 2);
}

#[tokio::test(start_paused = true)]
async fn peers_of_one_node_go_on_when_the_bus_has_ended() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let mut ann = member(&a, "garden").await;
    let mut bea = member(&a, "garden").await;
    let _bob = member(&b, "garden").await;
    sleep(BEAT).await;
    assert!(stats(&a).bus.is_up);

    air.end(id(&a));
    sleep(Duration::from_secs(7)).await;
    ann.publish("garden", 1).await;
    for peer in [&mut ann, &mut bea] {
        let message = next(peer).await;
        assert_eq!(
            (&message["data"], &message["clients"]),
            (&1.into(), &2.into())
        );
    }
    assert!(!stats(&a).bus.is_up);
    assert_eq!(ready(&a).await, 200);
}

/// N1 of the specification of the cluster.
#[tokio::test(start_paused = true)]
async fn who_published_while_nodes_were_apart_is_closed_to_announce_again_and_nobody_else() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let (mut ann, mut quiet) = (member(&a, "garden").await, member(&a, "garden").await);
    let mut bob = member(&b, "garden").await;
    let mut alone = member(&a, "cellar").await;
    sleep(Duration::from_secs(30)).await;

    air.cut(id(&b));
    sleep(Duration::from_secs(10)).await;
    ann.publish("garden", 1).await;
    alone.publish("cellar", 1).await;
    assert_eq!(next(&mut ann).await["clients"], 2);
    air.heal(id(&b));
    // Within 15 s of the end, as M1 promises.
    let closed = timeout(Duration::from_secs(15), ann.closed()).await;
    assert_eq!(closed, Ok(1012));
    let ending = Ending::ByRelay(CloseReason::AnnounceAgain);
    common::until(&a, "one is closed so", |stats| {
        stats.endings.contains(&(ending, 1))
    })
    .await;
    assert_eq!(stats(&a).nudged, 1);

    let mut ann = open(&a).await;
    announce(&mut ann, "garden").await;
    for peer in [&mut quiet, &mut bob] {
        let got = all(peer).await;
        assert_eq!(
            got.last().map(|message| &message["clients"]),
            Some(&3.into())
        );
    }
    assert_eq!(all(&mut alone).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_closed_for_a_gap_where_that_is_switched_off() {
    let air = Air::default();
    let a = node_with(
        &air,
        |_| {},
        |cluster| cluster.nodes.cluster_reannounce = false,
    );
    let b = node(&air);
    joined(&a, 1).await;
    sleep(Duration::from_secs(30)).await;
    let mut ann = member(&a, "garden").await;
    let _bob = member(&b, "garden").await;
    air.cut(id(&b));
    sleep(Duration::from_secs(10)).await;
    ann.publish("garden", 1).await;
    air.heal(id(&b));
    sleep(Duration::from_secs(30)).await;
    assert_eq!(stats(&a).nodes.len(), 1);
    assert_eq!(stats(&a).nudged, 0);
}

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

async fn page(relay: &Relay) -> (Peer, String, String) {
    let request = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (mut wire, head) = ask(relay, request).await;
    let body = wire.rest().await;
    (wire, head, body)
}

async fn ready(relay: &Relay) -> u16 {
    let (_, head, _) = page(relay).await;
    head[9..12].parse().expect("a status")
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
async fn garbage_on_the_bus_is_dropped_and_counted() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let mut ann = member(&a, "garden").await;
    let mut bob = member(&b, "garden").await;
    sleep(BEAT).await;
    let before = stats(&b).counts;
    for garbage in [&b""[..], b"SGC", b"SGC\x01\x02garbage", &[0xff; 1_000]] {
        air.forge(id(&b), garbage);
    }
    air.forge(id(&b), &vec![0; 1 << 20]);
    ann.publish("garden", 1).await;
    assert_eq!(next(&mut bob).await["data"], 1);
    let counts = stats(&b).counts;
    assert_eq!(counts.malformed - before.malformed, 4);
    assert_eq!(counts.oversized - before.oversized, 1);
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

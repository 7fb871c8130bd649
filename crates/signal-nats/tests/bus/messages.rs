//! Messages between nodes that can reach each other.

use std::task::Poll;

use signal_cluster::NodeId;
use signal_testwire::{NatsServer, PATIENCE};

use crate::node::{ANN, BOB, Node, config, meet};

const CAROL: NodeId = NodeId::new(3);

#[tokio::test]
async fn messages_reach_one_node_or_all_others_and_never_their_sender() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let config = || config(&[&server.url()]);
    let mut ann = Node::connected(ANN, config()).await;
    let mut bob = Node::connected(BOB, config()).await;
    let mut carol = Node::connected(CAROL, config()).await;
    ann.bus.to_all(b"all");
    ann.bus.to(BOB, b"bob");
    ann.bus.to(ANN, b"myself");
    ann.bus.to(CAROL, b"end");
    ann.bus.to(BOB, b"end");
    // What is for all and what is for one may overtake each other.
    let mut bobs = [
        bob.receive().await,
        bob.receive().await,
        bob.receive().await,
    ];
    bobs.sort();
    assert_eq!(bobs, [&b"all"[..], b"bob", b"end"]);
    let mut carols = [carol.receive().await, carol.receive().await];
    carols.sort();
    assert_eq!(carols, [&b"all"[..], b"end"]);
    bob.bus.to(ANN, b"end");
    assert!(ann.receive_until(b"end").await.is_empty());
    let stats = ann.stats();
    assert_eq!((stats.sent.messages, stats.sent.bytes), (5, 18));
    assert_eq!((stats.received.messages, stats.received.bytes), (1, 3));
    assert_eq!(stats.dropped, signal_nats::Stats::default().dropped);
}

#[tokio::test]
async fn what_one_node_sends_to_another_keeps_its_order() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let mut ann = Node::connected(ANN, config(&[&server.url()])).await;
    let mut bob = Node::connected(BOB, config(&[&server.url()])).await;
    for number in 0..5_000_u32 {
        ann.bus.to(BOB, &number.to_be_bytes());
    }
    for number in 0..5_000_u32 {
        assert_eq!(bob.receive().await, &number.to_be_bytes()[..]);
    }
}

#[tokio::test]
async fn clusters_with_other_prefixes_hear_nothing_of_each_other() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let mut other = config(&[&server.url()]);
    other.cluster_prefix = "signal.other".parse().expect("a prefix");
    let mut ann = Node::connected(ANN, config(&[&server.url()])).await;
    let mut bob = Node::connected(BOB, config(&[&server.url()])).await;
    let mut stranger = Node::connected(BOB, other).await;
    stranger.bus.to_all(b"for others");
    stranger.bus.to(BOB, b"for others");
    flush(&mut stranger).await;
    meet(&mut ann, &mut bob, BOB).await;
    assert_eq!(bob.stats().dropped, signal_nats::Stats::default().dropped);
}

#[tokio::test]
async fn what_was_sent_before_a_flush_is_out_and_so_it_is_when_the_bus_is_dropped() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let mut ann = Node::connected(ANN, config(&[&server.url()])).await;
    let mut bob = Node::connected(BOB, config(&[&server.url()])).await;
    ann.bus.to_all(b"one");
    flush(&mut ann).await;
    assert_eq!(ann.stats().sent.messages, 1);
    assert_eq!(bob.receive().await, &b"one"[..]);
    for _ in 0..100 {
        ann.bus.to_all(&[7; 100_000]);
    }
    ann.bus.to_all(b"goodbye");
    drop(ann.bus);
    assert_eq!(bob.receive_until(b"goodbye").await.len(), 100);
}

#[tokio::test]
async fn a_node_that_is_not_read_from_drops_what_is_too_much_and_counts_it() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let mut small = config(&[&server.url()]);
    small.cluster_queue_bytes_max = 1 << 20;
    let mut ann = Node::connected(ANN, config(&[&server.url()])).await;
    let mut bob = Node::connected(BOB, small).await;
    for _ in 0..20 {
        ann.bus.to(BOB, &[0; 200_000]);
    }
    bob.counts(|stats| stats.received.messages + stats.dropped.unread == 20)
        .await;
    assert_eq!(bob.stats().received.messages, 5);
    // And goes on when it is.
    for _ in 0..5 {
        bob.receive().await;
    }
    ann.bus.to(BOB, b"more");
    assert_eq!(bob.receive().await, &b"more"[..]);
}

async fn flush(node: &mut Node) {
    let flushed = std::future::poll_fn(|cx| node.bus.poll_flush(cx));
    tokio::time::timeout(PATIENCE, flushed)
        .await
        .expect("it is out");
}

#[tokio::test]
async fn a_bus_without_a_server_never_waits() {
    let mut node = Node::start(ANN, config(&["nats://127.0.0.1:1"]));
    for _ in 0..1_000 {
        node.bus.to_all(&[0; 100_000]);
        node.bus.to(BOB, &[0; 100_000]);
    }
    flush(&mut node).await;
    let received = std::future::poll_fn(|cx| Poll::Ready(node.bus.poll_receive(cx))).await;
    assert!(received.is_pending());
    assert_eq!(node.stats().dropped.unconnected, 2_000);
}

//! Servers that take only short messages.

use signal_nats::Problem;
use signal_testwire::NatsServer;

use crate::node::{ANN, BOB, Node, config, meet};

const SMALL: &str = "max_payload: 65536";

#[tokio::test]
async fn a_server_whose_max_payload_is_too_small_is_refused_with_the_reason() {
    let Some(server) = NatsServer::start(SMALL) else {
        return;
    };
    let mut node = Node::start(ANN, config(&[&server.url()]));
    assert_eq!(
        node.has_problem().await,
        "its max_payload is 65536 bytes, and a node's longest message has 262185 (raise max_payload in the server's \
         configuration, or lower cluster_batch_bytes_max)"
    );
    node.counts(|stats| stats.failures >= 2).await;
    assert!(!node.handle.status().is_connected());
    node.bus.to_all(b"nothing");
    assert_eq!(node.stats().dropped.unconnected, 1);
    let mut shorter = config(&[&server.url()]);
    shorter.message_bytes_max = 65_536 - 41;
    Node::connected(BOB, shorter).await;
}

#[tokio::test]
async fn after_a_server_was_lost_one_that_takes_less_is_left_out() {
    let (Some(large), Some(small), Some(other)) = (
        NatsServer::start(""),
        NatsServer::start(SMALL),
        NatsServer::start(""),
    ) else {
        return;
    };
    let urls = [large.url(), small.url(), other.url()];
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let mut ann = Node::connected(ANN, config(&urls)).await;
    let is_large = ann.handle.status().server == Some(large.url());
    let (lost, left) = if is_large {
        (large, other)
    } else {
        (other, large)
    };
    drop(lost);
    ann.counts(|stats| stats.connects == 2).await;
    assert_eq!(ann.handle.status().server, Some(left.url()));
    let mut bob = Node::connected(BOB, config(&[&left.url()])).await;
    meet(&mut ann, &mut bob, BOB).await;
    drop(left);
    let is_about_it = || {
        let problem = ann.handle.status().problem;
        matches!(
            problem,
            Some((
                _,
                Problem::SmallPayload {
                    max_payload: 65_536,
                    ..
                }
            ))
        )
    };
    crate::node::until(is_about_it, || format!("{:?}", ann.handle)).await;
}

#[tokio::test]
async fn a_message_longer_than_the_longest_is_not_sent() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let mut ann = Node::connected(ANN, config(&[&server.url()])).await;
    let mut bob = Node::connected(BOB, config(&[&server.url()])).await;
    ann.bus.to(BOB, &vec![0; 256 * 1024 + 1]);
    ann.bus.to(BOB, &vec![0; 256 * 1024]);
    assert_eq!(bob.receive().await.len(), 256 * 1024);
    assert_eq!(ann.stats().dropped.too_long, 1);
}

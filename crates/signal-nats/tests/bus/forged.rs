//! What others than nodes may put on the bus.

use async_nats::Client;
use signal_testwire::{Folder, NatsServer};

use crate::node::{ANN, BOB, Node, config, meet};

const KEY: &str = "a key of at least thirty-two characters";

/// A client of the same server that is not a node.
async fn stranger(server: &NatsServer) -> Client {
    async_nats::connect(server.url()).await.expect("a client")
}

async fn publish(client: &Client, subject: &str, payload: &[u8]) {
    let payload = bytes::Bytes::copy_from_slice(payload);
    client
        .publish(subject.to_owned(), payload)
        .await
        .expect("it is connected");
}

#[tokio::test]
async fn garbage_and_messages_that_are_too_long_are_dropped_and_counted() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let mut ann = Node::connected(ANN, config(&[&server.url()])).await;
    let mut bob = Node::connected(BOB, config(&[&server.url()])).await;
    let stranger = stranger(&server).await;
    let own = format!("signal.n.{ANN}");
    for garbage in [&b""[..], b"\0", b"short\0", b"no form\xff", b"12345678\x02"] {
        publish(&stranger, &own, garbage).await;
        publish(&stranger, "signal.all", garbage).await;
    }
    publish(&stranger, &own, &vec![0; 1_000_000]).await;
    ann.counts(|stats| stats.dropped.malformed == 10 && stats.dropped.too_long == 1)
        .await;
    meet(&mut bob, &mut ann, ANN).await;
}

#[tokio::test]
async fn with_a_key_only_messages_of_nodes_that_have_it_are_taken() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let folder = Folder::new("nats-files");
    let with_key = |name: &str, key: &str| {
        let mut config = config(&[&server.url()]);
        config.cluster_key_file = Some(folder.write(name, key).into());
        config
    };
    let mut ann = Node::connected(ANN, with_key("a", KEY)).await;
    let mut bob = Node::connected(BOB, with_key("b", &format!("\n{KEY}\n"))).await;
    meet(&mut ann, &mut bob, BOB).await;
    meet(&mut bob, &mut ann, ANN).await;
    let mut without = Node::connected(BOB, config(&[&server.url()])).await;
    let other = "another key of at least 32 characters";
    let mut wrong = Node::connected(BOB, with_key("w", other)).await;
    without.bus.to(ANN, b"forged");
    wrong.bus.to(ANN, b"forged");
    ann.counts(|stats| stats.dropped.bad_mac == 2).await;
    ann.bus.to_all(b"for those with the key");
    without.counts(|stats| stats.dropped.bad_mac >= 1).await;
    bob.bus.to(ANN, b"end");
    assert!(ann.receive_until(b"end").await.is_empty());
}

#[tokio::test]
async fn a_signed_message_is_good_for_the_node_alone_that_it_was_sent_to() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let folder = Folder::new("nats-files");
    let key = folder.write("key", KEY);
    let keyed = || {
        let mut config = config(&[&server.url()]);
        config.cluster_key_file = Some(key.clone().into());
        config
    };
    let mut ann = Node::connected(ANN, keyed()).await;
    let mut bob = Node::connected(BOB, keyed()).await;
    let stranger = stranger(&server).await;
    let mut overheard = stranger
        .subscribe(format!("signal.n.{BOB}"))
        .await
        .expect("a client");
    stranger.flush().await.expect("it is connected");
    meet(&mut ann, &mut bob, BOB).await;
    let signed = futures_util::StreamExt::next(&mut overheard)
        .await
        .expect("a message")
        .payload;
    publish(&stranger, &format!("signal.n.{ANN}"), &signed).await;
    publish(&stranger, "signal.all", &signed).await;
    // The bus lets a copy through: the machine knows it by its number.
    publish(&stranger, &format!("signal.n.{BOB}"), &signed).await;
    ann.counts(|stats| stats.dropped.bad_mac == 2).await;
    assert!(signed.starts_with(&bob.receive().await));
    bob.counts(|stats| stats.dropped.bad_mac == 1).await;
}

#[tokio::test]
async fn keys_are_exchanged_while_nodes_go_on() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let folder = Folder::new("nats-files");
    let new = "the next key, of at least 32 characters";
    let mut nodes = Vec::new();
    for (name, id) in [("a", ANN), ("b", BOB)] {
        let mut config = config(&[&server.url()]);
        config.cluster_key_file = Some(folder.write(name, KEY).into());
        nodes.push(Node::connected(id, config).await);
    }
    let [ann, bob] = &mut nodes[..] else {
        unreachable!("two")
    };
    for keys in [
        format!("{KEY}\n{new}"),
        format!("{new}\n{KEY}"),
        new.to_owned(),
    ] {
        folder.write("a", &keys);
        ann.handle.reload().expect("keys");
        meet(ann, bob, BOB).await;
        meet(bob, ann, ANN).await;
        folder.write("b", &keys);
        bob.handle.reload().expect("keys");
        meet(ann, bob, BOB).await;
        meet(bob, ann, ANN).await;
    }
    assert_eq!(ann.stats().dropped.bad_mac + bob.stats().dropped.bad_mac, 0);
    folder.write("a", "short");
    let error = ann.handle.reload().expect_err("no key").to_string();
    assert!(
        error.starts_with("cluster_key_file: ") && error.contains("fewer than 32"),
        "{error}"
    );
    meet(ann, bob, BOB).await;
}

//! The fuzz target, as functions: libFuzzer calls them with new inputs, `cargo test` with its own.

use signal_cluster::wire::{LinkState, Message, VERSION, sum};
use signal_cluster::{Cluster, Config, Node, NodeId};
use signal_core::Instant;

use super::bus::{Nobody, Wire, beat};

/// Bytes as a message, as they are and as they would be with the right head and sum.
///
/// Nothing panics, what is a message is written as it was read, and a node that has received it
/// goes on: one that knows nobody, and one that has a link to its sender.
pub fn wire(data: &[u8]) {
    let mut bytes = [b"SGC", &[VERSION][..], data].concat();
    bytes.extend_from_slice(&sum(&bytes).to_le_bytes());
    for bytes in [data, &bytes] {
        if let Ok(message) = Message::decode(bytes, VERSION..=VERSION) {
            assert_eq!(message.encode(VERSION), bytes);
            receive_from_a_friend(message);
        }
        let mut cluster = Cluster::new(Instant::ZERO, NodeId::new(1), 1, Config::default());
        receive(&mut cluster, bytes);
    }
}

/// As if the message came from a node with a link in use.
fn receive_from_a_friend(message: Message) {
    let mut cluster = Cluster::new(Instant::ZERO, NodeId::new(1), 1, Config::default());
    let me = cluster.node();
    let from = Node {
        id: NodeId::new(2),
        life: 7,
    };
    let link = LinkState {
        node: me,
        session: 1,
        last: 0,
        heard: 0,
    };
    let hello = Message::Beat(beat(from, 0, vec![link]));
    receive(&mut cluster, &hello.encode(VERSION));
    cluster.local(Instant::from_millis(6_000), "t", 1);
    let message = match message {
        Message::Beat(mut beat) => {
            beat.from = from;
            beat.links.iter_mut().for_each(|link| link.node = me);
            Message::Beat(beat)
        }
        Message::Batch(mut batch) => {
            (batch.from, batch.to, batch.session) = (from, me, 1);
            Message::Batch(batch)
        }
    };
    receive(&mut cluster, &message.encode(VERSION));
}

fn receive(cluster: &mut Cluster, bytes: &[u8]) {
    for millis in [0, 10, 1_000, 3_000] {
        let now = Instant::from_millis(millis);
        cluster.receive(now, bytes, &mut Nobody);
        cluster.handle_timeout(now, &mut Nobody);
        cluster.flush(&mut Wire::default());
        assert!(cluster.poll_timeout().is_some());
    }
}

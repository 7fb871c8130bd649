//! What a bus may bring that no node should have sent: it is dropped and counted, and nobody is
//! harmed.

mod support;

use signal_cluster::wire::{Batch, Frame, LinkState, Message, VERSION};
use signal_cluster::{Cluster, Config, Node, NodeId, Stats};
use signal_core::Instant;
use support::bus::{Nobody, Nodes, Wire, beat};

const STRANGER: Node = Node {
    id: NodeId::new(99),
    life: 9,
};

fn batch(from: Node, to: Node, frames: Vec<Frame>) -> Batch {
    Batch {
        from,
        to,
        session: 1,
        first: 1,
        heard: 0,
        asks: false,
        frames,
    }
}

fn pass(topic: &str, number: u64, text: &str) -> Frame {
    Frame::Pass {
        topic: topic.into(),
        origin: STRANGER,
        number,
        elsewhere: 0,
        message: text.to_owned().into(),
    }
}

/// Two nodes with a shared topic, and what the first one makes of a message.
struct Attacked {
    nodes: Nodes,
}

impl Attacked {
    fn new() -> Self {
        let mut nodes = Nodes::new(2);
        let topic = nodes.topic_at(1);
        assert_ne!(topic, "t");
        for host in [0, 1] {
            nodes.local(host, &topic, 1);
            nodes.local(host, "t", 1);
        }
        nodes.advance(1_000);
        Self { nodes }
    }

    fn node(&self, host: usize) -> Node {
        self.nodes.hosts[host].cluster.node()
    }

    fn receive(&mut self, bytes: &[u8]) -> Stats {
        let now = self.nodes.now;
        let host = &mut self.nodes.hosts[0];
        host.cluster.receive(now, bytes, &mut host.peers);
        *host.cluster.stats()
    }

    fn receive_message(&mut self, message: Message) -> Stats {
        self.receive(&message.encode(VERSION))
    }

    /// The link to the second node, as that one would say it.
    fn session(&mut self) -> LinkState {
        let (me, now) = (self.node(0), self.nodes.now);
        let mut wire = Wire::default();
        let host = &mut self.nodes.hosts[1];
        let next = Instant::from_millis(now.as_millis() + 1_000);
        host.cluster.handle_timeout(next, &mut host.peers);
        host.cluster.flush(&mut wire);
        let mut beats = wire.0.iter().filter_map(|(_, bytes)| {
            match Message::decode(bytes, VERSION..=VERSION) {
                Ok(Message::Beat(beat)) => beat.links.into_iter().find(|link| link.node == me),
                _ => None,
            }
        });
        beats.next_back().expect("it has a link")
    }

    /// Both still serve each other.
    fn assert_unharmed(mut self) {
        self.nodes.advance(3_000);
        assert_eq!(self.nodes.hosts[0].cluster.nodes().len(), 1);
        for host in 0..2 {
            self.nodes.hosts[1 - host].peers.passed.clear();
            self.nodes.publish(host, "t", 5);
            self.nodes.settle();
            assert_eq!(self.nodes.hosts[1 - host].peers.passed.len(), 1);
        }
    }
}
#[test]
fn garbage_is_counted() {
    let mut attacked = Attacked::new();
    for bytes in [
        &b""[..],
        b"SGC",
        b"SGC\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 5_000],
    ] {
        attacked.receive(bytes);
    }
    assert_eq!(attacked.nodes.stats(0).malformed, 5);
    attacked.assert_unharmed();
}

#[test]
fn future_versions_are_counted_and_a_newer_node_is_spoken_to_in_ours() {
    let mut attacked = Attacked::new();
    let mut newer = beat(STRANGER, 10_000, Vec::new());
    newer.newest = 9;
    let stats = attacked.receive(&Message::Beat(newer.clone()).encode(9));
    assert_eq!(stats.unknown_version, 1);
    assert_eq!(attacked.nodes.hosts[0].cluster.nodes().len(), 1);
    attacked.receive_message(Message::Beat(newer));
    assert_eq!(attacked.nodes.hosts[0].cluster.nodes().len(), 2);
    attacked.nodes.flush();
    let to_newer = attacked
        .nodes
        .sent
        .iter()
        .filter(|(_, to, _)| *to == Some(STRANGER.id));
    assert!(
        to_newer
            .map(|(_, _, bytes)| bytes[3])
            .all(|version| version == VERSION)
    );
}

#[test]
fn oversized_messages_are_counted_and_not_read() {
    let mut attacked = Attacked::new();
    let (from, to) = (attacked.node(1), attacked.node(0));
    let long = "x".repeat(300_000);
    let huge = batch(from, to, vec![pass("t", 1, &long)]);
    let stats = attacked.receive_message(Message::Batch(huge));
    assert_eq!((stats.oversized, stats.malformed), (1, 0));
    attacked.assert_unharmed();
}

#[test]
fn a_publish_that_fits_in_no_batch_stays_here_and_is_counted() {
    let mut nodes = Nodes::new(2);
    let text = format!(
        r#"{{"type":"publish","topic":"t","data":"{}"}}"#,
        "x".repeat(300_000)
    );
    nodes.local(1, "t", 1);
    let now = nodes.now;
    let cluster = &mut nodes.hosts[0].cluster;
    cluster.publish(now, "t", &text.into(), None);
    nodes.settle();
    assert_eq!(nodes.stats(0).too_long, 1);
    assert!(nodes.hosts[1].peers.passed.is_empty());
}

#[test]
fn forged_nodes_are_bounded() {
    let mut config = Config::default();
    config.cluster_nodes_max = 10;
    let mut cluster = Cluster::new(Instant::ZERO, NodeId::new(1), 1, config);
    for id in 0..1_000 {
        let forged = Node {
            id: NodeId::new(id + 10),
            life: 1,
        };
        let bytes = Message::Beat(beat(forged, 10_000, Vec::new())).encode(VERSION);
        cluster.receive(Instant::ZERO, &bytes, &mut Nobody);
    }
    assert_eq!(cluster.nodes().len(), 9);
    assert_eq!(cluster.stats().crowded, 991);
    // They are gone when they fall silent, and do not come back to haunt.
    for millis in (0..7_000).step_by(500) {
        cluster.handle_timeout(Instant::from_millis(millis), &mut Nobody);
    }
    assert_eq!(cluster.nodes().len(), 0);
    assert_eq!(cluster.home("t"), cluster.node());
}

#[test]
fn batches_of_strangers_and_for_others_are_counted() {
    let mut attacked = Attacked::new();
    let (from, to) = (attacked.node(1), attacked.node(0));
    let text = r#"{"type":"publish","topic":"t","data":1}"#;
    let frames = || vec![pass("t", 1, text)];
    let other_life = Node {
        life: to.life.wrapping_add(1),
        ..to
    };
    for (from, to) in [(STRANGER, to), (from, STRANGER), (from, other_life)] {
        attacked.receive_message(Message::Batch(batch(from, to, frames())));
    }
    let mut other_session = batch(from, to, frames());
    other_session.session = 77;
    let stats = attacked.receive_message(Message::Batch(other_session));
    assert_eq!((stats.strangers, stats.misdirected, stats.stale), (1, 2, 1));
    assert!(attacked.nodes.hosts[0].peers.passed.is_empty());
    attacked.assert_unharmed();
}

#[test]
fn what_is_passed_on_is_a_publish_of_its_topic() {
    let mut attacked = Attacked::new();
    let (from, to, link) = (attacked.node(1), attacked.node(0), attacked.session());
    let texts = [
        "no JSON",
        r#"{"type":"subscribe","topics":["t"]}"#,
        r#"{"type":"publish","topic":"another"}"#,
        r#"{"type":"publish","topic":"t","data":1}{}"#,
    ];
    let frames = (1..)
        .zip(texts)
        .map(|(number, text)| pass("t", number, text))
        .collect();
    let mut forged = batch(from, to, frames);
    (forged.session, forged.first) = (link.session, link.last + 1);
    let stats = attacked.receive_message(Message::Batch(forged));
    assert_eq!((stats.malformed, stats.passed), (4, 0));
    assert!(attacked.nodes.hosts[0].peers.passed.is_empty());
}

#[test]
fn numbers_at_their_ends_do_not_panic() {
    let mut attacked = Attacked::new();
    let (from, to, link) = (attacked.node(1), attacked.node(0), attacked.session());
    let numbers = [0, 1, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
    for first in numbers {
        for heard in numbers {
            for asks in [false, true] {
                let mut forged = batch(from, to, Vec::new());
                (forged.session, forged.first) = (link.session, first);
                (forged.heard, forged.asks) = (heard, asks);
                forged.frames = vec![pass("t", first, "x"), pass("t", heard, "x")];
                attacked.receive_message(Message::Batch(forged));
            }
            let forged = LinkState {
                node: to,
                session: link.session,
                last: first,
                heard,
            };
            attacked.receive_message(Message::Beat(beat(from, heard, vec![forged])));
            attacked.nodes.advance(100);
        }
    }
    let frames = [0, u32::MAX].map(|subscribers| Frame::Subscribe {
        topic: "t".into(),
        subscribers,
        moved: true,
    });
    attacked.receive_message(Message::Batch(batch(from, to, frames.to_vec())));
}

#[test]
fn topics_without_end_take_no_more_memory_than_is_set_and_the_others_go_on() {
    let mut config = Config::default();
    config.cluster_directory_bytes_max = 64 * 1024;
    let mut nodes = Nodes::with(2, config);
    for host in [0, 1] {
        nodes.local(host, "t", 1);
    }
    nodes.advance(500);
    for number in 0..5_000 {
        nodes.local(1, &format!("{number}{}", "x".repeat(number % 1_000)), 1);
    }
    nodes.advance(1_000);
    assert!(nodes.stats(0).directory_overflows > 1_000);
    assert!(nodes.hosts[0].cluster.homed() < 350);
    for host in [0, 1] {
        nodes.publish(host, "t", 5);
    }
    nodes.advance(500);
    for host in &nodes.hosts {
        assert_eq!(host.peers.passed.len(), 1);
    }
    for number in 0..5_000 {
        nodes.local(1, &format!("{number}{}", "x".repeat(number % 1_000)), 0);
    }
    nodes.advance(500);
    assert!(nodes.hosts[0].cluster.homed() <= 1);
}

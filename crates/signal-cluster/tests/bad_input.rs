//! What a bus may bring that no node should have sent: it is dropped and counted, and nobody is
//! harmed.

mod support;

use std::time::Duration;

use signal_cluster::wire::{Batch, Beat, Frame, LinkState, Message, VERSION};
use signal_cluster::{Cluster, Config, Node, NodeId, Stats};
use signal_core::Instant;
use support::bus::{Nobody, Nodes};

const STRANGER: Node = Node {
    id: NodeId::new(99),
    life: 9,
};

fn beat(from: Node, uptime: u64, links: Vec<LinkState>) -> Beat {
    Beat {
        from,
        newest: VERSION,
        is_draining: false,
        is_young: false,
        leaves: false,
        view: 0,
        uptime: Duration::from_millis(uptime),
        links,
    }
}

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
        let mut wire = support::bus::Wire::default();
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
fn replayed_messages_do_nothing() {
    let mut nodes = Nodes::new(2);
    let topic = nodes.topic_at(1);
    for host in [0, 1] {
        nodes.local(host, &topic, 1);
    }
    nodes.settle();
    // Everything that is sent in three seconds, with frames both ways and questions.
    let mut recorded = Vec::new();
    for data in 0..300 {
        nodes.publish(0, &topic, data);
        nodes.publish(1, &topic, data);
        let host = &mut nodes.hosts[0];
        host.cluster.handle_timeout(nodes.now, &mut host.peers);
        nodes.flush();
        recorded.extend(nodes.sent.iter().cloned());
        for (number, (from, to, message)) in std::mem::take(&mut nodes.sent).into_iter().enumerate()
        {
            if number % 3 != 2 {
                nodes.carry(from, to, &message);
            }
        }
        nodes.now = Instant::from_millis(nodes.now.as_millis() + 10);
    }
    nodes.advance(2_000);
    let heard = [0, 1].map(|host| nodes.hosts[host].peers.passed.len());
    assert_eq!(heard, [300, 300]);
    let before = [0, 1].map(|host| nodes.stats(host));
    for (from, to, message) in recorded.iter().chain(&recorded) {
        nodes.carry(*from, *to, message);
        nodes.advance(10);
    }
    for (host, before) in before.iter().enumerate() {
        let after = nodes.stats(host);
        assert_eq!(nodes.hosts[host].peers.passed.len(), 300);
        assert!(nodes.hosts[host].peers.nudged.is_empty());
        assert_eq!(after.sessions, before.sessions);
        assert_eq!(after.view_changes, before.view_changes);
        assert!(after.repeated + after.stale > before.repeated + before.stale);
    }
}

/// What the machine reads of another node is never older than what it has read, not even within
/// the time between two beats.
#[test]
fn copies_of_the_latest_messages_do_nothing_while_traffic_goes_on() {
    let mut nodes = Nodes::new(2);
    let topic = nodes.topic_at(1);
    for host in [0, 1] {
        nodes.local(host, &topic, 1);
    }
    nodes.advance(500);
    let before = [0, 1].map(|host| nodes.stats(host));
    for data in 0..300 {
        nodes.publish(0, &topic, data);
        nodes.publish(1, &topic, data);
        nodes.advance(10);
        let latest = nodes.recorded.len().saturating_sub(20);
        for (from, to, message) in nodes.recorded.split_off(latest) {
            nodes.carry(from, to, &message);
            nodes.recorded.push((from, to, message));
        }
    }
    nodes.advance(2_000);
    for (host, before) in before.iter().enumerate() {
        let after = nodes.stats(host);
        assert_eq!(nodes.hosts[host].peers.passed.len(), 300);
        assert!(nodes.hosts[host].peers.nudged.is_empty());
        assert_eq!(after.sessions, before.sessions);
        assert_eq!(after.gaps, before.gaps);
        assert_eq!(after.view_changes, before.view_changes);
        assert!(after.stale > before.stale);
    }
}

/// A question is one of the few messages that cause more than they are.
#[test]
fn copies_of_a_question_are_not_answered_again_at_once() {
    let mut nodes = Nodes::new(2);
    let topic = nodes.topic_at(1);
    nodes.local(1, &topic, 1);
    nodes.advance(500);
    nodes.loses = |from, _, bytes| from == 0 && bytes.len() > 1_000;
    (0..100).for_each(|data| nodes.publish(0, &topic, data));
    nodes.settle();
    nodes.loses = |_, _, _| false;
    // The gap shows with what follows.
    nodes.publish(0, &topic, 100);
    nodes.flush();
    for (from, to, message) in std::mem::take(&mut nodes.sent) {
        nodes.carry(from, to, &message);
    }
    nodes.flush();
    let question = nodes.sent.pop().expect("it asks for what it missed");
    for _ in 0..1_000 {
        nodes.carry(question.0, question.1, &question.2);
        nodes.flush();
        nodes.sent.retain(|(from, ..)| *from == 0);
    }
    assert_eq!(nodes.stats(0).resent, 101);
    nodes.advance(1_000);
    assert_eq!(nodes.hosts[1].peers.passed.len(), 101);
}

#[test]
fn copies_do_not_bring_back_a_node_that_fell_silent_or_left() {
    for leaves in [false, true] {
        let mut nodes = Nodes::new(3);
        let topic = nodes.topic_at(2);
        for host in [0, 1, 2] {
            nodes.local(host, &topic, 1);
            nodes.publish(host, &topic, 1);
        }
        nodes.advance(3_000);
        let mut last = support::bus::Wire::default();
        let mut third = nodes.hosts.pop().expect("three");
        if leaves {
            third.cluster.leave(&mut last);
        }
        for (to, message) in last.0 {
            nodes.carry(2, to, &message);
        }
        nodes.advance(20_000);
        let views = [0, 1].map(|host| nodes.stats(host).view_changes);
        let of_third: Vec<_> = nodes
            .recorded
            .iter()
            .filter(|(from, ..)| *from == 2)
            .cloned()
            .collect();
        for (from, to, message) in of_third.iter().chain(&of_third) {
            nodes.carry(*from, *to, message);
            nodes.advance(100);
        }
        assert_eq!([0, 1].map(|host| nodes.stats(host).view_changes), views);
        for host in [0, 1] {
            assert_eq!(nodes.hosts[host].cluster.nodes().len(), 1, "{leaves}");
            assert!(nodes.hosts[host].peers.nudged.is_empty());
            let told = nodes.hosts[host].peers.elsewhere.last();
            assert_eq!(told, Some(&(topic.clone(), 1)));
        }
    }
}

/// It cannot know that it is one; but what its topics are worth to it, it does not entrust to it.
#[test]
fn to_a_node_that_has_just_started_a_copy_of_one_that_is_gone_is_nobody() {
    let mut nodes = Nodes::new(2);
    nodes.advance(10_000);
    let old = std::mem::take(&mut nodes.recorded);
    let gone = nodes.hosts[1].cluster.node();
    let mut fresh = Nodes::new(3);
    fresh.hosts.remove(1);
    let mut id = 100;
    for host in &mut fresh.hosts {
        id += 1;
        host.cluster = Cluster::new(fresh.now, NodeId::new(id), 7, Config::default());
    }
    fresh.advance(5_000);
    for host in [0, 1] {
        fresh.local(host, "t", 1);
        fresh.publish(host, "t", 1);
    }
    fresh.advance(500);
    for (_, _, message) in old.iter().filter(|(from, ..)| *from == 1) {
        for host in &mut fresh.hosts {
            host.cluster.receive(fresh.now, message, &mut host.peers);
        }
        fresh.advance(100);
        for host in 0..2 {
            assert!(!fresh.hosts[host].cluster.do_views_differ());
            for topic in 0..100 {
                assert_ne!(fresh.hosts[host].cluster.home(&topic.to_string()), gone);
            }
        }
    }
    fresh.advance(20_000);
    for host in &fresh.hosts {
        assert!(host.peers.nudged.is_empty());
        assert_eq!(host.cluster.nodes().len(), 1);
    }
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
fn two_nodes_of_one_id_and_seed_part_and_both_serve() {
    let mut nodes = Nodes::new(2);
    let clone = Cluster::new(nodes.now, NodeId::new(1), 0, Config::default());
    assert_eq!(clone.node(), nodes.hosts[0].cluster.node());
    nodes.hosts.push(support::bus::Host {
        cluster: clone,
        peers: support::bus::Peers::default(),
    });
    nodes.now = Instant::from_millis(nodes.now.as_millis() + 1_000);
    // The clocks of two machines differ.
    let now = Instant::from_millis(nodes.now.as_millis() + 3);
    let host = &mut nodes.hosts[2];
    host.cluster.handle_timeout(now, &mut host.peers);
    nodes.advance(10_000);
    let lives: std::collections::BTreeSet<_> =
        nodes.hosts.iter().map(|host| host.cluster.node()).collect();
    assert_eq!(lives.len(), 3);
    assert!(
        nodes
            .hosts
            .iter()
            .all(|host| host.cluster.nodes().len() == 2)
    );
    (0..3).for_each(|host| nodes.local(host, "t", 1));
    nodes.settle();
    nodes.publish(2, "t", 1);
    nodes.settle();
    let heard: Vec<_> = nodes
        .hosts
        .iter()
        .map(|host| host.peers.passed.len())
        .collect();
    assert_eq!(heard, [1, 1, 0]);
}

/// What they missed began with the outage, and not with their other lives.
#[test]
fn two_nodes_of_one_id_and_seed_that_meet_after_an_outage_have_peers_of_that_time_announce_again() {
    let mut nodes = Nodes::new(2);
    nodes.loses = |_, _, _| true;
    nodes.advance(8_000);
    nodes.hosts.push(support::bus::Host {
        cluster: Cluster::new(nodes.now, NodeId::new(1), 0, Config::default()),
        peers: support::bus::Peers::default(),
    });
    // The clocks of two machines differ.
    let now = Instant::from_millis(nodes.now.as_millis() + 13);
    let host = &mut nodes.hosts[2];
    host.cluster.handle_timeout(now, &mut host.peers);
    nodes.advance(5_000);
    let published = nodes.now;
    for host in 0..3 {
        nodes.local(host, "t", 1);
        nodes.publish(host, "t", 1);
    }
    nodes.advance(40_000);
    nodes.loses = |_, _, _| false;
    nodes.advance(10_000);
    assert!(nodes.stats(0).twins + nodes.stats(2).twins > 0);
    for host in &nodes.hosts {
        let mut nudged = host.peers.nudged.iter();
        assert!(nudged.any(|(topic, since)| topic == "t" && *since <= published));
    }
}

/// Its beats say less than those that were heard, as a copy's would.
#[test]
fn a_node_is_heard_although_one_of_its_identity_was_there_for_longer() {
    let mut nodes = Nodes::new(2);
    nodes.advance(20_000);
    let twin = Cluster::new(nodes.now, NodeId::new(1), 0, Config::default());
    nodes.hosts[0].cluster = twin;
    assert_eq!(nodes.stats(0).twins, 0);
    nodes.advance(12_000);
    assert_eq!(nodes.stats(0).twins, 1);
    for host in [0, 1] {
        assert_eq!(nodes.hosts[host].cluster.nodes().len(), 1);
        nodes.local(host, "t", 1);
        nodes.publish(host, "t", 1);
    }
    nodes.settle();
    let heard = [0, 1].map(|host| nodes.hosts[host].peers.passed.len());
    assert!(heard[0] + heard[1] > 0);
}

/// What the two have missed of each other began with the younger one, though others were heard.
#[test]
fn two_nodes_of_one_id_and_seed_that_were_apart_for_long_have_peers_of_all_that_time_announce_again()
 {
    let mut nodes = Nodes::new(2);
    nodes.hosts.push(support::bus::Host {
        cluster: Cluster::new(nodes.now, NodeId::new(1), 0, Config::default()),
        peers: support::bus::Peers::default(),
    });
    nodes.loses = |from, to, _| from != 1 && to != 1;
    nodes.advance(5_000);
    let published = nodes.now;
    for host in [0, 2] {
        nodes.local(host, "t", 1);
        nodes.publish(host, "t", 1);
    }
    nodes.advance(60_000);
    nodes.loses = |_, _, _| false;
    nodes.advance(10_000);
    assert!(nodes.stats(0).twins + nodes.stats(2).twins > 0);
    for host in [0, 2] {
        let mut nudged = nodes.hosts[host].peers.nudged.iter();
        assert!(nudged.any(|(topic, since)| topic == "t" && *since <= published));
    }
}

/// A node knows its former lives by their names, of which it keeps some.
#[test]
fn peers_hear_themselves_once_although_somebody_says_to_be_their_node_again_and_again() {
    let mut nodes = Nodes::new(2);
    let topic = nodes.topic_at(1);
    for host in [0, 1] {
        nodes.local(host, &topic, 1);
    }
    nodes.advance(500);
    for number in 0..1_000 {
        if number % 10 == 0 {
            nodes.publish(0, &topic, number);
        }
        nodes.advance(10);
        let (me, now) = (nodes.hosts[0].cluster.node(), nodes.now);
        let forged = Message::Beat(beat(me, 10_000_000, Vec::new())).encode(VERSION);
        let host = &mut nodes.hosts[0];
        host.cluster.receive(now, &forged, &mut host.peers);
    }
    nodes.advance(20_000);
    assert!(nodes.stats(0).twins > 1);
    // What was published here was heard here at once, and does not come back.
    assert_eq!(nodes.hosts[0].peers.passed, [""; 0]);
    let mut heard = nodes.hosts[1].peers.passed.clone();
    let all = heard.len();
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), all);
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

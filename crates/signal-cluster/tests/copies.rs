//! Copies of what nodes have sent, whoever puts them on the bus: they do nothing.

mod support;

use signal_cluster::{Cluster, Config, NodeId};
use signal_core::Instant;
use support::bus::{Nodes, Wire};

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
    assert_eq!(nodes.heard(), [300, 300]);
    let before = [0, 1].map(|host| nodes.stats(host));
    for (from, to, message) in recorded.iter().chain(&recorded) {
        nodes.carry(*from, *to, message);
        nodes.advance(10);
    }
    assert_eq!((nodes.heard(), nodes.nudged()), (vec![300; 2], vec![0; 2]));
    for (host, before) in before.iter().enumerate() {
        let after = nodes.stats(host);
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
    assert_eq!((nodes.heard(), nodes.nudged()), (vec![300; 2], vec![0; 2]));
    for (host, before) in before.iter().enumerate() {
        let after = nodes.stats(host);
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
        let mut last = Wire::default();
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
        assert_eq!(nodes.nudged(), [0, 0], "{leaves}");
        for host in [0, 1] {
            assert_eq!(nodes.hosts[host].cluster.nodes().len(), 1, "{leaves}");
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
    assert_eq!(fresh.nudged(), [0, 0]);
    for host in &fresh.hosts {
        assert_eq!(host.cluster.nodes().len(), 1);
    }
}

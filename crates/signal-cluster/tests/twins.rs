//! Two nodes of one identity: a copied machine, or somebody who says to be one of the nodes.

mod support;

use std::collections::BTreeSet;

use signal_cluster::wire::{Message, VERSION};
use signal_cluster::{Cluster, Config, NodeId};
use signal_core::Instant;
use support::bus::{Nodes, beat};

#[test]
fn two_nodes_of_one_id_and_seed_part_and_both_serve() {
    let mut nodes = Nodes::new(2);
    nodes.start_as(1);
    let clone = &nodes.hosts[2].cluster;
    assert_eq!(clone.node(), nodes.hosts[0].cluster.node());
    nodes.now = Instant::from_millis(nodes.now.as_millis() + 1_000);
    // The clocks of two machines differ.
    let now = Instant::from_millis(nodes.now.as_millis() + 3);
    let host = &mut nodes.hosts[2];
    host.cluster.handle_timeout(now, &mut host.peers);
    nodes.advance(10_000);
    let hosts = nodes.hosts.iter();
    let lives: BTreeSet<_> = hosts.map(|host| host.cluster.node()).collect();
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
    assert_eq!(nodes.heard(), [1, 1, 0]);
}

/// What they missed began with the outage, and not with their other lives.
#[test]
fn two_nodes_of_one_id_and_seed_that_meet_after_an_outage_have_peers_of_that_time_announce_again() {
    let mut nodes = Nodes::new(2);
    nodes.loses = |_, _, _| true;
    nodes.advance(8_000);
    nodes.start_as(1);
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
    assert_ne!(nodes.heard(), [0, 0]);
}

/// What the two have missed of each other began with the younger one, though others were heard.
#[test]
fn two_nodes_of_one_id_and_seed_that_were_apart_for_long_have_peers_of_all_that_time_announce_again()
 {
    let mut nodes = Nodes::new(2);
    nodes.start_as(1);
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

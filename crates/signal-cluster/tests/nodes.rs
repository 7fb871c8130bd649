//! Nodes that hear each other: meeting, order, counts, and what it costs the others.

mod support;

use std::time::Duration;

use signal_cluster::{NodeId, Payer};
use signal_core::Instant;
use support::bus::Nodes;

fn text(topic: &str, data: u64, elsewhere: u32) -> String {
    format!(r#"{{"type":"publish","topic":"{topic}","data":{data},"clients":{elsewhere}}}"#)
}

#[test]
fn two_that_subscribe_and_announce_at_once_meet_wherever_the_home_is() {
    let mut nodes = Nodes::new(3);
    for home in 0..3 {
        let topic = nodes.topic_at(home);
        for host in [0, 1] {
            nodes.local(host, &topic, 1);
            nodes.publish(host, &topic, host as u64);
        }
        nodes.settle();
        let heard = [0, 1].map(|host| std::mem::take(&mut nodes.hosts[host].peers.passed));
        assert!(
            heard.iter().any(|heard| !heard.is_empty()),
            "home {home}: {heard:?}"
        );
    }
}

#[test]
fn a_publish_reaches_each_other_node_once_with_the_number_elsewhere() {
    let mut nodes = Nodes::new(3);
    let topic = nodes.topic_at(2);
    for (host, subscribers) in [(0, 2), (1, 3), (2, 1)] {
        nodes.local(host, &topic, subscribers);
    }
    nodes.settle();
    nodes.publish(0, &topic, 7);
    nodes.advance(10_000);
    let heard = nodes.hosts.iter().map(|host| host.peers.passed.clone());
    let expected = [vec![], vec![text(&topic, 7, 3)], vec![text(&topic, 7, 5)]];
    assert!(heard.eq(expected));
}

#[test]
fn a_node_learns_how_many_there_are_elsewhere_and_only_when_that_changes() {
    let mut nodes = Nodes::new(3);
    let topic = nodes.topic_at(2);
    nodes.local(0, &topic, 2);
    nodes.advance(500);
    nodes.local(1, &topic, 1);
    nodes.advance(500);
    nodes.local(0, &topic, 1);
    nodes.local(1, &topic, 0);
    nodes.advance(500);
    let told = |host: usize| nodes.hosts[host].peers.elsewhere.clone();
    assert_eq!(told(0), [(topic.clone(), 1), (topic.clone(), 0)]);
    assert_eq!(told(1), [(topic.clone(), 2)]);
    assert_eq!(nodes.stats(2).frames_sent.count, 4);
}

#[test]
fn peers_of_one_node_cost_the_others_nothing_but_frames_to_the_home() {
    let mut nodes = Nodes::new(4);
    let topic = nodes.topic_at(1);
    let before = [1, 2, 3].map(|host| nodes.stats(host).batches_received);
    nodes.local(0, &topic, 5);
    for data in 0..100 {
        nodes.publish(0, &topic, data);
        nodes.advance(10);
    }
    let after = [1, 2, 3].map(|host| nodes.stats(host).batches_received);
    assert!(after[0] - before[0] >= 100);
    assert_eq!(after[1..], before[1..]);
    let received = nodes.stats(1).frames_received;
    assert_eq!((received.subscribe, received.publish), (1, 100));
    assert_eq!(nodes.stats(0).frames_received.pass, 0);
}

fn payer(peer: u64, charged: u32) -> Option<Payer> {
    Some(Payer { peer, charged })
}

/// H9, wherever the home is.
#[test]
fn a_publish_from_outside_is_charged_once_its_home_has_answered_and_the_next_one_at_once() {
    for home in 0..3 {
        let mut nodes = Nodes::new(3);
        let topic = nodes.topic_at(home);
        nodes.local(1, &topic, 4);
        nodes.local(2, &topic, 3);
        nodes.advance(500);
        nodes.publish(0, &topic, 1);
        nodes.settle();
        assert_eq!(
            (peers(&nodes).owed.len(), peers(&nodes).reach.len()),
            (0, 0)
        );

        nodes.publish_by(0, &topic, 2, payer(7, 0));
        nodes.settle();
        assert_eq!(peers(&nodes).owed, [(7, 7)]);
        assert_eq!(peers(&nodes).reach, [(topic.clone(), 7)]);
        nodes.publish_by(0, &topic, 3, payer(7, 7));
        nodes.settle();
        assert_eq!(peers(&nodes).owed.len(), 1);

        nodes.local(2, &topic, 5);
        nodes.advance(500);
        nodes.publish_by(0, &topic, 4, payer(8, 7));
        nodes.settle();
        assert_eq!(peers(&nodes).owed, [(7, 7), (8, 2)]);
        nodes.local(1, &topic, 0);
        nodes.advance(500);
        nodes.publish_by(0, &topic, 5, payer(8, 9));
        nodes.settle();
        assert_eq!(peers(&nodes).owed.len(), 2);
        assert_eq!(peers(&nodes).reach.last(), Some(&(topic.clone(), 5)));
        assert_eq!(nodes.hosts[2].peers.passed.len(), 5);
        assert!(peers(&nodes).elsewhere.is_empty());
    }
}

#[test]
fn what_a_topic_costs_from_outside_is_known_for_as_long_as_somebody_publishes_to_it() {
    let mut nodes = Nodes::new(2);
    let topic = nodes.topic_at(1);
    nodes.local(1, &topic, 4);
    nodes.publish_by(0, &topic, 0, payer(7, 0));
    for data in 1..10 {
        nodes.advance(9_000);
        nodes.publish_by(0, &topic, data, payer(7, 4));
    }
    assert_eq!(peers(&nodes).reach, [(topic.clone(), 4)]);
    nodes.advance(25_000);
    assert_eq!(
        peers(&nodes).reach,
        [(topic.clone(), 4), (topic.clone(), 0)]
    );
    assert_eq!(peers(&nodes).owed, [(7, 4)]);
}

#[test]
fn who_publishes_before_the_first_count_has_come_is_charged_and_told_at_once() {
    let mut nodes = Nodes::new(2);
    let topic = nodes.topic_at(1);
    nodes.local(1, &topic, 4);
    nodes.advance(500);
    nodes.local(0, &topic, 1);
    nodes.publish_by(0, &topic, 1, payer(7, 0));
    nodes.settle();
    assert_eq!(peers(&nodes).owed, [(7, 4)]);
    assert_eq!(peers(&nodes).elsewhere, [(topic.clone(), 4)]);
    // It was not told again for the report that was due.
    nodes.advance(500);
    assert_eq!(nodes.stats(0).frames_received.count, 1);
    // And it costs as much when the last subscriber here has left.
    nodes.local(0, &topic, 0);
    nodes.settle();
    assert_eq!(peers(&nodes).reach, [(topic.clone(), 4)]);
    nodes.local(0, &topic, 1);
    nodes.advance(500);
    assert_eq!(peers(&nodes).reach, [(topic.clone(), 4), (topic, 0)]);
}

/// Those of the first node.
fn peers(nodes: &Nodes) -> &support::bus::Peers {
    &nodes.hosts[0].peers
}

#[test]
fn a_turn_of_many_publishes_is_one_batch_for_each_node() {
    let mut nodes = Nodes::new(2);
    let topic = nodes.topic_at(1);
    nodes.local(1, &topic, 1);
    nodes.settle();
    let before = nodes.stats(0).batches_sent;
    (0..500).for_each(|data| nodes.publish(0, &topic, data));
    nodes.settle();
    assert_eq!(nodes.stats(0).batches_sent - before, 1);
    let data: Vec<_> = (0..500).map(|data| text(&topic, data, 0)).collect();
    let heard = &nodes.hosts[1].peers.passed;
    assert_eq!(heard.len(), 500);
    assert!(
        heard
            .iter()
            .zip(&data)
            .all(|(heard, data)| heard.starts_with(&data[..data.len() - 2]))
    );
}

#[test]
fn a_node_alone_is_home_of_everything_and_ready_after_three_beats() {
    let config = signal_cluster::Config::default();
    let mut alone = signal_cluster::Cluster::new(Instant::ZERO, NodeId::new(1), 1, config);
    assert_eq!(alone.home("t"), alone.node());
    for (millis, is_ready) in [(0, false), (1_000, false), (2_000, false), (3_000, true)] {
        alone.handle_timeout(Instant::from_millis(millis), &mut support::bus::Nobody);
        assert_eq!(alone.is_ready(), is_ready, "{millis}");
    }
    alone.local(Instant::from_millis(3_000), "t", 1);
    assert!(alone.wants_flush());
    assert_eq!(alone.homed(), 1);
}

#[test]
fn the_next_deadline_is_a_beat_a_silence_or_a_report() {
    let mut nodes = Nodes::new(2);
    let topic = nodes.topic_at(0);
    let cluster = &mut nodes.hosts[0].cluster;
    assert_eq!(cluster.poll_timeout(), Some(Instant::from_millis(6_000)));
    cluster.local(Instant::from_millis(5_000), &topic, 1);
    assert_eq!(cluster.poll_timeout(), Some(Instant::from_millis(5_100)));
    assert_eq!(cluster.waiting_for(), None);
}

#[test]
fn a_node_that_leaves_is_gone_at_once_and_one_that_is_silent_after_five_seconds() {
    let mut nodes = Nodes::new(3);
    let mut last = support::bus::Wire::default();
    nodes.hosts.pop().expect("three").cluster.leave(&mut last);
    for (to, message) in last.0 {
        nodes.carry(2, to, &message);
    }
    assert_eq!(nodes.hosts[0].cluster.nodes().len(), 1);
    nodes.hosts.pop();
    let silent_since = nodes.now;
    while nodes.hosts[0].cluster.nodes().len() == 1 {
        nodes.advance(10);
    }
    let silence = nodes.now.saturating_since(silent_since);
    assert!(silence <= Duration::from_secs(5), "{silence:?}");
    assert!(silence > Duration::from_secs(3), "{silence:?}");
}

#[test]
fn topics_of_a_draining_node_move_and_nothing_is_lost() {
    let mut nodes = Nodes::new(3);
    let topic = nodes.topic_at(2);
    nodes.local(0, &topic, 1);
    nodes.local(1, &topic, 1);
    nodes.settle();
    let now = nodes.now;
    nodes.hosts[2].cluster.drain(now);
    for data in 0..50 {
        nodes.publish(0, &topic, data);
        nodes.advance(10);
    }
    assert_ne!(
        nodes.hosts[0].cluster.home(&topic),
        nodes.hosts[2].cluster.node()
    );
    let expected: Vec<_> = (0..50).map(|data| text(&topic, data, 1)).collect();
    assert_eq!(nodes.hosts[1].peers.passed, expected);
}

#[test]
fn after_an_outage_rooms_that_are_shared_announce_again_and_rooms_of_one_node_do_not() {
    let mut nodes = Nodes::new(2);
    nodes.loses = |_, _, _| true;
    nodes.advance(8_000);
    for (host, topic) in [(0, "ours"), (0, "shared"), (1, "shared")] {
        nodes.local(host, topic, 1);
        nodes.publish(host, topic, 1);
    }
    nodes.advance(30_000);
    let cut_at = 13_000;
    nodes.loses = |_, _, _| false;
    nodes.advance(5_000);
    for host in &nodes.hosts {
        let [(topic, since)] = &host.peers.nudged[..] else {
            panic!("{:?}", host.peers.nudged);
        };
        assert_eq!(topic, "shared");
        assert!(since.as_millis() < cut_at);
    }
    assert!(nodes.hosts.iter().all(|host| host.peers.passed.is_empty()));
}

#[test]
fn a_short_cut_delays_and_loses_nothing() {
    let mut nodes = Nodes::new(2);
    let topic = nodes.topic_at(1);
    for host in [0, 1] {
        nodes.local(host, &topic, 1);
    }
    nodes.settle();
    nodes.loses = |_, _, _| true;
    for data in 0..30 {
        nodes.publish(0, &topic, data);
        nodes.advance(100);
    }
    assert!(nodes.hosts[1].peers.passed.is_empty());
    assert!(nodes.hosts[0].cluster.waiting_for() >= Some(Duration::from_millis(2_900)));
    nodes.loses = |_, _, _| false;
    nodes.advance(2_000);
    let expected: Vec<_> = (0..30).map(|data| text(&topic, data, 1)).collect();
    assert_eq!(nodes.hosts[1].peers.passed, expected);
    assert_eq!(nodes.hosts[0].cluster.waiting_for(), None);
    assert!(nodes.hosts.iter().all(|host| host.peers.nudged.is_empty()));
}

#[test]
fn a_ring_that_overflows_is_counted_and_peers_announce_again() {
    let mut config = signal_cluster::Config::default();
    config.cluster_link_bytes_max = 16 * 1024;
    let mut nodes = Nodes::with(2, config);
    let topic = nodes.topic_at(1);
    for host in [0, 1] {
        nodes.local(host, &topic, 1);
    }
    nodes.advance(500);
    nodes.loses = |_, _, _| true;
    for data in 0..500 {
        nodes.publish(0, &topic, data);
        nodes.settle();
    }
    nodes.loses = |_, _, _| false;
    nodes.advance(6_000);
    assert_eq!(nodes.stats(0).overflows, 1);
    assert_eq!(nodes.hosts[0].peers.nudged.len(), 1);
    nodes.publish(0, &topic, 7);
    nodes.settle();
    assert_eq!(
        nodes.hosts[1].peers.passed.last(),
        Some(&text(&topic, 7, 1))
    );
}

#[test]
fn a_jump_of_a_clock_changes_nothing() {
    let mut nodes = Nodes::new(2);
    let topic = nodes.topic_at(1);
    nodes.local(1, &topic, 1);
    nodes.settle();
    let views = nodes.stats(0).view_changes;
    for jump in [3_600_000, 10, 50_000_000, 0] {
        let host = &mut nodes.hosts[0];
        host.cluster
            .handle_timeout(Instant::from_millis(jump), &mut host.peers);
        nodes.advance(1_000);
    }
    nodes.publish(0, &topic, 1);
    nodes.settle();
    assert_eq!(nodes.hosts[1].peers.passed.len(), 1);
    assert_eq!(nodes.stats(0).view_changes, views);
    assert_eq!(nodes.stats(1).view_changes, views);
}

/// A link on which nobody has said anything yet is as good as another.
#[test]
fn a_gap_is_made_up_for_before_those_come_who_came_after_it() {
    let mut nodes = Nodes::new(3);
    nodes.loses = |_, _, _| true;
    nodes.advance(10_000);
    nodes.loses = |_, _, _| false;
    nodes.advance(30_000);
    let gaps = [0, 1, 2].map(|host| nodes.stats(host).gaps);
    let topics = [0, 1, 2].map(|host| nodes.topic_at(host));
    for topic in &topics {
        for host in [0, 1, 2] {
            nodes.local(host, topic, 1);
            nodes.publish(host, topic, 0);
        }
    }
    nodes.advance(30_000);
    assert_eq!(nodes.nudged(), [0, 0, 0]);
    assert_eq!([0, 1, 2].map(|host| nodes.stats(host).gaps), gaps);
}

//! A node without others keeps nothing, and nobody misses it (B9).

mod support;

use signal_cluster::Local;
use signal_core::Instant;
use support::bus::{Nodes, Wire};

/// `cluster_dead_after` and `cluster_keep`.
const ALONE_AFTER: u64 = 15_000;

/// A node that is alone, 20 s old.
fn alone() -> Nodes {
    let mut nodes = Nodes::new(1);
    nodes.advance(ALONE_AFTER);
    assert!(nodes.hosts[0].cluster.is_alone());
    nodes
}

#[test]
fn a_node_that_hears_nobody_is_alone_after_fifteen_seconds_and_keeps_nothing() {
    let mut nodes = Nodes::new(1);
    nodes.local(0, "t", 3);
    nodes.advance(ALONE_AFTER - 5_000 - 1_100);
    assert!(!nodes.hosts[0].cluster.is_alone());
    assert_eq!(nodes.hosts[0].cluster.homed(), 1);
    nodes.advance(1_200);
    let cluster = &mut nodes.hosts[0].cluster;
    assert!(cluster.is_alone());
    assert_eq!(cluster.homed(), 0);
    assert_eq!(cluster.home("t"), cluster.node());
    nodes.local(0, "t", 4);
    nodes.publish(0, "t", 1);
    assert_eq!(nodes.hosts[0].cluster.homed(), 0);
    assert_eq!(nodes.hosts[0].peers.asked, 0);
}

#[test]
fn a_node_that_has_lost_another_is_not_alone_and_one_that_was_left_is() {
    let mut nodes = Nodes::new(2);
    let lost = nodes.hosts.pop().expect("two");
    nodes.advance(60_000);
    assert!(!nodes.hosts[0].cluster.is_alone(), "it may come back");
    nodes.hosts.push(lost);
    nodes.advance(5_000);
    let mut last = Wire::default();
    nodes.hosts[1].cluster.leave(&mut last);
    nodes.hosts.pop();
    for (to, message) in last.0 {
        nodes.carry(1, to, &message);
    }
    nodes.advance(ALONE_AFTER - 1_000);
    assert!(!nodes.hosts[0].cluster.is_alone());
    nodes.advance(2_000);
    assert!(nodes.hosts[0].cluster.is_alone());
}

#[test]
fn a_node_without_a_bus_is_not_alone() {
    let mut nodes = alone();
    nodes.local(0, "t", 3);
    nodes.hosts[0].cluster.set_bus_up(false);
    nodes.advance(1_000);
    assert!(!nodes.hosts[0].cluster.is_alone());
    assert_eq!(nodes.hosts[0].peers.asked, 1);
    assert_eq!(nodes.hosts[0].cluster.homed(), 1);
    nodes.advance(60_000);
    assert!(!nodes.hosts[0].cluster.is_alone());
    nodes.hosts[0].cluster.set_bus_up(true);
    nodes.advance(ALONE_AFTER + 1_000);
    assert!(nodes.hosts[0].cluster.is_alone());
}

/// Wherever the topic has its home once the new node is grown up.
#[test]
fn counts_are_right_at_once_when_another_node_comes() {
    for number in 0..8 {
        let mut nodes = alone();
        let topic = format!("topic-{number}");
        nodes.local(0, &topic, 3);
        nodes.start();
        nodes.local(1, &topic, 2);
        nodes.advance(500);
        assert_eq!(nodes.hosts[0].peers.asked, 1);
        assert_eq!(nodes.hosts[0].peers.elsewhere, [(topic.clone(), 2)]);
        // The new one knows of the other with the next beat.
        nodes.advance(1_000);
        assert_eq!(nodes.hosts[1].peers.elsewhere, [(topic.clone(), 3)]);
        nodes.advance(10_000);
        nodes.publish(0, &topic, 1);
        nodes.publish(1, &topic, 2);
        nodes.settle();
        assert_eq!(nodes.heard(), [1, 1]);
        assert_eq!(nodes.nudged(), [0, 0]);
        assert_eq!(nodes.hosts[0].peers.asked, 1);
    }
}

/// One said hello while nothing was kept, the other on a node that had not heard anybody yet: that
/// keeps it.
#[test]
fn those_meet_who_came_before_a_new_node_and_one_that_was_alone_had_heard_each_other() {
    for is_first_alone in [true, false] {
        let mut nodes = alone();
        nodes.start();
        let order = if is_first_alone { [0, 1] } else { [1, 0] };
        for host in order {
            nodes.local(host, "t", 1);
            nodes.publish(host, "t", host as u64);
        }
        assert!(nodes.hosts[0].cluster.is_alone());
        nodes.advance(2_000);
        assert_eq!(nodes.heard(), [1, 0]);
        assert_eq!(nodes.nudged(), [0, 0]);
    }
}

/// The beats of the new node come late, and so the other one is alone for longer than it is new.
#[test]
fn those_meet_who_came_while_a_new_node_was_not_heard() {
    for unheard in [1_000, 2_500, 4_000, 14_000, 16_500, 40_000] {
        for said in [0, unheard / 2, unheard] {
            let mut nodes = alone();
            nodes.start();
            nodes.loses = |_, _, _| true;
            nodes.advance(said);
            for host in [0, 1] {
                nodes.local(host, "t", 1);
                nodes.publish(host, "t", 0);
            }
            nodes.advance(unheard - said);
            nodes.loses = |_, _, _| false;
            nodes.advance(10_000);
            let have_met = nodes.heard().iter().sum::<usize>() > 0;
            let (are_told, case) = (nodes.nudged(), format!("{unheard} ms, after {said}"));
            assert!(have_met || are_told.contains(&1), "{case}: {are_told:?}");
        }
    }
}

/// The bus takes 6 s for each message. Each has kept what was said for as long as it may be heard
/// by a node that the other one takes for new.
#[test]
fn those_meet_whose_nodes_hear_each_other_as_new_ones_long_after_they_are_grown_up() {
    const LATE: u64 = 6_000;
    let mut nodes = Nodes::new(2);
    nodes.hosts.clear();
    nodes.start();
    nodes.start();
    let mut late = std::collections::VecDeque::new();
    let begun = nodes.now.as_millis();
    for millis in (0..60_000).step_by(100) {
        nodes.now = Instant::from_millis(begun + millis);
        if millis == 5_000 {
            for host in [0, 1] {
                nodes.local(host, "t", 1);
                nodes.publish(host, "t", 0);
            }
        }
        for host in &mut nodes.hosts {
            host.cluster.handle_timeout(nodes.now, &mut host.peers);
        }
        nodes.flush();
        late.extend(
            std::mem::take(&mut nodes.sent)
                .into_iter()
                .map(|one| (millis + LATE, one)),
        );
        while late.front().is_some_and(|(due, _)| *due <= millis) {
            let (_, (from, to, message)) = late.pop_front().expect("it is there");
            nodes.carry(from, to, &message);
        }
    }
    let have_met = nodes.heard().iter().sum::<usize>() > 0;
    assert!(have_met || nodes.nudged().iter().sum::<usize>() > 0);
}

#[test]
fn two_that_took_themselves_for_alone_have_those_announce_again_who_share_a_topic() {
    let mut nodes = Nodes::new(2);
    nodes.hosts.clear();
    nodes.start();
    nodes.start();
    nodes.loses = |_, _, _| true;
    nodes.advance(30_000);
    assert!(nodes.hosts.iter().all(|host| host.cluster.is_alone()));
    for host in [0, 1] {
        nodes.local(host, "shared", 1);
        nodes.publish(host, "shared", 0);
        nodes.local(host, &format!("own-{host}"), 1);
        nodes.publish(host, &format!("own-{host}"), 0);
    }
    nodes.advance(20_000);
    nodes.loses = |_, _, _| false;
    nodes.advance(10_000);
    for host in &nodes.hosts {
        let [(topic, since)] = &host.peers.nudged[..] else {
            panic!("{:?}", host.peers.nudged);
        };
        assert_eq!(topic, "shared");
        assert!(since.as_millis() <= 5_000);
    }
}

/// Wherever the topic has its home: the node that was alone moves to it.
#[test]
fn what_a_node_has_kept_is_heard_by_those_of_one_that_was_alone() {
    for number in 0..8 {
        let mut nodes = alone();
        let topic = format!("topic-{number}");
        nodes.local(0, &topic, 1);
        nodes.start();
        nodes.hosts[1].cluster.set_bus_up(false);
        nodes.loses = |_, _, _| true;
        nodes.advance(20_000);
        nodes.local(1, &topic, 1);
        nodes.publish(1, &topic, 0);
        nodes.advance(2_000);
        nodes.hosts[1].cluster.set_bus_up(true);
        nodes.loses = |_, _, _| false;
        nodes.advance(4_000);
        assert_eq!(nodes.heard(), [1, 0], "{topic}");
    }
}

/// Another node has its identity, so that it begins another life: with the topics it has.
#[test]
fn a_node_that_was_alone_keeps_its_topics_when_it_is_reborn() {
    let mut nodes = alone();
    nodes.local(0, "t", 3);
    nodes.start_as(1);
    nodes.advance(1_000);
    assert_eq!(nodes.stats(0).twins, 1);
    assert!(!nodes.hosts[0].cluster.is_alone());
    assert_eq!(nodes.hosts[0].peers.asked, 1);
    nodes.local(1, "t", 2);
    nodes.advance(5_000);
    assert_eq!(
        nodes.hosts[1].peers.elsewhere.last(),
        Some(&("t".to_owned(), 3))
    );
}

/// What it had said of topics that are shared no more is taken back.
#[test]
fn a_node_that_becomes_alone_says_that_nobody_is_elsewhere() {
    let mut nodes = Nodes::new(2);
    for topic in ["subscribed", "outside"] {
        nodes.local(1, topic, 2);
    }
    nodes.local(0, "subscribed", 1);
    nodes.publish_by(
        0,
        "outside",
        1,
        Some(signal_cluster::Payer {
            peer: 7,
            charged: 0,
        }),
    );
    nodes.advance(500);
    assert_eq!(
        nodes.hosts[0].peers.reach.last(),
        Some(&("outside".to_owned(), 2))
    );
    let mut last = Wire::default();
    nodes.hosts[1].cluster.leave(&mut last);
    nodes.hosts.pop();
    for (to, message) in last.0 {
        nodes.carry(1, to, &message);
    }
    nodes.advance(ALONE_AFTER + 2_000);
    assert!(nodes.hosts[0].cluster.is_alone());
    let peers = &nodes.hosts[0].peers;
    assert_eq!(peers.elsewhere.last(), Some(&("subscribed".to_owned(), 0)));
    assert_eq!(peers.reach.last(), Some(&("outside".to_owned(), 0)));
}

/// A host that has nothing to say is asked once and not for each message.
#[test]
fn a_host_is_asked_for_its_topics_once() {
    let mut nodes = alone();
    for _ in 0..3 {
        nodes.start();
        nodes.advance(2_000);
    }
    let asked = nodes.hosts.iter().map(|host| host.peers.asked);
    assert!(asked.eq([1, 0, 0, 0]));
    nodes.hosts[0].peers.topics(&mut |_, _| {});
}

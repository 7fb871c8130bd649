//! Several nodes of one service. Nodes learn of each other's subscribers in their own time, so
//! scenarios wait until a first message has come through.

use super::build::{publish, published, scenario, words};
use crate::Capability::{BusFaults, CountAll, NodeFaults, Nodes};
use crate::{Level, Scenario, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        two_nodes(
            "cluster.publish",
            "M1 O6 P1 P4",
            "a publish on one node reaches the subscribers on the other, and all are counted",
        )
        .needs([CountAll])
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .publish("b", r#""data":2"#)
        .expect_publish("a b", r#""data":2"#, 2),
        two_nodes(
            "cluster.order",
            "M2 M3 O3 O6",
            "messages of one publisher keep their order on the other node",
        )
        .needs([CountAll])
        .repeat(200, |s| s.publish("a", r#""data":{"from":"a","n":${n}}"#))
        .step(Step::ExpectSameOrder {
            on: vec!["b".to_owned(), "a".to_owned()],
            count: 200.into(),
            members: ["from".to_owned(), "n".to_owned()],
            or_closed: false,
        }),
        two_nodes(
            "cluster.disconnect",
            "M4 O6 S8",
            "a peer that leaves one node is in no later count on the other",
        )
        .needs([CountAll])
        .close("b", Some(1000))
        .expect_closed("b", &[1000])
        .await_clients("a", 1),
        two_nodes(
            "cluster.count",
            "M4 O6",
            "each subscribe, unsubscribe and end on one node changes what the other counts",
        )
        .needs([CountAll])
        .connect_with("c d", |connect| connect.node = 1)
        .unsubscribe("b", "${t}")
        .await_clients("a", 1)
        .subscribe("c", "${t}")
        .await_publish("a", "${t}", 2, |_, _| {})
        .release("c")
        .subscribe("d", "${t}")
        .await_publish("a", "${t}", 3, |_, _| {})
        .release("d")
        .abort("c d")
        .await_clients("a", 1),
        meet(),
        faulty(
            "cluster.home_loss",
            "M1 M2",
            "when a node ends, those on the others meet, in old topics and in new ones",
        )
        .needs([NodeFaults])
        .step(Step::KillNode { node: 2 })
        .then(|s| meet_in(s, "a b", "old"))
        .then(|s| meet_in(s, "a b", "new"))
        .step(Step::StartNode { node: 2 })
        .connect_with("c", |connect| connect.node = 2)
        .then(|s| meet_in(s, "a b c", "after"))
        .release("a b c"),
        faulty(
            "cluster.drain",
            "M1 M2",
            "while a node drains, its clients move to the others and all meet",
        )
        .needs([NodeFaults])
        .connect_with("c", |connect| connect.node = 2)
        .then(|s| meet_in(s, "a b c", "before"))
        .step(Step::DrainNode { node: 2 })
        .then(|s| meet_in(s, "a b c", "after"))
        .step(Step::StartNode { node: 2 })
        .release("a b c"),
        faulty(
            "cluster.engine_loss",
            "M1 M2 M5",
            "without the bus those on one node meet, and once it is back all do",
        )
        .needs([BusFaults])
        .connect("c")
        .step(Step::StopBus)
        .then(|s| meet_in(s, "a c", "local"))
        .step(Step::StartBus)
        .then(|s| meet_in(s, "a b", "after"))
        .release("a b c"),
    ]
}

/// How much longer than usual peers may take to meet after a failure, in milliseconds: a node is
/// taken for gone after 5 s, and M1 allows 10 s more.
const AFTER_FAILURE: u64 = 15_000;
/// In how many topics they meet: enough for each node to be the home of some.
const TOPICS: u64 = 12;

/// 200 pairs, one after the other, as two people who open a link at the same moment: each pair on
/// two nodes, and half of them the other way round.
fn meet() -> Scenario {
    let mut scenario = scenario(
        Level::Cluster,
        "cluster.meet",
        "M1 M2",
        "of two that open a room on two nodes in the same moment, at least one hears the other",
    )
    .needs([Nodes]);
    // New connections now and then, so that no limit of a connection is reached.
    for part in 0..8 {
        let order = if part % 2 == 0 { "a b" } else { "b a" };
        scenario = scenario
            .connect("a")
            .connect_with("b", |connect| connect.node = 1)
            .repeat(25, |s| {
                s.step(Step::Meet {
                    on: words(order),
                    topic: format!("${{t}}-{part}-${{n}}"),
                    within: None,
                })
            })
            .release("a b");
    }
    scenario
}

/// `a` on the first node and `b` on the second, which have met in topics of all homes.
fn faulty(id: &str, requirements: &str, title: &str) -> Scenario {
    let scenario = scenario(Level::Cluster, id, requirements, title)
        .needs([Nodes])
        .connect("a")
        .connect_with("b", |connect| connect.node = 1);
    meet_in(scenario, "a b", "old")
}

fn meet_in(scenario: Scenario, on: &str, what: &str) -> Scenario {
    scenario.repeat(TOPICS, |s| {
        s.step(Step::Meet {
            on: words(on),
            topic: format!("${{t}}-{what}-${{n}}"),
            within: Some(AFTER_FAILURE.into()),
        })
    })
}

/// `a` on the first node and `b` on the second, both subscribed, and known to each other.
fn two_nodes(id: &str, requirements: &str, title: &str) -> Scenario {
    scenario(Level::Cluster, id, requirements, title)
        .needs([Nodes])
        .connect("a")
        .connect_with("b", |connect| connect.node = 1)
        .subscribe("a b", "${t}")
        // Each publishes until it sees that the other is counted, and may receive any number of the
        // other's before that one is ready. It is this topic that has to be known, as another may
        // have another home.
        .await_publish("a", "${t}", 2, |_, _| {})
        .await_publish("b", "${t}", 2, |_, _| {})
        .then(|s| ready(s, "a", "b"))
        .then(|s| ready(s, "b", "a b"))
}

/// Has a peer say that it is ready, after which nothing of before can come from it.
fn ready(scenario: Scenario, from: &str, on: &str) -> Scenario {
    let data = format!(r#""data":"ready {from}""#);
    scenario.send(from, &publish("${t}", &data)).expect_with(
        on,
        &published("${t}", &data, 2),
        |expect| {
            expect.eventually = true;
        },
    )
}

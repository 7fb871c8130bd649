//! Several nodes of one service. Nodes learn of each other's subscribers in their own time, so
//! scenarios wait until a first message has come through.

use super::build::{publish, published, scenario};
use crate::Capability::{CountAll, Nodes};
use crate::{Level, Scenario, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        two_nodes(
            "cluster.publish",
            "O6 P1 P4",
            "a publish on one node reaches the subscribers on the other, and all are counted",
        )
        .needs([CountAll])
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .publish("b", r#""data":2"#)
        .expect_publish("a b", r#""data":2"#, 2),
        two_nodes(
            "cluster.order",
            "O6 O3",
            "messages of one publisher keep their order on the other node",
        )
        .needs([CountAll])
        .repeat(200, |s| s.publish("a", r#""from":"a","n":${n}"#))
        .step(Step::ExpectSameOrder {
            on: vec!["b".to_owned(), "a".to_owned()],
            count: 200.into(),
            members: ["from".to_owned(), "n".to_owned()],
            or_closed: false,
        }),
        two_nodes(
            "cluster.disconnect",
            "O6 S8",
            "a peer that leaves one node is in no later count on the other",
        )
        .needs([CountAll])
        .close("b", Some(1000))
        .expect_closed("b", &[1000])
        .await_clients("a", 1),
    ]
}

/// `a` on the first node and `b` on the second, both subscribed, and known to each other.
fn two_nodes(id: &str, requirements: &str, title: &str) -> Scenario {
    scenario(Level::Cluster, id, requirements, title)
        .needs([Nodes])
        .connect("a")
        .connect_with("b", |connect| connect.node = 1)
        .subscribe("a b", "${t} ${t}-ready")
        // `a` publishes until it sees that `b` is counted; `b` may receive any number of these.
        .await_publish("a", "${t}-ready", 2, |_, _| {})
        .send("a", &publish("${t}-ready", r#""data":"ready""#))
        .expect_with(
            "a b",
            &published("${t}-ready", r#""data":"ready""#, 2),
            |expect| expect.eventually = true,
        )
}

//! Section 6: ping.

use super::basics::uncounted;
use super::build::{publish, stock, words};
use crate::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        stock(
            "ping.pong",
            "K1",
            "a ping is answered with exactly {\"type\":\"pong\"}",
        )
        .should()
        .connect("a")
        .ping("a")
        .expect_with("a", r#"{"type":"pong"}"#, |expect| expect.exact = true),
        stock(
            "ping.extra_members",
            "K1",
            "members of a ping are not echoed",
        )
        .connect("a")
        .send(
            "a",
            r#"{ "type" : "ping", "id": 7, "topic":"${t}", "clients":1 }"#,
        )
        .expect_pong("a"),
        stock("ping.each", "K1", "each ping is answered once")
            .room("b")
            .room("a")
            .ping("a")
            .ping("a")
            .expect_pong("a")
            .expect_pong("a")
            // What comes too often comes before this.
            .publish("b", r#""data":1"#)
            .expect_with("a", &publish("${t}", r#""data":1"#), |expect| {
                expect.ignoring = words("clients");
            })
            .release("b"),
        stock("ping.sender_only", "K1", "nobody else hears of a ping")
            .room("a b")
            .ping("a")
            .expect_pong("a")
            // Behind it: where a fence is a ping, its answer could be taken for that of the fence.
            .publish("a", r#""data":1"#)
            .then(|s| uncounted(s, "b"))
            .release("a"),
        stock(
            "ping.without_subscription",
            "K1 V2",
            "a client without subscriptions is answered",
        )
        .connect("a")
        .ping("a")
        .expect_pong("a")
        .room("b")
        .unsubscribe("b", "${t}")
        .ping("b")
        .expect_pong("b"),
        stock(
            "ping.pong_from_client",
            "K2",
            "a pong from a client has no effect and no answer",
        )
        .room("a b")
        .send("a", r#"{"type":"pong"}"#)
        .send("a", r#"{"type":"pong","topic":"${t}"}"#)
        .expect_nothing("a b"),
        stock(
            "ping.beside_traffic",
            "K3 O1",
            "a ping after 300 publishes is answered after them",
        )
        .room("a")
        .repeat(300, |s| s.publish("a", r#""data":${n}"#))
        .ping("a")
        .repeat(300, |s| s.expect_publish("a", r#""data":${n}"#, 1))
        .expect_pong("a"),
    ]
}

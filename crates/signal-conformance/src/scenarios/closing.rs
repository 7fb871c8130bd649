//! Section 11, the part of it that all servers share: how connections end, and what is left of
//! them.

use super::build::stock;
use crate::{Scenario, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        stock(
            "closing.echoes_code",
            "C1",
            "a close is answered with the same code",
        )
        .connect("a b")
        .close("a", Some(1000))
        .expect_closed("a", &[1000])
        .close("b", Some(4001))
        .expect_closed("b", &[4001]),
        stock(
            "closing.without_code",
            "C1",
            "a close without code is answered without code",
        )
        .connect("a")
        .close("a", None)
        .expect_closed("a", &[1005]),
        stock(
            "closing.with_reason",
            "C1",
            "a close with a reason is answered",
        )
        .connect("a")
        .step(Step::Close {
            on: vec!["a".to_owned()],
            code: Some(3000),
            reason: "bye, müde".to_owned(),
        })
        .expect_closed("a", &[3000]),
        stock(
            "closing.ends_all_subscriptions",
            "S8",
            "a close ends the subscriptions to all topics",
        )
        .connect("a b")
        .subscribe("a b", "${t}-1 ${t}-2 ${t}")
        .close("b", Some(1000))
        .expect_closed("b", &[1000])
        .await_clients("a", 1)
        .send("a", r#"{"type":"publish","topic":"${t}-1"}"#)
        .expect("a", r#"{"type":"publish","topic":"${t}-1","clients":1}"#)
        .send("a", r#"{"type":"publish","topic":"${t}-2"}"#)
        .expect("a", r#"{"type":"publish","topic":"${t}-2","clients":1}"#),
        stock(
            "closing.abort",
            "S8",
            "a connection that breaks is in no later count, and disturbs nobody",
        )
        .room("a b")
        // A reset takes back what was not read.
        .expect_open("b")
        .abort("b")
        .await_clients("a", 1),
        stock(
            "closing.others_stay",
            "S8",
            "the end of one connection ends no other",
        )
        .room("a b c")
        .close("b", Some(1000))
        .expect_closed("b", &[1000])
        .abort("c")
        .expect_open("a")
        .await_clients("a", 1),
        stock(
            "closing.reconnect",
            "S8 N1",
            "a client that reconnects begins without subscriptions",
        )
        .room("a b")
        .close("b", Some(1000))
        .expect_closed("b", &[1000])
        .await_clients("a", 1)
        .connect("b")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1)
        .expect_nothing("b")
        .subscribe("b", "${t}")
        .publish("a", r#""data":2"#)
        .expect_publish("a b", r#""data":2"#, 2),
        stock(
            "closing.churn",
            "S8",
            "thirty connections that come and go leave nothing behind",
        )
        .room("a")
        .repeat(30, |s| {
            s.room("x")
                .publish("x", r#""data":${n}"#)
                .expect_publish("x a", r#""data":${n}"#, 2)
                .abort("x")
                .await_clients("a", 1)
        }),
        stock(
            "closing.frames_after_close",
            "C1",
            "messages after a close are not read",
        )
        .room("a")
        .connect("b")
        .frame("b", 0x88, "${hex:03e8}")
        .frame("b", 0x81, r#"{"type":"publish","topic":"${t}","data":1}"#)
        .expect_closed("b", &[1000])
        .expect_nothing("a"),
    ]
}

//! Section 7: order.

use super::build::{stock, words};
use crate::{Scenario, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        stock("order.one_topic", "O1", "400 messages of one publisher arrive in the order they were sent")
            .room("a b")
            .repeat(400, |s| s.publish("a", r#""data":${n}"#))
            .repeat(400, |s| s.expect_publish("a b", r#""data":${n}"#, 2)),
        stock("order.long_then_short", "O3 O1", "a short message does not overtake a long one")
            .room("a b")
            .repeat(6, |s| {
                s.publish("a", r#""data":{"n":${2*n},"x":"${repeat:x:50000}"}"#)
                    .publish("a", r#""data":{"n":${2*n+1}}"#)
            })
            .repeat(6, |s| {
                s.expect_publish("b a", r#""data":{"n":${2*n},"x":"${repeat:x:50000}"}"#, 2)
                    .expect_publish("b a", r#""data":{"n":${2*n+1}}"#, 2)
            }),
        stock("order.two_topics", "O3", "messages of one publisher keep their order across topics")
            .connect("a b")
            .subscribe("a b", "${t}-1 ${t}-2")
            .repeat(200, |s| {
                s.send("a", r#"{"type":"publish","topic":"${t}-1","data":${2*n}}"#)
                    .send("a", r#"{"type":"publish","topic":"${t}-2","data":${2*n+1}}"#)
            })
            .repeat(200, |s| {
                s.expect("b a", r#"{"type":"publish","topic":"${t}-1","data":${2*n},"clients":2}"#)
                    .expect("b a", r#"{"type":"publish","topic":"${t}-2","data":${2*n+1},"clients":2}"#)
            }),
        stock("order.many_topics", "O3", "messages of one publisher keep their order across ten topics")
            .connect("a b")
            .repeat(10, |s| s.subscribe("b", "${t}-${n}"))
            .repeat(20, |s| {
                (0..10).fold(s, |s, topic| {
                    s.send("a", &format!(r#"{{"type":"publish","topic":"${{t}}-{topic}","data":{{"from":"a","n":${{10*n+{topic}}}}}}}"#))
                })
            })
            .step(same_order("b", 200)),
        stock("order.same_for_all", "O2", "all subscribers receive what several publish at once in the same order")
            .room("a b c")
            .connect("d")
            .expect_open("a b c")
            .repeat(100, |s| {
                s.race("a", r#"{"type":"publish","topic":"${t}","data":{"from":"a","n":${n}}}"#)
                    .race("b", r#"{"type":"publish","topic":"${t}","data":{"from":"b","n":${n}}}"#)
                    .race("d", r#"{"type":"publish","topic":"${t}","data":{"from":"d","n":${n}}}"#)
            })
            .step(same_order("a b c", 300)),
        stock("order.requests", "O1", "pings, subscribes and publishes of one peer are handled in the order they were sent")
            .connect("a")
            .ping("a")
            .subscribe("a", "${t}")
            .publish("a", r#""data":1"#)
            .ping("a")
            .unsubscribe("a", "${t}")
            .publish("a", r#""data":2"#)
            .ping("a")
            .expect_pong("a")
            .expect_publish("a", r#""data":1"#, 1)
            .expect_pong("a")
            .expect_pong("a"),
        stock("order.subscribers_at_that_point", "O4", "a publish goes to those subscribed at that point, and counts them")
            .room("a")
            .connect("b")
            .repeat(20, |s| {
                s.subscribe("b", "${t}")
                    .publish("a", r#""data":"two""#)
                    .expect_publish("a b", r#""data":"two""#, 2)
                    .unsubscribe("b", "${t}")
                    .publish("a", r#""data":"one""#)
                    .expect_publish("a", r#""data":"one""#, 1)
            })
            .expect_nothing("b"),
        stock("order.publish_then_close", "O5", "what was published right before a close is delivered")
            .room("a")
            .connect("b")
            .publish("b", r#""data":"farewell""#)
            .close("b", Some(1000))
            .expect_publish("a", r#""data":"farewell""#, 1)
            .expect_closed("b", &[1000]),
        stock("order.burst_then_close", "O5", "a burst of 100 messages right before a close is delivered whole")
            .room("a")
            .connect("b")
            .repeat(100, |s| s.publish("b", r#""data":${n}"#))
            .close("b", None)
            .repeat(100, |s| s.expect_publish("a", r#""data":${n}"#, 1)),
    ]
}

pub(super) fn same_order(on: &str, count: u64) -> Step {
    let members = ["from".to_owned(), "n".to_owned()];
    Step::ExpectSameOrder {
        on: words(on),
        count: count.into(),
        members,
        or_closed: false,
    }
}

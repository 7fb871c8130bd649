//! Section 4: subscribe and unsubscribe.

use super::build::{publish, published, stock, words};
use crate::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        stock(
            "subscribe.no_answer",
            "S1",
            "subscribe and unsubscribe are not answered",
        )
        // No more fences than pings may be sent: whether there are echoes is not known yet.
        .room("a")
        .unsubscribe("a", "${t}")
        .expect_nothing("a"),
        stock(
            "subscribe.not_announced",
            "S1",
            "nobody is informed of a subscribe, an unsubscribe or a new connection",
        )
        .room("a b")
        .room("c")
        .unsubscribe("c", "${t}")
        .expect_nothing("a b c"),
        stock(
            "subscribe.many_topics",
            "S1",
            "one subscribe may name several topics",
        )
        .connect("a")
        .subscribe("a", "${t}-1 ${t}-2 ${t}-3")
        .repeat(3, |s| {
            s.send("a", r#"{"type":"publish","topic":"${t}-${n+1}","data":1}"#)
                .expect(
                    "a",
                    r#"{"type":"publish","topic":"${t}-${n+1}","data":1,"clients":1}"#,
                )
        }),
        stock(
            "subscribe.adds",
            "S1 P1",
            "a further subscribe adds to the topics of the first, which stay apart",
        )
        .room("a b")
        .subscribe("a", "${t}-2")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .send("a", &publish("${t}-2", r#""data":2"#))
        .expect("a", &published("${t}-2", r#""data":2"#, 1))
        .expect_nothing("b"),
        stock(
            "subscribe.pipelined",
            "S2",
            "a publish sent right after a subscribe is echoed",
        )
        .connect("a")
        .subscribe("a", "${t}")
        .publish("a", r#""data":{"type":"announce","from":"a"}"#)
        .expect_with(
            "a",
            &publish("${t}", r#""data":{"type":"announce","from":"a"}"#),
            |expect| expect.ignoring = words("clients"),
        ),
        stock(
            "subscribe.unsubscribe_pipelined",
            "S2",
            "an unsubscribe takes effect before the next message",
        )
        .connect("a")
        .repeat(20, |s| {
            s.subscribe("a", "${t}")
                .publish("a", r#""data":${n}"#)
                .unsubscribe("a", "${t}")
                .publish("a", r#""data":"gone""#)
        })
        .repeat(20, |s| s.expect_publish("a", r#""data":${n}"#, 1))
        .expect_nothing("a"),
        stock(
            "subscribe.entries_no_strings",
            "S3",
            "entries that are not strings are skipped, the others count",
        )
        .connect("a")
        .send(
            "a",
            r#"{"type":"subscribe","topics":[1,"${t}",null,true,["${t}-x"],{"a":"${t}-x"}]}"#,
        )
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1)
        .send("a", r#"{"type":"publish","topic":"${t}-x","data":2}"#)
        .expect_nothing("a")
        .send("a", r#"{"type":"unsubscribe","topics":[null,7,["${t}"]]}"#)
        .publish("a", r#""data":3"#)
        .expect_publish("a", r#""data":3"#, 1),
        stock(
            "subscribe.topics_falsy",
            "S3",
            "topics that is null, false, 0, an empty string or empty subscribes nothing",
        )
        .connect("a")
        .then(|s| {
            let none = ["null", "false", "0", r#""""#, "[]"];
            none.into_iter().fold(s, |s, topics| {
                s.send("a", &format!(r#"{{"type":"subscribe","topics":{topics}}}"#))
                    .send(
                        "a",
                        &format!(r#"{{"type":"unsubscribe","topics":{topics}}}"#),
                    )
            })
        })
        .publish("a", r#""data":1"#)
        .expect_nothing("a"),
        stock(
            "subscribe.topics_missing",
            "S3",
            "subscribe and unsubscribe without topics have no effect",
        )
        .room("a")
        .send("a", r#"{"type":"subscribe"}"#)
        .send("a", r#"{"type":"unsubscribe"}"#)
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        stock(
            "subscribe.twice",
            "S4",
            "subscribing twice is subscribing once",
        )
        .room("a b")
        .subscribe("a", "${t}")
        .publish("b", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .expect_nothing("a"),
        stock(
            "subscribe.twice_in_one",
            "S4",
            "a topic named twice in one subscribe counts once",
        )
        .connect("a")
        .subscribe("a", "${t} ${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        stock(
            "subscribe.twice_then_unsubscribe",
            "S4",
            "one unsubscribe ends what was subscribed twice",
        )
        .room("a")
        .subscribe("a", "${t} ${t}")
        .unsubscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_nothing("a"),
        stock(
            "subscribe.unsubscribe",
            "S1",
            "after an unsubscribe nothing comes, and the count is less",
        )
        .room("a b c")
        .unsubscribe("a", "${t}")
        .publish("b", r#""data":1"#)
        .expect_publish("c b", r#""data":1"#, 2)
        .expect_nothing("a"),
        stock(
            "subscribe.unsubscribe_one",
            "S1",
            "unsubscribing one topic keeps the others",
        )
        .connect("a")
        .subscribe("a", "${t}-1 ${t}-2")
        .unsubscribe("a", "${t}-1")
        .send("a", r#"{"type":"publish","topic":"${t}-1","data":1}"#)
        .send("a", r#"{"type":"publish","topic":"${t}-2","data":2}"#)
        .expect("a", &published("${t}-2", r#""data":2"#, 1)),
        stock(
            "subscribe.unsubscribe_own_only",
            "S1",
            "an unsubscribe ends the sender's subscription only",
        )
        .room("a b c")
        .unsubscribe("a", "${t}")
        .publish("b", r#""data":1"#)
        .expect_with("b c", &publish("${t}", r#""data":1"#), |expect| {
            // How many they are is what the scenario before is about.
            expect.ignoring = vec!["clients".to_owned()];
        })
        .expect_nothing("a"),
        stock(
            "subscribe.unsubscribe_unknown",
            "S4",
            "unsubscribing what was never subscribed has no effect",
        )
        .room("a b")
        .unsubscribe("a", "${t}-other ${t}-more")
        .connect("c")
        .unsubscribe("c", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
        stock(
            "subscribe.unsubscribe_many",
            "S1 S4",
            "an unsubscribe ends all it names, whatever else stands beside it",
        )
        .connect("a b")
        .subscribe("a b", "${t}-1 ${t}-2 ${t}-3 ${t}-4")
        .send(
            "a",
            r#"{"type":"unsubscribe","topics":["${t}-none",5,"${t}-1",null,["${t}-4"],"${t}-2","${t}-1","${t}-nor"]}"#,
        )
        .then(|s| {
            let counts = [(1, 1), (2, 1), (3, 2), (4, 2)];
            counts.into_iter().fold(s, |s, (topic, clients)| {
                let topic = format!("${{t}}-{topic}");
                s.send("b", &publish(&topic, r#""data":1"#))
                    .expect(
                        if clients == 2 { "a b" } else { "b" },
                        &published(&topic, r#""data":1"#, clients),
                    )
            })
        })
        .expect_nothing("a"),
        stock(
            "subscribe.again",
            "S1",
            "subscribing again after an unsubscribe works",
        )
        .room("a b")
        .unsubscribe("a", "${t}")
        .subscribe("a", "${t}")
        .publish("b", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
        stock(
            "subscribe.connections_apart",
            "S1",
            "two connections of one client are two subscribers",
        )
        .room("a1 a2")
        .publish("a1", r#""data":1"#)
        .expect_publish("a1 a2", r#""data":1"#, 2)
        .unsubscribe("a1", "${t}")
        .publish("a1", r#""data":2"#)
        .expect_publish("a2", r#""data":2"#, 1),
        stock(
            "subscribe.empty_topic",
            "S6",
            "the empty string among the topics does not disturb the others",
        )
        .connect("a")
        .subscribe("a", r#""" ${t}"#)
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1)
        .unsubscribe("a", r#""""#)
        .publish("a", r#""data":2"#)
        .expect_publish("a", r#""data":2"#, 1),
        stock("subscribe.long_topic", "S7", "a topic of 200 bytes works")
            .connect("a")
            .send(
                "a",
                r#"{"type":"subscribe","topics":["${t}${repeat:x:150}"]}"#,
            )
            .send(
                "a",
                r#"{"type":"publish","topic":"${t}${repeat:x:150}","data":1}"#,
            )
            .expect(
                "a",
                r#"{"type":"publish","topic":"${t}${repeat:x:150}","data":1,"clients":1}"#,
            ),
        stock(
            "subscribe.forty_topics",
            "S7",
            "a client with 40 rooms is served in all of them",
        )
        .connect("a")
        .repeat(40, |s| s.subscribe("a", "${t}-${n}"))
        .repeat(40, |s| {
            s.send("a", r#"{"type":"publish","topic":"${t}-${n}"}"#)
        })
        .repeat(40, |s| {
            s.expect("a", r#"{"type":"publish","topic":"${t}-${n}","clients":1}"#)
        }),
    ]
}

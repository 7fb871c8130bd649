//! Section 10: topics that look like a granted one, and messages that could be judged as one topic
//! and routed as another.
//!
//! That nothing else came is seen at the end of each.

use super::access::access;
use super::build::{publish, published};
use crate::Capability::{Hibernate, Private};
use crate::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = names();
    all.extend(members());
    all
}

/// Names that are not the granted one. Topics are written as in JSON, grants as they are.
fn names() -> Vec<Scenario> {
    vec![
        access(
            "access.unicode_forms",
            "A1 A2 S7 G4",
            "another Unicode form of a granted topic is another topic",
        )
        .serves("${t}-caf\u{e9}", r"${t}-caf\u00e9")
        .and_not(&[r"${t}-cafe\u0301", "${t}-cafe", r"${t}-caf\u00c9"]),
        access(
            "access.prefix_of_unicode",
            "A1 S7 G4",
            "a prefix is compared code point by code point, whatever they look like together",
        )
        .serves("${t}-cafe*", r"${t}-cafe\u0301")
        .and_not(&[r"${t}-caf\u00e9", r"${t}-\uff43afe"]),
        access(
            "access.spaces",
            "A1 A2 S7 G4",
            "white space and what no eye sees, around a granted topic, make another topic",
        )
        .serves("${t}-room", "${t}-room")
        .and_not(&[
            "${t}-room ",
            " ${t}-room",
            r"${t}-room\n",
            r"${t}-room\u0000",
            r"${t}-room\u00a0",
            r"${t}-room\u200b",
            r"\ufeff${t}-room",
        ]),
        access(
            "access.prefix_look_alikes",
            "A1 S7 G4",
            "a prefix is compared with case and only at the beginning, and does not grant itself without its end",
        )
        .serves("${t}-Team/*", "${t}-Team/a")
        .and_not(&[
            "${t}-team/a",
            "${t}-Team",
            "${t}-Team2/a",
            "x${t}-Team/a",
            r"${t}-Te\u0430m/a",
        ]),
        access(
            "access.no_paths",
            "A1 S7",
            "a topic is not a path, and no percent-encoding is undone",
        )
        .serves("${t}/a/*", "${t}/a/../b")
        .and_not(&["${t}/b", "${t}//a/x", "${t}/./a/x", "${t}%2fa/x", "${t}/A/../a/x"]),
        access(
            "access.wildcards",
            "A1 S7",
            "a star in a request is a character: it asks for no other topics, and no others match it",
        )
        .needs([Private])
        .alone()
        .serves("${t}/*", "${t}/*")
        .and_not(&["*", "${t}*", "?"]),
        access(
            "access.proto",
            "A1 S7 G6",
            "names of JavaScript are granted only if they are granted",
        )
        .needs([Private])
        .alone()
        .serves("${t}", "${t}")
        .and_not(&["__proto__", "constructor", "toString", "hasOwnProperty"]),
        access(
            "access.proto_granted",
            "A1 G6",
            "names of JavaScript can be granted like any other",
        )
        .needs([Private])
        .alone()
        .serves("__proto__", "__proto__")
        .and_not(&["constructor", "${t}"])
        .unsubscribe("a", "__proto__"),
        access(
            "access.escapes",
            "A1 S7 G4",
            "a topic is judged after its escapes are decoded, and only once",
        )
        .serves("${t}/room", r"${t}\u002fr\u006fom")
        .and_not(&[r"${t}\\u002froom", r"${t}\\/room", "${t}&#47;room"]),
    ]
}

/// Messages that name several topics.
fn members() -> Vec<Scenario> {
    vec![
        access(
            "access.one_of_two",
            "A1 S7",
            "of the topics in one subscribe only the granted one opens, wherever it stands",
        )
        .connect_granted("a", "${t}-yes", "")
        .connect("b")
        .subscribe("a", "${t}-no ${t}-yes ${t}-neither")
        .send("b", &publish("${t}-no", r#""data":1"#))
        .send("b", &publish("${t}-neither", r#""data":2"#))
        .send("b", &publish("${t}-yes", r#""data":3"#))
        .expect("a", &published("${t}-yes", r#""data":3"#, 1)),
        access(
            "access.repeated_topic",
            "A2 G5",
            "a publish with two topics is judged by the one it is routed by, the last",
        )
        .connect_granted("a", "", "${t}-yes")
        .connect("b")
        .subscribe("b", "${t}-yes ${t}-no")
        .then(|s| {
            let two = [
                (r#""topic":"${t}-yes","topic":"${t}-no""#, 1),
                (r#""topic":"${t}-no","topic":"${t}-yes""#, 2),
                (r#""topic":"${t}-yes","\u0074opic":"${t}-no""#, 3),
                (r#""topic":"${t}-no","\u0074opic":"${t}-yes""#, 4),
                (r#""\u0074opic":"${t}-yes","topic":"${t}-no""#, 5),
            ];
            two.into_iter().fold(s, |s, (topics, number)| {
                s.send(
                    "a",
                    &format!(r#"{{"type":"publish",{topics},"data":{number}}}"#),
                )
            })
        })
        .expect_once("b", r#""data":2"#)
        .expect_once("b", r#""data":4"#),
        access(
            "access.repeated_topics",
            "A1 S7 G5",
            "a subscribe with two lists is judged by the one that counts, the last",
        )
        .connect_granted("a", "${t}-yes", "")
        .connect("b")
        .send(
            "a",
            r#"{"type":"subscribe","topics":["${t}-yes"],"topics":["${t}-no"]}"#,
        )
        .send("b", &publish("${t}-yes", r#""data":1"#))
        .send("b", &publish("${t}-no", r#""data":2"#))
        .send(
            "a",
            r#"{"type":"subscribe","topics":["${t}-no"],"topics":["${t}-yes"]}"#,
        )
        .send("b", &publish("${t}-no", r#""data":3"#))
        .send("b", &publish("${t}-yes", r#""data":4"#))
        .expect("a", &published("${t}-yes", r#""data":4"#, 1)),
        access(
            "access.topic_beside_topics",
            "A1 A2 S5",
            "a granted name in the member that does not count opens nothing",
        )
        .connect_granted("a", "${t}-yes", "${t}-yes")
        .connect("b")
        .subscribe("b", "${t}-no")
        .send(
            "a",
            r#"{"type":"subscribe","topic":"${t}-yes","topics":["${t}-no"]}"#,
        )
        .send(
            "a",
            r#"{"type":"publish","topics":["${t}-yes"],"topic":"${t}-no","data":1}"#,
        )
        .send("b", &publish("${t}-yes", r#""data":2"#))
        .send("b", &publish("${t}-no", r#""data":3"#))
        .expect("b", &published("${t}-no", r#""data":3"#, 1)),
        access(
            "access.topic_alone",
            "A1 S5",
            "a subscribe by `topic` is judged like one by `topics`",
        )
        .connect_granted("a", "${t}-yes", "")
        .connect("b")
        .send("a", r#"{"type":"subscribe","topic":"${t}-no"}"#)
        .send("a", r#"{"type":"subscribe","topic":"${t}-yes"}"#)
        .send("b", &publish("${t}-no", r#""data":1"#))
        .send("b", &publish("${t}-yes", r#""data":2"#))
        .expect("a", &published("${t}-yes", r#""data":2"#, 1)),
        access(
            "access.binary",
            "A1 A2 T5",
            "binary messages are judged like text",
        )
        .connect_granted("a", "${t}", "${t}")
        .connect("b")
        .subscribe("b", "${t}-no")
        .binary("a", r#"{"type":"subscribe","topics":["${t}-no","${t}"]}"#)
        .binary("a", r#"{"type":"publish","topic":"${t}-no","data":1}"#)
        .binary("a", r#"{"type":"publish","topic":"${t}","data":2}"#)
        .expect_publish("a", r#""data":2"#, 1),
        access(
            "access.hibernation",
            "A1 A2 V4",
            "a grant is the same after a sleep",
        )
        .connect_granted("a", "${t}", "${t}")
        .connect("b")
        .subscribe("b", "${t}-no")
        .step(crate::Step::Hibernate)
        .needs([Hibernate])
        .subscribe("a", "${t}-no ${t}")
        .send("a", &publish("${t}-no", r#""data":1"#))
        .publish("a", r#""data":2"#)
        .expect_publish("a", r#""data":2"#, 1),
    ]
}

impl Scenario {
    /// `a` has one right to subscribe and to publish, and is served this topic of it.
    fn serves(self, grant: &str, topic: &str) -> Self {
        self.connect_granted("a", grant, grant)
            .send(
                "a",
                &format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#),
            )
            .send("a", &publish(topic, r#""data":"granted""#))
            .expect("a", &published(topic, r#""data":"granted""#, 1))
    }

    /// What `a` asks of these topics has no effect, while others use them.
    fn and_not(self, topics: &[&str]) -> Self {
        let list: Vec<_> = topics.iter().map(|topic| format!("\"{topic}\"")).collect();
        let list = list.join(",");
        let subscribe = format!(r#"{{"type":"subscribe","topics":[{list}]}}"#);
        let unsubscribe = format!(r#"{{"type":"unsubscribe","topics":[{list}]}}"#);
        let each =
            |s: Self, act: fn(Self, &str) -> Self| topics.iter().fold(s, |s, topic| act(s, topic));
        self.connect("b")
            .send("b", &subscribe)
            .send("a", &subscribe)
            .then(|s| {
                each(s, |s, topic| {
                    s.send("a", &publish(topic, r#""data":"none""#))
                })
            })
            .then(|s| {
                each(s, |s, topic| {
                    s.send("b", &publish(topic, r#""data":"others""#))
                })
            })
            .then(|s| {
                each(s, |s, topic| {
                    s.expect("b", &published(topic, r#""data":"others""#, 1))
                })
            })
            // The next scenario may use them too, and a server need not have noticed by then that
            // `b` has gone.
            .send("b", &unsubscribe)
    }

    /// Expects a publish to `${t}-yes` that names its topic once.
    fn expect_once(self, on: &str, members: &str) -> Self {
        self.expect_with(on, &published("${t}-yes", members, 1), |expect| {
            expect.once = vec!["topic".to_owned()];
        })
    }
}

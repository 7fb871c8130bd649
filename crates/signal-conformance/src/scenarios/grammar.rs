//! Section 3: what a message is.

use super::build::{published, stock};
use crate::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        stock(
            "grammar.white_space",
            "G1",
            "white space is allowed wherever JSON allows it",
        )
        .room("a b")
        .send(
            "a",
            " \t\r\n{ \"type\" :\t\"publish\" ,\r\n \"topic\":\n\"${t}\",\"data\" : [ 1 , 2 ] } \n",
        )
        .expect_publish("a b", r#""data":[1,2]"#, 2),
        stock(
            "grammar.member_order",
            "G1",
            "members may come in any order",
        )
        .room("a b")
        .send("a", r#"{"data":1,"topic":"${t}","type":"publish"}"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .send("a", r#"{"topics":["${t}"],"type":"unsubscribe"}"#)
        .publish("a", r#""data":2"#)
        .expect_publish("b", r#""data":2"#, 1),
        stock(
            "grammar.unknown_members",
            "G1",
            "members the protocol does not know are allowed everywhere",
        )
        .connect("a")
        .send(
            "a",
            r#"{"type":"subscribe","topics":["${t}"],"x":{"topics":[]},"id":1}"#,
        )
        .publish("a", r#""id":2"#)
        .expect_publish("a", r#""id":2"#, 1)
        .send("a", r#"{"type":"unsubscribe","y":null,"topics":["${t}"]}"#)
        .publish("a", r#""id":3"#)
        .expect_nothing("a"),
        stock("grammar.type_case", "G2", "the case of a type counts")
            .room("a")
            .send("a", r#"{"type":"PING"}"#)
            .send("a", r#"{"type":"Publish","topic":"${t}"}"#)
            .send("a", r#"{"type":"publish ","topic":"${t}"}"#)
            .send("a", r#"{"type":"Unsubscribe","topics":["${t}"]}"#)
            .publish("a", r#""data":1"#)
            .expect_publish("a", r#""data":1"#, 1),
        stock(
            "grammar.type_unknown",
            "G2",
            "messages of unknown type have no effect and no answer",
        )
        .room("a b")
        .then(|s| {
            let kinds = [
                "hello",
                "announce",
                "",
                "pings",
                "error",
                "constructor",
                "__proto__",
            ];
            kinds.into_iter().fold(s, |s, kind| {
                s.send(
                    "a",
                    &format!(r#"{{"type":"{kind}","topic":"${{t}}","topics":["${{t}}"]}}"#),
                )
            })
        })
        .expect_nothing("a b"),
        stock(
            "grammar.type_no_string",
            "G2",
            "a type that is missing or no string has no effect and no answer",
        )
        .room("a b")
        .then(|s| {
            let kinds = [
                r#""type":1,"#,
                r#""type":true,"#,
                r#""type":null,"#,
                r#""type":{},"#,
                r#""type":["ping"],"#,
                r#""type":["publish"],"#,
                "",
            ];
            kinds.into_iter().fold(s, |s, kind| {
                s.send("a", &format!(r#"{{{kind}"topic":"${{t}}"}}"#))
            })
        })
        .expect_nothing("a b"),
        stock(
            "grammar.no_object",
            "G3",
            "JSON that is not an object has no effect and no answer",
        )
        .room("a b")
        .then(|s| {
            let texts = [
                "null",
                "0",
                "42",
                "true",
                r#""ping""#,
                "[]",
                "{}",
                r#"[{"type":"ping"}]"#,
                "-1.5e3",
                r#"{"ping":1}"#,
            ];
            texts.into_iter().fold(s, |s, text| s.send("a", text))
        })
        .expect_nothing("a b")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
        stock(
            "grammar.message_in_string",
            "G3",
            "a string that holds a message, and a list of messages, are no messages",
        )
        .room("a b")
        .then(|s| {
            let texts = [
                r#""{\"type\":\"ping\"}""#,
                r#""{\"type\":\"publish\",\"topic\":\"${t}\"}""#,
                r#"[{"type":"publish","topic":"${t}"},{"type":"unsubscribe","topics":["${t}"]}]"#,
                r#"["publish",{"topic":"${t}"}]"#,
                r#"{"0":{"type":"ping"}}"#,
            ];
            texts.into_iter().fold(s, |s, text| s.send("a", text))
        })
        .expect_nothing("a b")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
        stock(
            "grammar.escaped_topic",
            "G4",
            "topics are compared after their escapes are decoded",
        )
        .connect("a")
        .send(
            "a",
            r#"{"type":"subscribe","topics":["${t}-\u0074\/\u00e9\ud83d\ude00"]}"#,
        )
        .send("a", r#"{"type":"publish","topic":"${t}-t/é😀","data":1}"#)
        .expect("a", &published("${t}-t/é😀", r#""data":1"#, 1))
        .subscribe("a", "${t}-x")
        .send(
            "a",
            r#"{"type":"publish","topic":"${t}\u002d\u0078","data":2}"#,
        )
        .expect("a", &published("${t}-x", r#""data":2"#, 1)),
        stock(
            "grammar.escaped_names",
            "G4",
            "names of members and types are compared after their escapes are decoded",
        )
        .connect("a")
        .send(
            "a",
            r#"{"\u0074ype":"subscr\u0069be","t\u006fpics":["${t}"]}"#,
        )
        .send(
            "a",
            r#"{"typ\u0065":"\u0070ublish","topi\u0063":"${t}","data":1}"#,
        )
        .expect_publish("a", r#""data":1"#, 1)
        .send("a", r#"{"type":"p\u0069ng"}"#)
        .expect_pong("a"),
        stock(
            "grammar.topic_case",
            "G4",
            "topics that differ in case are different",
        )
        .connect("a b")
        .subscribe("a", "${t}-room")
        .subscribe("b", "${t}-Room")
        .send("a", r#"{"type":"publish","topic":"${t}-Room","data":1}"#)
        .expect("b", &published("${t}-Room", r#""data":1"#, 1))
        .expect_nothing("a"),
        stock(
            "grammar.topic_spaces",
            "G4",
            "white space at the ends of a topic counts",
        )
        .connect("a b")
        .subscribe("a", "${t}")
        .send(
            "b",
            r#"{"type":"subscribe","topics":["${t} "," ${t}","${t}\n","${t}\u0000"]}"#,
        )
        .publish("b", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1)
        .expect_nothing("b")
        .send("a", r#"{"type":"publish","topic":"${t} ","data":2}"#)
        .expect("b", &published("${t} ", r#""data":2"#, 1))
        .expect_nothing("a"),
        stock(
            "grammar.topic_normalisation",
            "G4",
            "Unicode normalisation forms make different topics",
        )
        .connect("a b")
        .send("a", r#"{"type":"subscribe","topics":["${t}-\u00e9"]}"#)
        .send("b", r#"{"type":"subscribe","topics":["${t}-e\u0301"]}"#)
        .send("a", r#"{"type":"publish","topic":"${t}-e\u0301","data":1}"#)
        .expect(
            "b",
            r#"{"type":"publish","topic":"${t}-e\u0301","data":1,"clients":1}"#,
        )
        .expect_nothing("a"),
        stock(
            "grammar.last_topic",
            "G5",
            "the last of repeated members counts: topic",
        )
        .connect("a b")
        .subscribe("a", "${t}-1")
        .subscribe("b", "${t}-2")
        .send(
            "a",
            r#"{"type":"publish","topic":"${t}-1","topic":"${t}-2","data":1}"#,
        )
        .expect("b", &published("${t}-2", r#""data":1"#, 1))
        .send(
            "a",
            r#"{"type":"publish","topic":"${t}-1","t\u006fpic":"${t}-2","data":2}"#,
        )
        .expect("b", &published("${t}-2", r#""data":2"#, 1))
        .expect_nothing("a"),
        stock(
            "grammar.last_type",
            "G5",
            "the last of repeated members counts: type",
        )
        .room("a")
        .send(
            "a",
            r#"{"type":"unsubscribe","type":"ping","topics":["${t}"]}"#,
        )
        .expect_pong("a")
        .publish("a", r#""data":1,"type":"publish""#)
        .expect_publish("a", r#""data":1"#, 1)
        .send("a", r#"{"type":"ping","type":"none"}"#)
        .expect_nothing("a"),
        stock(
            "grammar.last_topics",
            "G5",
            "the last of repeated members counts: topics",
        )
        .connect("a")
        .send(
            "a",
            r#"{"type":"subscribe","topics":["${t}-1"],"topics":["${t}-2"]}"#,
        )
        .send("a", r#"{"type":"publish","topic":"${t}-1","data":1}"#)
        .send("a", r#"{"type":"publish","topic":"${t}-2","data":2}"#)
        .expect("a", &published("${t}-2", r#""data":2"#, 1)),
        stock(
            "grammar.last_of_no_effect",
            "G5 P2",
            "a repeated topic whose last is not a string is not a topic",
        )
        .room("a")
        .send(
            "a",
            r#"{"type":"publish","topic":"${t}","topic":null,"data":1}"#,
        )
        .expect_nothing("a"),
        stock(
            "grammar.nested_fifty_deep",
            "G8",
            "data nested 50 levels deep is relayed",
        )
        .room("a b")
        .publish("a", r#""data":${repeat:[:50}${repeat:]:50}"#)
        .expect_publish("a b", r#""data":${repeat:[:50}${repeat:]:50}"#, 2),
    ]
}

//! What y-webrtc's own server does not survive. The peer that does it shares a room with two
//! bystanders, which exchange messages before and after and must notice nothing.

use super::build::{publish, published, words};
use super::hostile::{outlast, robust, survives};
use super::order::same_order;
use super::transport::{KEY, plain_get, upgrade_to};
use crate::Capability::{Http, Private};
use crate::step::Expect;
use crate::{Scenario, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = vec![tolerated()];
    all.extend(no_json());
    all.push(no_json_beside_others());
    all.extend(no_json_in_binary());
    all.extend(derailed());
    all.extend(floods());
    all
}

/// The plainest of what is not JSON. Who fails at it fails at the others, which say nothing more.
const WORD: &str = "robust.text.word";

/// What the others let pass: there a sender may have been refused for it.
fn tolerated() -> Scenario {
    robust(
        "robust.text.tolerated",
        "L7 G11",
        "one message that is not JSON does not end its sender's connection",
    )
    .should()
    .connect("x")
    .send("x", "hello")
    .expect_open("x")
}

fn no_json() -> Vec<Scenario> {
    let cases = [
        ("word", "a word", "hello"),
        (
            "truncated",
            "a truncated message",
            r#"{"type":"publish","topic":"${t}","#,
        ),
        (
            "trailing_comma",
            "a trailing comma",
            r#"{"type":"publish","topic":"${t}",}"#,
        ),
        (
            "single_quotes",
            "single quotes",
            "{'type':'publish','topic':'${t}'}",
        ),
        (
            "unquoted_names",
            "names without quotes",
            r#"{type:"publish",topic:"${t}"}"#,
        ),
        (
            "trailing_text",
            "text after the message",
            r#"{"type":"publish","topic":"${t}"}x"#,
        ),
        (
            "two_messages",
            "two messages in one",
            r#"{"type":"publish","topic":"${t}"}{"type":"ping"}"#,
        ),
        (
            "nan",
            "NaN",
            r#"{"type":"publish","topic":"${t}","data":NaN}"#,
        ),
        (
            "number",
            "a number with a leading zero",
            r#"{"type":"publish","topic":"${t}","data":01}"#,
        ),
        (
            "control_character",
            "a raw control character in a string",
            "{\"type\":\"publish\",\"topic\":\"${t}\",\"data\":\"\n\"}",
        ),
        (
            "bad_escape",
            "an unknown escape",
            r#"{"type":"publish","topic":"${t}","data":"\x41"}"#,
        ),
        (
            "comment",
            "a comment",
            r#"{"type":"publish",/* */"topic":"${t}"}"#,
        ),
        ("white_space", "white space alone", "  \n "),
    ];
    let mut all: Vec<_> = cases
        .into_iter()
        .map(|(id, what, text)| {
            let title = format!("{what} instead of JSON has no effect on others and no answer");
            let scenario = robust(&format!("robust.text.{id}"), "G7", &title);
            let scenario = if id == "word" {
                scenario
            } else {
                scenario.builds_on(WORD)
            };
            survives(scenario, |s| s.send("x", text).release_silent("x"))
        })
        .collect();
    all.push(survives(
        robust(
            "robust.text.empty",
            "G10",
            "an empty text message has no effect on others",
        )
        .builds_on(WORD),
        |s| s.send("x", "").release_silent("x"),
    ));
    all.push(survives(
        robust(
            "robust.text.byte_order_mark",
            "G10",
            "a byte order mark makes a message no JSON",
        )
        .builds_on(WORD),
        |s| {
            s.send("x", "\u{feff}{\"type\":\"publish\",\"topic\":\"${t}\"}")
                .release_silent("x")
        },
    ));
    all
}

/// Text that is not JSON in the midst of what others send at the same time.
fn no_json_beside_others() -> Scenario {
    robust(
        "robust.text.beside_others",
        "G7 O1 O2",
        "what others send in the same moment as text that is not JSON is handled",
    )
    .builds_on(WORD)
    .room("a b x")
    .expect_open("a b x")
    .repeat(5, |s| {
        s.race("a", &publish("${t}", r#""data":{"from":"a","n":${2*n}}"#))
            .race("x", "no json")
            .race("a", &publish("${t}", r#""data":{"from":"a","n":${2*n+1}}"#))
            .race("b", &publish("${t}", r#""data":{"from":"b","n":${n}}"#))
    })
    .step(same_order("a b", 15))
    .abort("x")
}

fn no_json_in_binary() -> Vec<Scenario> {
    let cases = [
        (
            "garbage",
            "T5 G7",
            "bytes that are not text",
            "${hex:00ff10c1feed}",
        ),
        ("empty", "T5 G10", "an empty binary message", ""),
        (
            "byte_order_mark",
            "T5 G10",
            "a byte order mark",
            r#"${hex:efbbbf}{"type":"publish","topic":"${t}"}"#,
        ),
        (
            "invalid_utf8",
            "T5 G10",
            "invalid UTF-8 in a string",
            r#"{"type":"publish","topic":"${t}","data":"${hex:c328}"}"#,
        ),
        (
            "surrogate_bytes",
            "T5 G10",
            "a surrogate encoded as bytes",
            r#"{"type":"publish","topic":"${t}","data":"${hex:eda080}"}"#,
        ),
    ];
    let case = |(id, requirements, what, bytes): (&str, &str, &str, &str)| {
        let title = format!("{what} in a binary message has no effect on others and no answer");
        survives(
            robust(&format!("robust.binary.{id}"), requirements, &title).builds_on(WORD),
            |s| s.binary("x", bytes).release_silent("x"),
        )
    };
    cases.into_iter().map(case).collect()
}

fn derailed() -> Vec<Scenario> {
    vec![
        survives(robust("robust.deep_data", "G8", "data nested 5,000 deep is not relayed, and ends no receiver"), |s| {
            s.send("x", &publish("${t}", r#""data":${repeat:[:5000}${repeat:]:5000}"#)).release_silent("x")
        }),
        survives(robust("robust.deep_unclosed", "G8 G7", "30,000 opening brackets have no effect").builds_on(WORD), |s| {
            s.send("x", "${repeat:[:30000}").release_silent("x")
        }),
        robust("robust.version_8", "T1", "WebSocket version 8, a draft of 2011, is refused")
            .needs([Http])
            .should()
            .step(upgrade_to("websocket", &[("Sec-WebSocket-Version", "8"), KEY], &[400, 426])),
        robust("robust.upgrade_to_other", "T2", "an offer to upgrade to something else is a plain GET")
            .should()
            .step(plain_get(&[
                ("Connection", "Upgrade, HTTP2-Settings"),
                ("Upgrade", "h2c"),
                ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
            ]))
            .needs([Http]),
        robust("robust.numbers_as_sent", "P5", "numbers are relayed as they were written")
            .room("a b")
            .send("a", &publish("${t}", r#""data":[1.0,1e2,-0,12345678901234567890,9007199254740993,1e400,0.10]"#))
            .step(as_sent("a b", "[1.0,1e2,-0,12345678901234567890,9007199254740993,1e400,0.10]")),
        robust("robust.strings_as_sent", "P5", "strings are relayed with the escapes they were written with")
            .room("a b")
            .send("a", &publish("${t}", r#""data":["\u00e9\/","\ud800",{"a":1,"a":2}]"#))
            .step(as_sent("a b", r#"["\u00e9\/","\ud800",{"a":1,"a":2}]"#)),
        robust("robust.counted_members_once", "G5", "of type, topic and clients only the one that counts is relayed")
            .room("a b")
            .send("a", r#"{"topic":"other","type":"ping","clients":1,"t\u006fpic":"${t}","cl\u0069ents":2,"type":"publish","clients":3}"#)
            .expect_with("a b", r#"{"type":"publish","topic":"${t}","clients":2}"#, |expect| {
                expect.once = words("type topic clients");
            }),
        robust("robust.surrogate_topic", "G9", "a topic with a lone surrogate matches nothing; the other entries count")
            .connect("a")
            .send("a", r#"{"type":"subscribe","topics":["${t}\ud800","${t}"]}"#)
            .send("a", r#"{"type":"publish","topic":"${t}\ud800","data":1}"#)
            .send("a", r#"{"type":"publish","topic":"${t}\ufffd","data":2}"#)
            .publish("a", r#""data":3"#)
            .expect_publish("a", r#""data":3"#, 1),
        robust("robust.singular_topic", "S5", "without topics, a string in topic is subscribed and unsubscribed")
            .connect("a")
            .send("a", r#"{"type":"subscribe","topic":"${t}"}"#)
            .publish("a", r#""data":1"#)
            .expect_publish("a", r#""data":1"#, 1)
            .send("a", r#"{"type":"unsubscribe","topic":"${t}"}"#)
            .publish("a", r#""data":2"#)
            .expect_nothing("a"),
        robust("robust.singular_topic_and_topics", "S5", "where topics and topic are both there, topics decides")
            .connect("a")
            .send("a", r#"{"type":"subscribe","topic":"${t}-1","topics":["${t}-2"]}"#)
            .send("a", r#"{"type":"publish","topic":"${t}-1","data":1}"#)
            .send("a", r#"{"type":"publish","topic":"${t}-2","data":2}"#)
            .expect("a", &published("${t}-2", r#""data":2"#, 1)),
        robust("robust.empty_singular_topic", "S5 S6 P2", "the empty topic can be named singly, and not published to")
            .needs([Private])
            .connect("a")
            .send("a", r#"{"type":"subscribe","topic":""}"#)
            .send("a", r#"{"type":"publish","topic":"","data":1}"#)
            .expect_nothing("a"),
    ]
}

fn as_sent(on: &str, data: &str) -> Step {
    Step::Expect(Expect {
        on: words(on),
        text: published("${t}", &format!("\"data\":{data}"), 2),
        eventually: false,
        exact: false,
        contains: Some(data.to_owned()),
        once: Vec::new(),
        ignoring: Vec::new(),
        if_open: false,
    })
}

fn floods() -> Vec<Scenario> {
    vec![
        outlast(
            robust(
                "robust.flood.no_json",
                "G7 L7",
                "500 messages that are not JSON disturb nobody",
            )
            .builds_on(WORD),
            |s| {
                s.repeat(500, |s| s.send("x", "flood ${n}"))
                    .release_silent("x")
            },
        ),
        outlast(
            robust(
                "robust.flood.pings",
                "K3 L2",
                "2,000 pings of one client disturb nobody",
            ),
            |s| s.repeat(2000, |s| s.ping("x")).release("x"),
        ),
        outlast(
            robust(
                "robust.flood.publishes",
                "L2",
                "3,000 publishes of one client disturb nobody else",
            ),
            |s| {
                s.repeat(3000, |s| s.send("x", &publish("${t}-x", r#""n":${n}"#)))
                    .release("x")
            },
        ),
        outlast(
            robust(
                "robust.flood.topics",
                "L5 S7",
                "2,000 topics of one client disturb nobody else",
            ),
            |s| {
                s.repeat(200, |s| s.subscribe("x", "${t}-${10*n} ${t}-${10*n+1} ${t}-${10*n+2} ${t}-${10*n+3} ${t}-${10*n+4} ${t}-${10*n+5} ${t}-${10*n+6} ${t}-${10*n+7} ${t}-${10*n+8} ${t}-${10*n+9}"))
                .release("x")
            },
        ),
        outlast(
            robust(
                "robust.flood.connections",
                "S8",
                "60 connections that break at once disturb nobody",
            ),
            |s| {
                s.repeat(60, |s| s.connect("y").subscribe("y", "${t}-y").abort("y"))
                    .release("x")
            },
        ),
    ]
}

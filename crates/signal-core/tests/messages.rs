//! Every row of the reference's table of messages: what a message does, and what it must not do.
//!
//! Ann and Bob are subscribed to `t`, Cat is connected.

mod support;

use serde_json::{Value, json};
use signal_core::{Ignored, Outcome, Output};
use support::{ANN, BOB, CAT, Still, targets, to};

fn ignored(text: &str) -> Option<Ignored> {
    assert!(targets::is_same_either_way(text), "{text}");
    let mut still = Still::new();
    let (out, outcome) = still.send_at(0, CAT, text);
    assert_eq!(out, [], "{text}");
    assert_eq!(still.receivers("t"), [ANN, BOB], "{text}");
    if let Outcome::Ignored(why) = outcome {
        Some(why)
    } else {
        None
    }
}

#[test]
fn a_subscriber_hears_its_own_publish() {
    let out = Still::new().send(ANN, r#"{"type":"publish","topic":"t","data":1}"#);
    assert_eq!(
        out,
        [to(
            &[ANN, BOB],
            r#"{"type":"publish","topic":"t","data":1,"clients":2}"#
        )]
    );
}

#[test]
fn a_publisher_that_is_not_subscribed_hears_nothing() {
    let out = Still::new().send(CAT, r#"{"type":"publish","topic":"t"}"#);
    assert_eq!(
        out,
        [to(
            &[ANN, BOB],
            r#"{"type":"publish","topic":"t","clients":2}"#
        )]
    );
}

#[test]
fn members_are_relayed_as_they_were_sent() {
    let members = r#""z":[1, {"a":null}],"10":"x","type":"publish", "2":2,"topic":"t","from":"\u00e9\/\b\u0001","to":"\ud800",
        "n":[1.0,1e2,-0,0.1e-7,12345678901234567890,9007199254740993,1e400,-1e400],"__proto__":{"a":1},"toJSON":true"#;
    let out = Still::new().send(CAT, &format!("{{{members}}}"));
    assert_eq!(
        out,
        [to(&[ANN, BOB], &format!("{{{members},\"clients\":2}}"))]
    );
}

#[test]
fn white_space_is_allowed_anywhere() {
    let out = Still::new().send(
        CAT,
        " \t\r\n{ \"type\" : \"publish\" , \"topic\"\n: \"t\" , \"a\" : [ 1 , 2 ] } \n",
    );
    let expected =
        "{\"type\" : \"publish\" , \"topic\"\n: \"t\" , \"a\" : [ 1 , 2 ],\"clients\":2}";
    assert_eq!(out, [to(&[ANN, BOB], expected)]);
}

#[test]
fn the_publishers_own_clients_is_replaced() {
    for clients in [r#""clients""#, r#""cli\u0065nts""#] {
        for text in [
            format!(r#"{{{clients}:99,"type":"publish","topic":"t"}}"#),
            format!(r#"{{"type":"publish",{clients}:{{"a":[1,2]}},"topic":"t"}}"#),
            format!(r#"{{"type":"publish","topic":"t" , {clients} : 99 }}"#),
            format!(r#"{{{clients}:1,"type":"publish",{clients}:2,"topic":"t",{clients}:3}}"#),
        ] {
            let out = Still::new().send(CAT, &text);
            let expected = r#"{"type":"publish","topic":"t","clients":2}"#;
            assert_eq!(out, [to(&[ANN, BOB], expected)], "{text}");
        }
    }
}

#[test]
fn of_repeated_members_the_last_one_counts_and_only_it_is_relayed() {
    let text = r#"{"type":"ping","topic":"mine","x":1,"t\u006fpic":"t","topics":[1],"type":"publish","topics":2,"x":3}"#;
    let out = Still::new().send(CAT, text);
    let expected = r#"{"x":1,"t\u006fpic":"t","type":"publish","topics":2,"x":3,"clients":2}"#;
    assert_eq!(out, [to(&[ANN, BOB], expected)]);
}

#[test]
fn a_topic_is_compared_after_decoding() {
    for topic in [r#""\u0074""#, r#""t""#] {
        let out = Still::new().send(
            CAT,
            &format!(r#"{{"type":"p\u0075blish","topic":{topic}}}"#),
        );
        assert!(matches!(out.as_slice(), [Output::Send { .. }]), "{topic}");
    }
    let mut still = Still::new();
    still.send(
        CAT,
        r#"{"type":"subscribe","topics":["\ud83c\udf31\n","\u0000","a\"\\\/"]}"#,
    );
    for topic in ["\u{1f331}\n", "\0", "a\"\\/"] {
        assert_eq!(still.receivers(topic), [CAT], "{topic:?}");
    }
}

#[test]
fn topics_that_look_alike_are_different() {
    for topic in ["T", "t ", " t", "tt", "", "t\u{301}", "\u{ff54}", "t\0"] {
        assert_eq!(Still::new().receivers(topic), [], "{topic:?}");
    }
    let mut still = Still::new();
    still.send(ANN, "{\"type\":\"subscribe\",\"topics\":[\"caf\u{e9}\"]}");
    assert_eq!(still.receivers("cafe\u{301}"), []);
}

#[test]
fn names_with_a_meaning_in_javascript_are_names() {
    let mut still = Still::new();
    for topic in [
        "__proto__",
        "constructor",
        "toString",
        "0",
        "[object Object]",
    ] {
        assert_eq!(still.receivers(topic), [], "{topic}");
        still.send(
            ANN,
            &json!({"type": "subscribe", "topics": [topic]}).to_string(),
        );
        assert_eq!(still.receivers(topic), [ANN], "{topic}");
    }
    let nested = r#"{"type":"publish","__proto__":{"topic":"t"}}"#;
    assert_eq!(ignored(nested), Some(Ignored::Meaningless));
}

#[test]
fn a_publish_without_a_usable_topic_does_nothing() {
    for topic in [
        "null",
        r#""""#,
        "0",
        "5",
        "true",
        "{}",
        r#"["t"]"#,
        r#""\ud800""#,
        r#""t\udc00""#,
    ] {
        let text = format!(r#"{{"type":"publish","topic":{topic}}}"#);
        assert_eq!(ignored(&text), Some(Ignored::Meaningless), "{topic}");
    }
    assert_eq!(ignored(r#"{"type":"publish"}"#), Some(Ignored::Meaningless));
    assert_eq!(
        ignored(r#"{"type":"publish","topics":["t"]}"#),
        Some(Ignored::Meaningless)
    );
}

#[test]
fn a_publish_nobody_listens_to_does_nothing() {
    let (out, outcome) = Still::new().send_at(0, ANN, r#"{"type":"publish","topic":"other"}"#);
    assert_eq!(
        (out, outcome),
        (Vec::new(), Outcome::Published { deliveries: 0 })
    );
}

#[test]
fn each_ping_gets_the_same_fifteen_bytes() {
    let mut still = Still::new();
    for text in [
        r#"{"type":"ping"}"#,
        r#" { "type" : "ping" } "#,
        r#"{"x":{"type":"publish"},"type":"ping","topic":"t"}"#,
        r#"{"type":"\u0070ing"}"#,
    ] {
        assert_eq!(
            still.send(CAT, text),
            [to(&[CAT], r#"{"type":"pong"}"#)],
            "{text}"
        );
    }
}

#[test]
fn unknown_types_and_json_that_is_not_an_object_do_nothing() {
    let types = [
        "\"pong\"",
        "\"PING\"",
        "\"\"",
        "1",
        "true",
        "{}",
        "[\"ping\"]",
        "null",
        "\"hello\"",
    ];
    let typed = types.map(|kind| format!(r#"{{"type":{kind},"topic":"t","topics":["t"]}}"#));
    let others = [
        "null",
        "0",
        "42",
        "-1.5e+3",
        "true",
        "\"ping\"",
        "[]",
        "[{\"type\":\"ping\"}]",
        "{}",
    ];
    for text in typed.into_iter().chain(others.map(str::to_owned)) {
        assert_eq!(ignored(&text), Some(Ignored::Meaningless), "{text}");
    }
}

#[test]
fn what_is_not_json_does_nothing() {
    let bom = "\u{feff}{\"type\":\"ping\"}";
    let control = "{\"type\":\"pi\u{1}ng\"}";
    for text in [
        "hello",
        "",
        " ",
        "{",
        "{\"type\":\"ping\"",
        "{\"type\":\"ping\",}",
        "{'type':'ping'}",
        "{\"type\":\"ping\"}x",
        "{\"type\":\"ping\"}{\"type\":\"ping\"}",
        "NaN",
        "{\"a\":NaN}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":}",
        "{1:2}",
        "{\"a\":1 \"b\":2}",
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "-",
        "tru",
        "nulll",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "]",
        "{]",
        "[}",
        "[1}",
        "\"\t\"",
        bom,
        control,
        "/**/1",
        "Infinity",
    ] {
        assert_eq!(ignored(text), Some(Ignored::NotJson), "{text}");
    }
}

#[test]
fn no_control_character_may_stand_in_a_string_wherever_it_stands() {
    for (byte, place) in (0..0x20u8).flat_map(|byte| (0..17).map(move |place| (byte, place))) {
        let mut data = "x".repeat(17);
        data.insert(place, char::from(byte));
        let text = format!(r#"{{"type":"publish","topic":"t","data":"{data}"}}"#);
        assert_eq!(
            ignored(&text),
            Some(Ignored::NotJson),
            "{byte:#x} at {place}"
        );
    }
    for plain in [' ', '!', '\u{7f}', '\u{80}', '\u{2028}'] {
        let text = format!(r#"{{"type":"publish","topic":"t","data":"xxxxxxx{plain}xxxxxxx"}}"#);
        assert!(matches!(
            Still::new().send(CAT, &text).as_slice(),
            [Output::Send { .. }]
        ));
    }
}

#[test]
fn surrogate_pairs_are_decoded_from_the_first_to_the_last() {
    let pairs = [
        (r"\ud800\udc00", "\u{10000}"),
        (r"\uDBFF\uDFFF", "\u{10ffff}"),
        (r"\ud83c\udf31x", "\u{1f331}x"),
        (r"\ud7ff\ue000", "\u{d7ff}\u{e000}"),
    ];
    for (escaped, topic) in pairs {
        let mut still = Still::new();
        still.send(
            CAT,
            &format!(r#"{{"type":"subscribe","topics":["{escaped}"]}}"#),
        );
        assert_eq!(still.receivers(topic), [CAT], "{escaped}");
    }
    for lone in [
        r"\udc00\ud800",
        r"\ud800\ud800\udc00",
        r"\ud800x",
        r"\udfff",
        r"x\ud800\u0041",
    ] {
        let mut still = Still::new();
        let text = format!(r#"{{"type":"subscribe","topics":["{lone}"]}}"#);
        let (_, outcome) = still.send_at(0, CAT, &text);
        assert_eq!(
            outcome,
            Outcome::Subscribed {
                topics: 0,
                skipped: 1,
                limit: None,
            },
            "{lone}"
        );
    }
}

#[test]
fn depth_is_counted_from_the_outermost_braces() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"type":"publish","topic":"t","data":{open}{close}}}"#)
    };
    assert!(matches!(
        Still::new().send(CAT, &nested(128)).as_slice(),
        [Output::Send { .. }]
    ));
    assert_eq!(ignored(&nested(129)), Some(Ignored::NotJson));
    assert_eq!(ignored(&"[".repeat(60_000)), Some(Ignored::NotJson));
    assert_eq!(
        ignored(&format!("{}1{}", "[".repeat(128), "]".repeat(128))),
        Some(Ignored::Meaningless)
    );
    assert_eq!(
        ignored(&format!("{}1{}", "[".repeat(129), "]".repeat(129))),
        Some(Ignored::NotJson)
    );
}

#[test]
fn a_binary_message_means_what_its_text_would() {
    let mut still = Still::new();
    let mut out = Vec::new();
    let publish = br#"{"type":"publish","topic":"t"}"#;
    still
        .room
        .receive_binary(support::at(0), CAT, publish, &mut out);
    assert_eq!(
        out,
        [to(
            &[ANN, BOB],
            r#"{"type":"publish","topic":"t","clients":2}"#
        )]
    );

    let invalid_utf8 = b"{\"type\":\"publish\",\"topic\":\"t\",\"data\":\"\xff\"}";
    let outcome = still
        .room
        .receive_binary(support::at(0), CAT, invalid_utf8, &mut Vec::new());
    assert_eq!(outcome, Some(Outcome::Ignored(Ignored::NotJson)));
}

#[test]
fn topics_of_another_shape_do_nothing() {
    for kind in ["subscribe", "unsubscribe"] {
        for topics in [
            "0",
            "null",
            "false",
            "\"\"",
            "\"t2\"",
            "5",
            "true",
            "{}",
            r#"{"0":"t2"}"#,
            r#"{"forEach":1}"#,
        ] {
            let text = format!(r#"{{"type":"{kind}","topics":{topics},"topic":"t2"}}"#);
            let mut still = Still::new();
            still.send(CAT, &text);
            assert!(still.receivers("t2").is_empty(), "{text}");
            assert_eq!(ignored(&text), Some(Ignored::Meaningless), "{text}");
        }
        assert_eq!(
            ignored(&format!(r#"{{"type":"{kind}"}}"#)),
            Some(Ignored::Meaningless)
        );
    }
}

#[test]
fn entries_that_are_not_strings_are_skipped() {
    let mut still = Still::new();
    let text = r#"{"type":"subscribe","topics":["t2",1,null,true,["x"],{"a":1},"\ud800", "t3" ]}"#;
    let (_, outcome) = still.send_at(0, CAT, text);
    assert_eq!(
        outcome,
        Outcome::Subscribed {
            topics: 2,
            skipped: 1,
            limit: None,
        }
    );
    assert_eq!(still.receivers("t2"), [CAT]);
    assert_eq!(still.receivers("t3"), [CAT]);
    assert!(still.receivers("x").is_empty());
    still.send(
        CAT,
        r#"{"type":"unsubscribe","topics":[5,"nobody",{},"t2"]}"#,
    );
    assert!(still.receivers("t2").is_empty());
    assert_eq!(still.receivers("t3"), [CAT]);
}

#[test]
fn a_single_topic_is_taken_when_topics_is_missing() {
    let mut still = Still::new();
    still.send(CAT, r#"{"type":"subscribe","topic":"t2"}"#);
    assert_eq!(still.receivers("t2"), [CAT]);
    still.send(CAT, r#"{"type":"subscribe","topic":"t3","topics":["t4"]}"#);
    assert!(still.receivers("t3").is_empty());
    still.send(CAT, r#"{"type":"unsubscribe","topic":"t2"}"#);
    assert!(still.receivers("t2").is_empty());
}

#[test]
fn subscribing_twice_is_subscribing_once() {
    let mut still = Still::new();
    still.send(ANN, r#"{"type":"subscribe","topics":["t","t2","t2"]}"#);
    still.send(ANN, r#"{"type":"subscribe","topics":["t2"]}"#);
    let out = still.send(CAT, r#"{"type":"publish","topic":"t2"}"#);
    assert_eq!(
        out,
        [to(&[ANN], r#"{"type":"publish","topic":"t2","clients":1}"#)]
    );
    still.send(ANN, r#"{"type":"unsubscribe","topics":["t2"]}"#);
    assert!(still.receivers("t2").is_empty());
}

#[test]
fn leaving_takes_effect_before_the_next_message() {
    let mut still = Still::new();
    still.send(ANN, r#"{"type":"unsubscribe","topics":["t"]}"#);
    let out = still.send(ANN, r#"{"type":"publish","topic":"t"}"#);
    assert_eq!(
        out,
        [to(&[BOB], r#"{"type":"publish","topic":"t","clients":1}"#)]
    );
    still.send(ANN, r#"{"type":"subscribe","topics":["t"]}"#);
    assert_eq!(still.receivers("t"), [ANN, BOB]);
}

#[test]
fn nothing_mentions_a_peer_that_is_gone() {
    let mut still = Still::new();
    still.room.disconnect(ANN);
    assert_eq!(still.receivers("t"), [BOB]);
    let mut out = Vec::<Output>::new();
    let text = r#"{"type":"publish","topic":"t"}"#;
    let outcome = still.room.receive(support::at(0), ANN, text, &mut out);
    assert_eq!((out, outcome), (Vec::new(), None));
    still.room.disconnect(BOB);
    assert!(still.room.topics().is_empty());
}

#[test]
fn a_new_peer_by_an_old_name_begins_with_nothing() {
    let mut still = Still::new();
    still
        .room
        .connect(support::at(0), ANN, signal_core::Grant::open());
    assert_eq!(still.receivers("t"), [BOB]);
}

#[test]
fn what_a_stock_client_with_a_password_sends_is_not_looked_into() {
    let data = "B0FFUy1HQ00Mqk0sk1uLmJfWk3UPm0wrT5sYpfF0xBgr2Ew==";
    let text = json!({"type": "publish", "topic": "t", "data": data}).to_string();
    let out = Still::new().send(ANN, &text);
    let [Output::Send { message, .. }] = out.as_slice() else {
        panic!("{out:?}")
    };
    let value: Value = serde_json::from_str(message.as_str()).expect("it is JSON");
    assert_eq!(value["data"], data);
}

//! The client's half, against the relay's and against `serde_json`.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use signal_core::client::{self, Incoming};
use signal_core::{Outcome, Output};
use support::{ANN, BOB, CAT, Still};

fn read(text: &str) -> (String, Option<&str>, Option<u64>) {
    match client::read(text) {
        Some(Incoming::Publish(publish)) => {
            (publish.topic.into_owned(), publish.data, publish.clients)
        }
        other => panic!("{text} is {other:?}"),
    }
}

#[test]
fn a_relay_understands_what_a_client_says_and_the_other_way_round() {
    let mut still = Still::new();
    let topic = "a \"room\"\n\\ of é𝄞\u{7f}\u{0}";
    assert_eq!(still.send(ANN, &client::subscribe([topic])), []);
    let out = still.send(CAT, &client::publish(topic, r#"{"a": [1.0]}"#));
    let [Output::Send { to, message }] = out.as_slice() else {
        panic!("{out:?}");
    };
    assert_eq!(*to, [ANN]);
    assert_eq!(
        read(message.as_str()),
        (topic.to_owned(), Some(r#"{"a": [1.0]}"#), Some(1))
    );

    assert_eq!(still.send(ANN, &client::unsubscribe([topic, "t"])), []);
    assert_eq!(still.receivers("t"), [BOB]);
    let (out, outcome) = still.send_at(0, ANN, client::PING);
    let [Output::Send { message, .. }] = out.as_slice() else {
        panic!("{out:?}");
    };
    assert_eq!(outcome, Outcome::Ponged);
    assert_eq!(client::read(message.as_str()), Some(Incoming::Pong));
}

#[test]
fn members_in_any_order_and_spelling_are_read_and_the_last_of_a_kind_counts() {
    let text = r#" {"clients":3,"x":{"topic":1},"d\u0061ta":1,"topic":"\u0074","data":null ,"type":"publish"}"#;
    assert_eq!(read(text), ("t".to_owned(), Some("null"), Some(3)));
    let bare = r#"{"type":"publish","topic":"t"}"#;
    assert_eq!(read(bare), ("t".to_owned(), None, None));
}

#[test]
fn what_a_client_does_not_know_is_nothing() {
    for text in [
        "",
        "null",
        "[]",
        r#""pong""#,
        r#"{"type":"pong""#,
        r#"{"type":"welcome"}"#,
        r#"{"type":7}"#,
        r#"{"type":"publish"}"#,
        r#"{"type":"publish","topic":7}"#,
        r#"{"type":"publish","topic":"\ud800"}"#,
    ] {
        assert_eq!(client::read(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_topic_is_written_as_json_reads_it(topics in vec(".*", 0..4), data in ".*") {
        let text = client::subscribe(&topics);
        let value: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(value, json!({ "type": "subscribe", "topics": topics }));

        let topic = topics.first().map_or("", |topic| topic);
        let text = client::publish(topic, &json!(data).to_string());
        let value: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(value, json!({ "type": "publish", "topic": topic, "data": data }));
    }
}

//! Section 9: limits, as far as the backend declares them.

use super::budgets;
use super::build::{limits, publish, published};
use crate::Capability::{ClientsMax, Private, StrictFrames};
use crate::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    all.extend(size_and_depth());
    all.extend(topics());
    all.extend(room_size());
    all.extend(budgets::scenarios());
    all.extend(refusal());
    all
}

const LONGEST: &str = r#"{"type":"publish","topic":"${t}","data":"${pad_to:message_bytes_max}"}"#;
const TOO_LONG: &str =
    r#"{"type":"publish","topic":"${t}","data":"${pad_to:message_bytes_max+1}"}"#;

fn size_and_depth() -> Vec<Scenario> {
    vec![
        limits("limits.message_at_limit", "L1", "a message of message_bytes_max bytes is relayed")
            .room("a b")
            .send("a", LONGEST)
            // The member `clients` comes on top.
            .expect("b a", r#"{"type":"publish","topic":"${t}","clients":2,"data":"${pad_to:message_bytes_max+12}"}"#),
        limits("limits.message_over_limit", "L1 C3", "a message one byte longer ends the connection with 1009")
            .room("a x")
            .send("x", TOO_LONG)
            .expect_refused_peer("x", 1009)
            .expect_nothing("a")
            .await_clients("a", 1),
        limits("limits.binary_over_limit", "L1 T5", "the limit holds for binary messages too")
            .room("a x")
            .binary("x", TOO_LONG)
            .expect_refused_peer("x", 1009)
            .expect_nothing("a")
            .await_clients("a", 1),
        limits("limits.header_over_limit", "L1", "the length in a frame's header decides, before the payload has come")
            .needs([StrictFrames])
            .connect("x")
            .any_frame("x", 0x81, true, "", Some("message_bytes_max+1".into()))
            .expect_refused_peer("x", 1009),
        limits("limits.fragments_over_limit", "L1", "fragments that are too long together end the connection with 1009")
            .connect("x")
            .any_frame("x", 0x01, true, "${repeat:x:message_bytes_max}", None)
            .any_frame("x", 0x80, true, "x", None)
            .expect_refused_peer("x", 1009),
        limits("limits.depth_at_limit", "G8", "a message nested depth_max levels deep is relayed")
            .room("a b")
            .publish("a", r#""data":${repeat:[:depth_max-1}${repeat:]:depth_max-1}"#)
            .expect_publish("a b", r#""data":${repeat:[:depth_max-1}${repeat:]:depth_max-1}"#, 2),
        limits("limits.depth_over_limit", "G8", "a message nested one level deeper has no effect and no answer")
            .room("a b")
            .publish("a", r#""data":${repeat:[:depth_max}${repeat:]:depth_max}"#)
            .expect_nothing("a b"),
        limits("limits.brackets_in_strings", "G8", "brackets in strings are not nesting")
            .room("a")
            .publish("a", r#""data":"${repeat:[:2*depth_max}\"${repeat:[:depth_max}""#)
            .expect_publish("a", r#""data":"${repeat:[:2*depth_max}\"${repeat:[:depth_max}""#, 1),
    ]
}

/// About topics that are full with two peers.
fn room_size() -> Vec<Scenario> {
    let of_two = |id: &str, title: &str| {
        limits(id, "L11 S7", title)
            .when("1<clients_max")
            .when("clients_max<3")
    };
    vec![
        of_two(
            "limits.clients_at_limit",
            "a topic takes clients_max peers and no more; the others in the same message count",
        )
        .room("a b")
        .connect("x")
        .subscribe("x", "${t} ${t}-other")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .expect_nothing("x")
        .send("x", &publish("${t}-other", r#""data":2"#))
        .expect("x", &published("${t}-other", r#""data":2"#, 1)),
        of_two(
            "limits.clients_not_heard",
            "who was not let in to a full topic is not heard there, and may speak elsewhere",
        )
        .room("a b")
        .connect("x")
        .publish("x", r#""data":"from outside""#)
        .expect_nothing("a b")
        .unsubscribe("b", "${t}")
        .publish("x", r#""data":"with a place free""#)
        .expect_publish("a", r#""data":"with a place free""#, 1),
        of_two(
            "limits.clients_stay",
            "who is in a full topic stays, whatever else it subscribes",
        )
        .room("a b")
        .subscribe("a", "${t} ${t}-more ${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
        of_two(
            "limits.clients_place_again",
            "when one leaves, its place is for whoever subscribes next",
        )
        .room("a b")
        .connect("x")
        .subscribe("x", "${t}")
        .unsubscribe("a", "${t}")
        .publish("b", r#""data":"nobody is let in by itself""#)
        .expect_publish("b", r#""data":"nobody is let in by itself""#, 1)
        .subscribe("x", "${t}")
        .publish("a", r#""data":"outside now""#)
        .publish("x", r#""data":"inside now""#)
        .expect_publish("b x", r#""data":"inside now""#, 2)
        .expect_nothing("a"),
        of_two(
            "limits.clients_granted",
            "a grant for more than clients_max gives clients_max",
        )
        .needs([ClientsMax])
        .connect_sized("a b x", &[("*", 3)])
        .subscribe("a b x", "${t}")
        .publish("x", r#""data":"from outside""#)
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .expect_nothing("x"),
    ]
}

fn topics() -> Vec<Scenario> {
    let topic = |length: &str| format!("${{repeat:x:{length}}}");
    let (longest, too_long) = (topic("topic_bytes_max"), topic("topic_bytes_max+1"));
    let last_that_fits = topic("topic_bytes_max+1-topic_bytes_per_peer_max/topic_bytes_max");
    let first_that_does_not = topic("topic_bytes_max-1-topic_bytes_per_peer_max/topic_bytes_max");
    vec![
        limits(
            "limits.topic_at_limit",
            "L5 S7",
            "a topic of topic_bytes_max bytes works",
        )
        .needs([Private])
        .connect("a")
        .subscribe("a", &longest)
        .send("a", &publish(&longest, r#""data":1"#))
        .expect("a", &published(&longest, r#""data":1"#, 1))
        .unsubscribe("a", &longest),
        limits(
            "limits.topic_over_limit",
            "L5 S7",
            "a longer topic is skipped, the others in the same message count",
        )
        .needs([Private])
        .connect("a")
        .subscribe("a", &format!("{too_long} ${{t}}"))
        .send("a", &publish(&too_long, r#""data":1"#))
        .publish("a", r#""data":2"#)
        .expect_publish("a", r#""data":2"#, 1),
        limits(
            "limits.topics_at_limit",
            "L5 S7",
            "topics_per_peer_max topics work; the next is skipped until one is left",
        )
        .when("60*topics_per_peer_max<topic_bytes_per_peer_max")
        .connect("a")
        .then(many_topics)
        .subscribe("a", "${t}-0 ${t}-next ${t}-1")
        .send(
            "a",
            &publish("${t}-${topics_per_peer_max-1}", r#""data":"last""#),
        )
        .expect(
            "a",
            &published("${t}-${topics_per_peer_max-1}", r#""data":"last""#, 1),
        )
        .send("a", &publish("${t}-next", r#""data":"none""#))
        .unsubscribe("a", "${t}-0")
        .subscribe("a", "${t}-next")
        .send("a", &publish("${t}-next", r#""data":"now""#))
        .expect("a", &published("${t}-next", r#""data":"now""#, 1)),
        // Two more than surely fit, each a byte shorter than the one before; so the last does not.
        limits(
            "limits.topic_bytes_at_limit",
            "L5 S7",
            "long topics work up to topic_bytes_per_peer_max together; the next is skipped until one is left",
        )
        .needs([Private])
        .when("300<topic_bytes_max")
        .when("topic_bytes_per_peer_max<20*topic_bytes_max")
        .when("topic_bytes_per_peer_max/topic_bytes_max+2<topics_per_peer_max")
        .connect("a")
        .repeat("topic_bytes_per_peer_max/topic_bytes_max+2", |s| {
            s.subscribe("a", &topic("topic_bytes_max-n"))
        })
        .send("a", &publish(&last_that_fits, r#""data":"fits""#))
        .expect("a", &published(&last_that_fits, r#""data":"fits""#, 1))
        .send("a", &publish(&first_that_does_not, r#""data":"none""#))
        .unsubscribe("a", &longest)
        .subscribe("a", &first_that_does_not)
        .send("a", &publish(&first_that_does_not, r#""data":"now""#))
        .expect("a", &published(&first_that_does_not, r#""data":"now""#, 1)),
    ]
}

/// Subscribes `a` to topics_per_peer_max topics and a few more, eight with each message.
pub(super) fn many_topics(scenario: Scenario) -> Scenario {
    let topics: Vec<String> = (0..8)
        .map(|place| format!("${{t}}-${{8*n+{place}}}"))
        .collect();
    scenario.repeat("topics_per_peer_max/8+1", |s| {
        s.subscribe("a", &topics.join(" "))
    })
}

fn refusal() -> Vec<Scenario> {
    vec![
        limits(
            "limits.no_json_borne",
            "L7 G7",
            "invalid_messages_max messages that are not JSON are tolerated",
        )
        .room("a")
        .repeat("invalid_messages_max", |s| s.send("a", "no json ${n}"))
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        limits(
            "limits.no_json_refused",
            "L7 C3",
            "one more in a row, and the peer is refused with 1007",
        )
        .room("a x")
        .repeat("invalid_messages_max+1", |s| s.send("x", "no json ${n}"))
        .expect_refused_peer("x", 1007)
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        limits(
            "limits.no_json_in_a_row",
            "L7",
            "a message that is JSON starts the count again",
        )
        .connect("x")
        .repeat(3, |s| {
            s.repeat("invalid_messages_max", |s| s.send("x", "no json"))
                .send("x", r#"{"type":"none"}"#)
        })
        .expect_open("x"),
        limits(
            "limits.refused_peer_is_gone",
            "C3 S8",
            "a refused peer is in no count from that moment, though it is held",
        )
        .room("a x")
        .repeat("invalid_messages_max+1", |s| s.send("x", "no json"))
        // The first of these messages may overtake what `x` sends, and so reach it.
        .await_clients_in_hold("a", 1)
        .expect_refused_in_the_end("x", 1007),
        limits(
            "limits.one_close_is_one_peers",
            "C5",
            "after a single close with 1009, others from the same address are let in",
        )
        .connect("x")
        .send("x", TOO_LONG)
        .expect_refused_peer("x", 1009)
        .room("a b")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
        limits(
            "limits.refused_peer_is_not_read",
            "C3",
            "what a refused peer sends is not read, and nothing is sent to it",
        )
        .room("a")
        .room("x")
        .repeat("invalid_messages_max+1", |s| s.send("x", "no json"))
        .publish("x", r#""data":"late""#)
        .judged_ping("x")
        .expect_refused_peer("x", 1007)
        .expect_nothing("a"),
    ]
}

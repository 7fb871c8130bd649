//! Section 9: limits, as far as the backend declares them.

use super::build::{publish, published, scenario, words};
use crate::Capability::{Advance, ClientsMax, Private, RawFrames, StrictFrames};
use crate::{Level, Scenario, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    all.extend(size_and_depth());
    all.extend(topics());
    all.extend(room_size());
    all.extend(budgets().into_iter().map(Scenario::alone));
    all.extend(budgets_of_bytes().into_iter().map(Scenario::alone));
    all.extend(refusal());
    all
}

fn limits(id: &str, requirements: &str, title: &str) -> Scenario {
    scenario(Level::Limits, id, requirements, title)
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

/// A flood is more than its budget and a second's refill. Of that refill as much is allowed for as
/// can have come back in the time that the flood has really taken, which on a busy machine may be
/// seconds.
fn budgets() -> Vec<Scenario> {
    const DELIVERED_MAX: &str = "messages_burst+messages_per_second*elapsed/1000+5";
    let flood = |s: Scenario| {
        s.repeat("messages_burst+messages_per_second+50", |s| {
            s.publish("x", r#""n":${n}"#)
        })
    };
    vec![
        limits("limits.messages", "L2", "messages past the budget are dropped, those within are delivered")
            .when("messages_burst+messages_per_second+50<fan_out_burst")
            .when("messages_per_second+50<strikes_burst")
            .room("a")
            .connect("x")
            .then(flood)
            .expect_open("x")
            .expect_some("a", "messages_burst-5", DELIVERED_MAX),
        limits("limits.messages_of_others", "L2", "one peer's overdrawn budget affects no other")
            .when("messages_per_second+50<strikes_burst")
            .room("a b")
            .connect("x")
            .repeat("messages_burst+messages_per_second+50", |s| s.send("x", &publish("${t}-x", r#""n":${n}"#)))
            .publish("a", r#""data":1"#)
            .expect_publish("a b", r#""data":1"#, 2),
        limits("limits.messages_refill", "L2", "after a pause the budget is full again")
            .when("messages_burst+messages_per_second+50<fan_out_burst")
            .when("messages_per_second+50<strikes_burst")
            .needs([Advance])
            .room("a")
            .connect("x")
            .then(flood)
            .expect_some("a", "messages_burst-5", DELIVERED_MAX)
            .advance("2000")
            .repeat("messages_per_second", |s| s.publish("x", r#""n":${n}"#))
            .repeat("messages_per_second", |s| s.expect_publish("a", r#""n":${n}"#, 1)),
        limits("limits.pings_apart", "K3 L2", "a ping is answered though the budget of messages is overdrawn")
            .when("messages_per_second+50<strikes_burst")
            .connect("x")
            .repeat("messages_burst+messages_per_second+50", |s| s.send("x", &publish("${t}-x", r#""n":${n}"#)))
            .ping("x")
            .expect_pong("x")
            .release("x"),
        limits("limits.pings", "K3 L2", "pings past their budget are not answered, and use up no other budget")
            .when("20<strikes_burst")
            .room("x")
            .repeat("pings_burst+pings_per_second+10", |s| s.judged_ping("x"))
            .expect_some("x", "pings_burst-2", "pings_burst+pings_per_second*elapsed/1000+1")
            .publish("x", r#""data":1"#)
            .expect_publish("x", r#""data":1"#, 1),
        limits("limits.fan_out", "L2 L3", "deliveries past the budget of fan-out are dropped, whole publishes at a time")
            .when("fan_out_burst+fan_out_per_second+4<messages_burst")
            .when("fan_out_burst+fan_out_per_second+4<strikes_burst")
            .room("a b")
            .connect("x")
            .repeat("fan_out_burst+fan_out_per_second+4", |s| s.publish("x", r#""n":${n}"#))
            .expect_open("x")
            // Two deliveries each; the last one may overdraw.
            .expect_some("a b", "fan_out_burst/2", "fan_out_burst/2+fan_out_per_second*elapsed/2000+2"),
        limits("limits.fan_out_overdraft", "L3", "a budget of fan-out smaller than the room does not silence it")
            .when("fan_out_burst<20")
            .room("a b c d e f g h i j k l m n o p q r s t")
            .connect("x")
            .publish("x", r#""data":1"#)
            .expect_publish("a b c d e f g h i j k l m n o p q r s t", r#""data":1"#, 20),
        limits("limits.strikes", "L4 C3", "past the budget of strikes the peer is refused with 4429")
            .room("a x")
            // Of one that sends for twenty seconds, too.
            .repeat(
                "messages_burst+strikes_burst+20*messages_per_second+20*strikes_per_second+10",
                |s| s.send("x", &publish("${t}-x", r#""n":${n}"#)),
            )
            .expect_refused_peer("x", 4429)
            .publish("a", r#""data":1"#)
            .expect_publish("a", r#""data":1"#, 1),
        limits("limits.slow_reader", "L6", "a subscriber that stops reading is ended, and no other")
            .when("8<messages_burst")
            .when("16<fan_out_burst")
            .room("a b")
            .connect("x c")
            .subscribe("x c", "${t}-slow")
            .pause("x")
            .repeat(40, |s| {
                let message = r#"{"type":"publish","topic":"${t}-slow","max":${outbound_bytes_max},"data":"${pad_to:message_bytes_max}"}"#;
                // A publisher alone may not send enough for that.
                s.connect("p")
                    .repeat(8, |s| s.send("p", message))
                    // It reads before more is sent: on a busy machine it would be a slow reader
                    // too.
                    .expect_some("c", "8", "8")
                    .abort("p")
            })
            .await_publish("c", "${t}-slow", 1, |_, _| {})
            .publish("a", r#""data":1"#)
            .expect_publish("a b", r#""data":1"#, 2),
    ]
}

/// Messages that cost a thousand bytes each, 32 of them for the frame.
fn budgets_of_bytes() -> Vec<Scenario> {
    const MESSAGE: &str = r#"{"type":"publish","topic":"${t}","n":${n},"data":"${pad_to:968}"}"#;
    const ELSEWHERE: &str =
        r#"{"type":"publish","topic":"${t}-x","n":${n},"data":"${pad_to:968}"}"#;
    const FLOOD: &str = "bytes_burst/1000+bytes_per_second/1000+50";
    let past_bytes = |s: Scenario, text| {
        s.when("967<message_bytes_max")
            .when("bytes_burst/1000+bytes_per_second/1000+60<messages_burst")
            .when("bytes_burst/1000+bytes_per_second/1000+60<fan_out_burst")
            .when("bytes_per_second/1000+60<strikes_burst")
            .when("2*bytes_burst+2*bytes_per_second+120000<fan_out_bytes_burst")
            .room("a b")
            .connect("x")
            .repeat(FLOOD, |s| s.send("x", text))
    };
    vec![
        past_bytes(
            limits("limits.bytes", "L8", "messages past the budget of bytes are dropped, those within are delivered"),
            MESSAGE,
        )
        .expect_open("x")
        .expect_some("a b", "bytes_burst/1000-5", "bytes_burst/1000+bytes_per_second*elapsed/1000000+6"),
        past_bytes(
            limits("limits.bytes_of_others", "L8", "one peer's overdrawn budget of bytes affects no other"),
            ELSEWHERE,
        )
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
        past_bytes(
            limits("limits.pings_apart_from_bytes", "K3 L8", "a ping is answered though the budget of bytes is overdrawn"),
            ELSEWHERE,
        )
        .ping("x")
        .expect_pong("x")
        .release("x"),
        past_bytes(
            limits("limits.bytes_at_once", "L10 L6", "all that a peer may send at once does not end a subscriber that pauses meanwhile")
                .when("bytes_burst+bytes_per_second<outbound_bytes_max")
                .connect("p")
                .subscribe("p", "${t}")
                .pause("p"),
            MESSAGE,
        )
        .expect_some("a b", "1", "2*bytes_burst/1000")
        .release("x")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 3),
        limits("limits.frames_cost_bytes", "L8 C3", "frames without a message cost bytes too: past the budgets the peer is refused with 4429")
            .needs([StrictFrames, RawFrames])
            .room("a")
            .connect("x")
            // Empty pongs, of one that sends for twenty seconds.
            .step(Step::SendRaw {
                on: words("x"),
                bytes: "${hex:8a8000000000*bytes_burst/32+20*bytes_per_second/32+strikes_burst+20*strikes_per_second+10}".to_owned(),
            })
            .expect_refused_peer("x", 4429)
            .publish("a", r#""data":1"#)
            .expect_publish("a", r#""data":1"#, 1),
        limits("limits.fan_out_bytes", "L9", "deliveries past the budget of bytes of fan-out are dropped, whole publishes at a time")
            .when("967<message_bytes_max")
            .when("fan_out_bytes_burst/2000+fan_out_bytes_per_second/2000+5<messages_burst")
            .when("fan_out_bytes_burst/2+fan_out_bytes_per_second/2+5000<bytes_burst")
            .when("fan_out_bytes_burst/1000+fan_out_bytes_per_second/1000+10<fan_out_burst")
            .when("fan_out_bytes_per_second/2000+5<strikes_burst")
            .room("a b")
            .connect("x")
            .repeat("fan_out_bytes_burst/2000+fan_out_bytes_per_second/2000+4", |s| s.send("x", MESSAGE))
            .expect_open("x")
            // Two deliveries each; the last one may overdraw.
            .expect_some("a b", "fan_out_bytes_burst/2000", "fan_out_bytes_burst/2000+fan_out_bytes_per_second*elapsed/2000000+2"),
        limits("limits.fan_out_bytes_overdraft", "L9", "a budget of bytes of fan-out smaller than one publish to the room does not silence it")
            .when("fan_out_bytes_burst<20000")
            .when("20<fan_out_burst")
            .when("967<message_bytes_max")
            .room("a b c d e f g h i j k l m n o p q r s t")
            .connect("x")
            .send("x", MESSAGE)
            .expect_some("a b c d e f g h i j k l m n o p q r s t", "1", "1"),
    ]
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

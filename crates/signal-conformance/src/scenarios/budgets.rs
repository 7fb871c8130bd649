//! Section 9: budgets, as far as the backend declares their limits. They are used up alone, so that
//! others are not disturbed.

use super::build::{limits, publish, words};
use crate::Capability::{Advance, RawFrames, StrictFrames};
use crate::{Scenario, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    let all = of_messages().into_iter().chain(of_bytes());
    all.map(Scenario::alone).collect()
}

/// A flood is more than its budget and a second's refill. Of that refill as much is allowed for as
/// can have come back in the time that the flood has really taken, which on a busy machine may be
/// seconds.
fn of_messages() -> Vec<Scenario> {
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
fn of_bytes() -> Vec<Scenario> {
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

//! Budgets, and the strikes of what is past them.

mod support;

use signal_core::{CloseReason, Ignored, Outcome, Output};
use support::{ANN, BOB, CAT, PING, PUBLISH, Still, at, to};

#[test]
fn messages_past_the_burst_are_dropped_until_the_budget_refills() {
    let mut still =
        Still::limited(|limits| (limits.messages_per_second, limits.messages_burst) = (10, 2));
    let published = Outcome::Published { deliveries: 2 };
    let dropped = Outcome::Ignored(Ignored::MessageRate);
    assert_eq!(
        still.outcomes(0, PUBLISH, 3),
        [published, published, dropped]
    );
    assert_eq!(still.outcomes(100, PUBLISH, 2), [published, dropped]);
    assert_eq!(
        still.outcomes(10_000, PUBLISH, 3),
        [published, published, dropped]
    );
}

#[test]
fn other_peers_have_budgets_of_their_own() {
    let mut still =
        Still::limited(|limits| (limits.messages_per_second, limits.messages_burst) = (1, 2));
    still.outcomes(0, PUBLISH, 10);
    let (out, _) = still.send_at(0, ANN, PUBLISH);
    assert_eq!(
        out,
        [to(
            &[ANN, BOB],
            r#"{"type":"publish","topic":"t","clients":2}"#
        )]
    );
}

#[test]
fn pings_are_answered_when_the_budget_for_messages_is_used_up() {
    let mut still =
        Still::limited(|limits| (limits.messages_per_second, limits.messages_burst) = (1, 1));
    still.outcomes(0, PUBLISH, 50);
    assert_eq!(still.outcomes(0, PING, 1), [Outcome::Ponged]);
}

#[test]
fn messages_pass_when_the_budget_for_pings_is_used_up() {
    let mut still = Still::new();
    let answers = still.outcomes(0, PING, 6);
    assert_eq!(
        answers[4..],
        [Outcome::Ponged, Outcome::Ignored(Ignored::PingRate)]
    );
    assert_eq!(
        still.outcomes(0, PUBLISH, 1),
        [Outcome::Published { deliveries: 2 }]
    );
}

#[test]
fn a_publish_may_overdraw_the_fan_out_budget_and_the_next_ones_wait() {
    let mut still =
        Still::limited(|limits| (limits.fan_out_per_second, limits.fan_out_burst) = (10, 1));
    assert_eq!(
        still.outcomes(0, PUBLISH, 1),
        [Outcome::Published { deliveries: 2 }]
    );
    assert_eq!(
        still.outcomes(100, PUBLISH, 1),
        [Outcome::Ignored(Ignored::FanOutRate)]
    );
    assert_eq!(
        still.outcomes(101, PUBLISH, 1),
        [Outcome::Published { deliveries: 2 }]
    );
}

#[test]
fn a_publish_to_nobody_costs_no_fan_out() {
    let mut still =
        Still::limited(|limits| (limits.fan_out_per_second, limits.fan_out_burst) = (1, 1));
    let text = r#"{"type":"publish","topic":"empty"}"#;
    assert!(
        still
            .outcomes(0, text, 20)
            .iter()
            .all(|outcome| { *outcome == Outcome::Published { deliveries: 0 } })
    );
}

/// What a budget of bytes is charged for a message or a frame.
fn cost(bytes: usize) -> u32 {
    bytes as u32 + 32
}

#[test]
fn a_message_may_overdraw_the_budget_of_bytes_and_the_next_ones_wait() {
    let mut still = Still::limited(|limits| {
        (limits.bytes_per_second, limits.bytes_burst) = (1_000, cost(PUBLISH.len()) + 1);
    });
    let published = Outcome::Published { deliveries: 2 };
    let dropped = Outcome::Ignored(Ignored::ByteRate);
    assert_eq!(
        still.outcomes(0, PUBLISH, 3),
        [published, published, dropped]
    );
    // All but one byte of the second has to be paid back.
    let paid = u64::from(cost(PUBLISH.len()) - 1);
    assert_eq!(still.outcomes(paid, PUBLISH, 1), [dropped]);
    assert_eq!(still.outcomes(paid + 1, PUBLISH, 1), [published]);
}

#[test]
fn what_is_not_json_costs_bytes_and_counts_as_such() {
    let mut still = Still::limited(|limits| (limits.bytes_per_second, limits.bytes_burst) = (1, 1));
    let (not_json, dropped) = (Ignored::NotJson, Ignored::ByteRate);
    assert_eq!(still.outcomes(0, "{", 2), [Outcome::Ignored(not_json); 2]);
    assert_eq!(still.outcomes(0, PUBLISH, 1), [Outcome::Ignored(dropped)]);
}

#[test]
fn empty_frames_cost_bytes_too_and_then_are_strikes() {
    let mut still = Still::limited(|limits| {
        (limits.bytes_per_second, limits.bytes_burst) = (32, 320);
        limits.strikes_burst = 2;
    });
    let mut frame = |millis| still.room.receive_frame(at(millis), CAT, 0);
    assert!((0..10).all(|_| frame(0).is_none()));
    let dropped = Some(Outcome::Ignored(Ignored::ByteRate));
    assert_eq!(frame(0), dropped);
    assert_eq!(frame(1_000), None);
    assert_eq!([frame(1_000), frame(1_000)], [dropped; 2]);
    let held = Outcome::Held(CloseReason::RateLimited);
    assert_eq!(frame(1_000), Some(held));
    assert_eq!(frame(1_000), Some(Outcome::Ignored(Ignored::Held)));
    assert!(still.room.topics().subscribers("t").len() == 2);
}

#[test]
fn pings_are_answered_when_the_budget_of_bytes_is_used_up_and_are_charged() {
    let mut still =
        Still::limited(|limits| (limits.bytes_per_second, limits.bytes_burst) = (100, 200));
    still.outcomes(0, PUBLISH, 10);
    assert_eq!(still.outcomes(0, PING, 1), [Outcome::Ponged]);

    let mut still =
        Still::limited(|limits| (limits.bytes_per_second, limits.bytes_burst) = (1, 47));
    assert_eq!(still.outcomes(0, PING, 1), [Outcome::Ponged]);
    let dropped = Outcome::Ignored(Ignored::ByteRate);
    assert_eq!(still.outcomes(0, PUBLISH, 1), [dropped]);
}

#[test]
fn a_publish_may_overdraw_the_bytes_of_fan_out_and_the_next_ones_wait() {
    let mut still = Still::limited(|limits| {
        (limits.fan_out_bytes_per_second, limits.fan_out_bytes_burst) = (1_000, 1);
    });
    let dropped = Outcome::Ignored(Ignored::FanOutByteRate);
    let published = Outcome::Published { deliveries: 2 };
    assert_eq!(still.outcomes(0, PUBLISH, 2), [published, dropped]);
    // Two of it have been sent, and one byte of that was there.
    let paid = u64::from(2 * cost(PUBLISH.len()) - 1);
    assert_eq!(still.outcomes(paid, PUBLISH, 1), [dropped]);
    assert_eq!(still.outcomes(paid + 1, PUBLISH, 1), [published]);
    let nobody = r#"{"type":"publish","topic":"nobody"}"#;
    let at_rest = 2 * paid + 2;
    assert_eq!(
        still.outcomes(at_rest, nobody, 2),
        [Outcome::Published { deliveries: 0 }; 2],
        "what nobody gets costs nothing"
    );
}

/// The defaults against a member that reads at 2 Mbit/s, whose queue ends it past 1 MiB.
#[test]
fn no_publisher_within_its_budgets_fills_the_queue_of_a_member_that_reads_at_2_mbit() {
    const STEP: u64 = 50;
    const READ_EACH_STEP: usize = 250 * STEP as usize;
    const QUEUE_BYTES_MAX: usize = 1024 * 1024;
    for bytes in [60, 300, 1_400, 16_000, 65_536] {
        let data = "x".repeat(bytes - r#"{"type":"publish","topic":"t","data":""}"#.len());
        let text = format!(r#"{{"type":"publish","topic":"t","data":"{data}"}}"#);
        // It tries all the time, and is not ended for that.
        let mut still = Still::limited(|limits| limits.strikes_burst = u32::MAX);
        let (mut queued, mut fullest, mut received) = (0_usize, 0, 0);
        for step in 0..400 {
            queued = queued.saturating_sub(READ_EACH_STEP);
            while let (out, Outcome::Published { .. }) = still.send_at(step * STEP, CAT, &text) {
                let [Output::Send { message, .. }] = out.as_slice() else {
                    panic!("{out:?}");
                };
                // And the longest header of a frame.
                queued += message.as_bytes().len() + 10;
                received += message.as_bytes().len();
            }
            fullest = fullest.max(queued);
        }
        assert!(fullest <= QUEUE_BYTES_MAX, "{bytes}: {fullest} bytes wait");
        assert!(received > 200_000, "{bytes}: {received} bytes went out");
    }
}

#[test]
fn too_many_strikes_refuse_the_peer() {
    let mut still = Still::limited(|limits| {
        (limits.messages_per_second, limits.messages_burst) = (1, 1);
        limits.strikes_burst = 3;
    });
    still.send(CAT, r#"{"type":"subscribe","topics":["c"]}"#);
    let dropped = Outcome::Ignored(Ignored::MessageRate);
    let held = Outcome::Held(CloseReason::RateLimited);
    assert_eq!(
        still.outcomes(0, PUBLISH, 4),
        [dropped, dropped, dropped, held]
    );
    assert!(still.room.topics().subscribers("c").is_empty());
}

#[test]
fn strikes_are_forgiven_with_time() {
    let mut still = Still::limited(|limits| {
        (limits.messages_per_second, limits.messages_burst) = (1, 1);
        (limits.strikes_per_second, limits.strikes_burst) = (1, 2);
    });
    for second in 0..100 {
        let passed = still.outcomes(second * 1_000, PUBLISH, 2);
        assert_eq!(
            passed[1],
            Outcome::Ignored(Ignored::MessageRate),
            "second {second}"
        );
    }
}

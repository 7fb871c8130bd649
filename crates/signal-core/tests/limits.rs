//! Sizes and numbers, and the hold before a close.

mod support;

use std::time::Duration;

use serde_json::json;
use signal_core::{CloseReason, Grant, Ignored, Limits, Outcome, Output, TopicSet};
use support::{ANN, BOB, CAT, PING, PUBLISH, Still, at};

#[test]
fn a_held_peer_is_unheard_uncounted_and_closed_after_the_hold() {
    let mut still = Still::new();
    let too_long = "x".repeat(64 * 1024 + 1);
    let (out, outcome) = still.send_at(5, ANN, &too_long);
    assert_eq!(
        (out, outcome),
        (Vec::new(), Outcome::Held(CloseReason::TooBig))
    );
    assert_eq!(still.receivers("t"), [BOB]);
    for text in [
        PING,
        PUBLISH,
        r#"{"type":"subscribe","topics":["t"]}"#,
        &too_long,
    ] {
        let (out, outcome) = still.send_at(6, ANN, text);
        assert_eq!(
            (out, outcome),
            (Vec::new(), Outcome::Ignored(Ignored::Held))
        );
    }
    assert_eq!(still.room.poll_timeout(), Some(at(2_005)));

    let mut out = Vec::new();
    still.room.handle_timeout(at(2_004), &mut out);
    assert_eq!(out, []);
    still.room.handle_timeout(at(2_005), &mut out);
    assert_eq!(out, [Output::Close(ANN, CloseReason::TooBig)]);
    assert!(still.room.peer(ANN).is_none());
}

#[test]
fn without_a_hold_the_close_is_due_at_once() {
    let mut still = Still::limited(|limits| limits.close_hold = Duration::ZERO);
    still.send_at(7, CAT, &"x".repeat(70_000));
    assert_eq!(still.room.poll_timeout(), Some(at(7)));
    let mut out = Vec::new();
    still.room.handle_timeout(at(7), &mut out);
    assert_eq!(out, [Output::Close(CAT, CloseReason::TooBig)]);
}

#[test]
fn a_message_of_exactly_the_limit_passes() {
    let mut still = Still::limited(|limits| limits.message_bytes_max = 100);
    let longest = format!("{PUBLISH:100}");
    assert_eq!(
        still.outcomes(0, &longest, 1),
        [Outcome::Published { deliveries: 2 }]
    );
    let longer = format!("{PUBLISH:101}");
    assert_eq!(
        still.outcomes(0, &longer, 1),
        [Outcome::Held(CloseReason::TooBig)]
    );
}

#[test]
fn what_the_host_refuses_is_held_too() {
    let mut still = Still::new();
    still.room.refuse(at(0), ANN, CloseReason::TooBig);
    still.room.refuse(at(1_000), ANN, CloseReason::Invalid);
    assert_eq!(still.receivers("t"), [BOB]);
    let mut out = Vec::new();
    still.room.handle_timeout(at(2_000), &mut out);
    assert_eq!(out, [Output::Close(ANN, CloseReason::TooBig)]);
}

#[test]
fn only_what_a_peer_broke_is_held_against_its_address() {
    let faults: Vec<u16> = CloseReason::ALL
        .into_iter()
        .filter(|reason| reason.is_peers_fault())
        .map(CloseReason::code)
        .collect();
    assert_eq!(faults, [1007, 1009, 4429, 1002]);
}

#[test]
fn invalid_messages_in_a_row_are_borne_up_to_a_number() {
    let mut still = Still::limited(|limits| limits.invalid_messages_max = 2);
    let not_json = Outcome::Ignored(Ignored::NotJson);
    assert_eq!(still.outcomes(0, "{", 2), [not_json, not_json]);
    assert_eq!(
        still.outcomes(0, "null", 1),
        [Outcome::Ignored(Ignored::Meaningless)]
    );
    let held = Outcome::Held(CloseReason::Invalid);
    assert_eq!(still.outcomes(0, "{", 3), [not_json, not_json, held]);
}

#[test]
fn a_topic_past_the_number_is_skipped_and_a_left_one_makes_room() {
    let mut still = Still::limited(|limits| limits.topics_per_peer_max = 2);
    let text = r#"{"type":"subscribe","topics":["a","b","c","a"]}"#;
    let (_, outcome) = still.send_at(0, CAT, text);
    assert_eq!(
        outcome,
        Outcome::Subscribed {
            topics: 2,
            skipped: 2,
            limit: Some("topics_per_peer_max")
        }
    );
    still.send(CAT, r#"{"type":"unsubscribe","topics":["a"]}"#);
    still.send(CAT, r#"{"type":"subscribe","topics":["c"]}"#);
    assert!(still.receivers("a").is_empty());
    assert_eq!(still.receivers("c"), [CAT]);
}

#[test]
fn a_topic_that_is_too_long_is_skipped() {
    let mut still = Still::new();
    let (longest, longer) = ("\u{e9}".repeat(2_048), "x".repeat(4_097));
    let text = json!({"type": "subscribe", "topics": [longer, longest]}).to_string();
    let (_, outcome) = still.send_at(0, CAT, &text);
    assert_eq!(
        outcome,
        Outcome::Subscribed {
            topics: 1,
            skipped: 1,
            limit: Some("topic_bytes_max")
        }
    );
    assert_eq!(still.receivers(&longest), [CAT]);
}

#[test]
fn a_limit_out_of_range_is_named_with_its_value() {
    let mut limits = Limits::default();
    limits.depth_max = 200;
    let error = limits.check().expect_err("200 levels are too many");
    assert_eq!(
        error.to_string(),
        "depth_max is 200, but must be from 1 to 128"
    );
    limits.depth_max = 1;
    limits.ping_interval = Duration::from_millis(5);
    let error = limits.check().expect_err("5 ms is too short");
    assert_eq!(
        error.to_string(),
        "ping_interval is 5ms, but must be 0 or from 100ms to 24h"
    );
    limits.ping_interval = Duration::ZERO;
    assert_eq!(limits.check(), Ok(()));
}

#[test]
fn a_page_s_address_is_a_topic_and_so_are_cyrillic_letters() {
    let mut still = Still::new();
    for topic in [
        format!("https://example.org/{}", "x".repeat(2_000)),
        "\u{436}".repeat(2_000),
    ] {
        still.send(CAT, &signal_core::client::subscribe([&topic]));
        assert_eq!(still.receivers(&topic), [CAT]);
    }
}

#[test]
fn topics_past_their_bytes_together_are_skipped_and_shorter_ones_still_fit() {
    let mut still = Still::limited(|limits| limits.topic_bytes_per_peer_max = 7);
    let text = r#"{"type":"subscribe","topics":["abc","wxyz","12345","abc",""]}"#;
    let (_, outcome) = still.send_at(0, CAT, text);
    assert_eq!(
        outcome,
        Outcome::Subscribed {
            topics: 3,
            skipped: 1,
            limit: Some("topic_bytes_per_peer_max")
        }
    );
    still.send(CAT, r#"{"type":"unsubscribe","topics":["wxyz"]}"#);
    still.send(CAT, r#"{"type":"subscribe","topics":["1234"]}"#);
    assert_eq!(still.receivers("1234"), [CAT]);
}

#[test]
fn a_full_topic_takes_nobody_else_and_hears_nobody_else() {
    let mut still = Still::limited(|limits| limits.clients_max = 2);
    let subscribe = r#"{"type":"subscribe","topics":["full","other"]}"#;
    let publish = r#"{"type":"publish","topic":"full"}"#;
    let skipped = |topics, skipped| Outcome::Subscribed {
        topics,
        skipped,
        limit: (skipped > 0).then_some("clients_max"),
    };
    let join = |still: &mut Still, peer| still.send_at(0, peer, subscribe).1;
    assert_eq!(join(&mut still, CAT), skipped(2, 0));
    // With one place left, anyone may be heard.
    let (out, _) = still.send_at(0, BOB, publish);
    assert_eq!(out.len(), 1);
    assert_eq!(join(&mut still, ANN), skipped(2, 0));
    // The other topic is full too.
    assert_eq!(join(&mut still, BOB), skipped(0, 2));
    let refused = (vec![], Outcome::Ignored(Ignored::Full));
    assert_eq!(still.send_at(0, BOB, publish), refused);
    // Who is in may subscribe again, and is heard.
    assert_eq!(join(&mut still, CAT), skipped(0, 0));
    let (_, outcome) = still.send_at(0, CAT, publish);
    assert_eq!(outcome, Outcome::Published { deliveries: 2 });

    still.send(ANN, r#"{"type":"unsubscribe","topics":["full"]}"#);
    assert_eq!(still.receivers("full"), [CAT], "nobody is let in by itself");
    assert_eq!(join(&mut still, BOB), skipped(1, 1));
    assert_eq!(still.send_at(0, ANN, publish), refused);
    assert_eq!(still.receivers("full"), [BOB, CAT]);
}

#[test]
fn a_topic_is_full_for_a_peer_with_as_many_as_its_grant_says_or_the_setting() {
    let mut still = Still::limited(|limits| limits.clients_max = 2);
    let granted = |numbers: &[(TopicSet, u32)]| {
        let numbers = numbers.iter().cloned();
        numbers.fold(Grant::open(), |grant, (topics, max)| {
            grant.clients_max(topics, max)
        })
    };
    let starting = |start: &str| TopicSet::none().prefix(start);
    let mut met = |peer, grant| {
        still.room.connect(at(0), peer, grant);
        let text = r#"{"type":"subscribe","topics":["small","smaller","other"]}"#;
        still.send_at(0, peer, text).1
    };
    let joined = |topics, limit| Outcome::Subscribed {
        topics,
        skipped: 3 - topics,
        limit,
    };
    // Nobody at all is a number too.
    let none = granted(&[(TopicSet::All, 0)]);
    assert_eq!(met(CAT, none), joined(0, Some("grant_clients_max")));
    let one = granted(&[(starting("small"), 1), (starting("smaller"), 9)]);
    assert_eq!(met(CAT, one.clone()), joined(3, None));
    assert_eq!(met(BOB, one), joined(1, Some("grant_clients_max")));
    // No grant makes a topic larger than the setting lets it be, and none has a say for others.
    let many = granted(&[(TopicSet::All, 3), (starting("small"), u32::MAX)]);
    assert_eq!(met(ANN, many.clone()), joined(2, Some("clients_max")));
    assert_eq!(met(BOB, Grant::open()), joined(1, Some("clients_max")));
    let as_many = granted(&[(TopicSet::All, 2)]);
    assert_eq!(met(BOB, as_many), joined(1, Some("clients_max")));
    assert_eq!(still.receivers("small"), [ANN, CAT]);
}

#[test]
fn who_is_kept_out_by_its_grant_is_not_heard_and_who_is_in_is() {
    let mut still = Still::new();
    let grant = |max| Grant::open().clients_max(TopicSet::none().exact("room"), max);
    still.room.connect(at(0), CAT, grant(1));
    still.room.connect(at(0), BOB, grant(1));
    let (subscribe, publish) = (
        r#"{"type":"subscribe","topics":["room"]}"#,
        r#"{"type":"publish","topic":"room"}"#,
    );
    let heard_by = |deliveries| Outcome::Published { deliveries };
    assert_eq!(still.send_at(0, BOB, publish).1, heard_by(0));
    still.send(CAT, subscribe);
    assert_eq!(
        still.send_at(0, BOB, publish),
        (vec![], Outcome::Ignored(Ignored::Full))
    );
    // Past its own number, whoever is in stays, and is heard.
    still.room.connect(at(0), ANN, Grant::open());
    still.send(ANN, subscribe);
    still.send(CAT, subscribe);
    assert_eq!(still.send_at(0, CAT, publish).1, heard_by(2));
    still.room.connect(at(0), BOB, grant(3));
    assert_eq!(still.send_at(0, BOB, publish).1, heard_by(2));
}

/// Only to be left outside is not to break a rule.
#[test]
fn what_is_said_to_a_full_topic_is_not_a_strike() {
    let mut still = Still::limited(|limits| {
        limits.clients_max = 1;
        limits.strikes_burst = 1;
    });
    still.send(CAT, r#"{"type":"subscribe","topics":["full"]}"#);
    for _ in 0..20 {
        let (_, outcome) = still.send_at(0, BOB, r#"{"type":"publish","topic":"full"}"#);
        assert_eq!(outcome, Outcome::Ignored(Ignored::Full));
    }
}

#[test]
fn the_limit_that_a_skipped_topic_met_is_named_as_its_setting_is() {
    let mut still = Still::limited(|limits| {
        limits.topics_per_peer_max = 3;
        limits.topic_bytes_max = 4;
        limits.topic_bytes_per_peer_max = 6;
    });
    let mut met = |topics: &str| {
        let (_, outcome) = still.send_at(0, CAT, topics);
        let Outcome::Subscribed { limit, .. } = outcome else {
            panic!("{outcome:?}");
        };
        limit
    };
    assert_eq!(met(r#"{"type":"subscribe","topics":["abcd"]}"#), None);
    let named = [
        met(r#"{"type":"subscribe","topics":["abcd","abcde"]}"#),
        met(r#"{"type":"subscribe","topics":["xyz"]}"#),
        met(r#"{"type":"subscribe","topics":["a","b","c"]}"#),
    ];
    let expected = [
        "topic_bytes_max",
        "topic_bytes_per_peer_max",
        "topics_per_peer_max",
    ];
    assert_eq!(named, expected.map(Some));
    for name in expected {
        assert!(Limits::ALL.iter().any(|limit| limit.name == name), "{name}");
    }
}

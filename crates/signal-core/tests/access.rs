//! Grants: what is not covered is skipped without a word, and what ends, ends.

mod support;

use std::time::Duration;

use signal_core::{CloseReason, Grant, Ignored, Limits, Outcome, Output, PeerId, Room, TopicSet};
use support::{ANN, CAT, at};

const EVE: PeerId = PeerId::new(9);

/// Eve, with this grant, among peers that may do everything.
fn room_with(grant: Grant) -> Room {
    let mut room = Room::new(Limits::default());
    room.connect(at(0), ANN, Grant::open());
    room.connect(at(0), CAT, Grant::open());
    room.connect(at(0), EVE, grant);
    room
}

fn subscribe(room: &mut Room, topics: &str) -> Outcome {
    let text = format!(r#"{{"type":"subscribe","topics":{topics}}}"#);
    room.receive(at(1), EVE, &text, &mut Vec::<Output>::new())
        .expect("eve is connected")
}

fn listening(room: &Room) -> Vec<&str> {
    room.peer(EVE)
        .into_iter()
        .flat_map(|peer| peer.topics())
        .collect()
}

#[test]
fn what_is_not_granted_is_skipped_and_the_rest_is_served() {
    let grant = Grant::new(
        TopicSet::none().exact("a").prefix("team/"),
        TopicSet::none(),
    );
    let mut room = room_with(grant);
    let outcome = subscribe(
        &mut room,
        r#"["b","a","team/1","team","TEAM/1","a/","team/"]"#,
    );
    assert_eq!(
        outcome,
        Outcome::Subscribed {
            topics: 3,
            skipped: 4,
            limit: None,
        }
    );
    assert_eq!(listening(&room), ["a", "team/", "team/1"]);
}

#[test]
fn topics_that_look_like_a_granted_one_are_not_granted() {
    let grant = Grant::new(TopicSet::none().exact("caf\u{e9}"), TopicSet::none());
    let mut room = room_with(grant);
    subscribe(
        &mut room,
        r#"["cafe\u0301","Caf\u00e9","caf\u00e9 ","__proto__",""]"#,
    );
    assert!(listening(&room).is_empty());
    subscribe(&mut room, r#"["caf\u00e9"]"#);
    assert_eq!(listening(&room), ["caf\u{e9}"]);
}

#[test]
fn publishing_needs_a_right_of_its_own() {
    let mut room = room_with(Grant::new(TopicSet::All, TopicSet::none().prefix("out/")));
    let mut out: Vec<Output> = Vec::new();
    room.receive(
        at(0),
        ANN,
        r#"{"type":"subscribe","topics":["t","out/1"]}"#,
        &mut out,
    );
    let outcome = room.receive(at(0), EVE, r#"{"type":"publish","topic":"t"}"#, &mut out);
    assert_eq!(outcome, Some(Outcome::Ignored(Ignored::NotGranted)));
    assert_eq!(out, []);
    let outcome = room.receive(
        at(0),
        EVE,
        r#"{"type":"publish","topic":"out/1"}"#,
        &mut out,
    );
    assert_eq!(outcome, Some(Outcome::Published { deliveries: 1 }));
}

#[test]
fn a_repeated_topic_is_judged_by_the_one_that_counts() {
    let mut room = room_with(Grant::new(TopicSet::none(), TopicSet::none().exact("mine")));
    let text = r#"{"type":"publish","topic":"mine","topic":"yours"}"#;
    let outcome = room.receive(at(0), EVE, text, &mut Vec::<Output>::new());
    assert_eq!(outcome, Some(Outcome::Ignored(Ignored::NotGranted)));
}

#[test]
fn an_expired_grant_holds_the_peer_and_then_closes_it() {
    let mut room = room_with(Grant::open().expires_at(at(5_000)));
    subscribe(&mut room, r#"["t"]"#);
    assert_eq!(room.poll_timeout(), Some(at(5_000)));
    let mut out: Vec<Output> = Vec::new();
    room.handle_timeout(at(5_000), &mut out);
    assert_eq!(out, []);
    assert!(room.topics().is_empty());
    room.handle_timeout(at(7_000), &mut out);
    assert_eq!(out, [Output::Close(EVE, CloseReason::GrantExpired)]);
}

#[test]
fn without_a_hold_an_expired_grant_closes_the_peer_at_once() {
    let mut limits = Limits::default();
    limits.close_hold = Duration::ZERO;
    let mut room = Room::new(limits);
    room.connect(at(0), EVE, Grant::open().expires_at(at(5_000)));
    subscribe(&mut room, r#"["t"]"#);
    let mut out: Vec<Output> = Vec::new();
    room.handle_timeout(at(5_000), &mut out);
    assert_eq!(out, [Output::Close(EVE, CloseReason::GrantExpired)]);
    assert!(room.topics().is_empty());
    assert_eq!(room.poll_timeout(), None);
}

#[test]
fn an_expired_grant_is_noticed_by_the_next_message_too() {
    let mut room = room_with(Grant::open().expires_at(at(5_000)));
    let outcome = room.receive(
        at(5_000),
        EVE,
        r#"{"type":"ping"}"#,
        &mut Vec::<Output>::new(),
    );
    assert_eq!(outcome, Some(Outcome::Held(CloseReason::GrantExpired)));
}

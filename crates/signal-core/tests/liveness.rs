//! Pings, pongs and clocks.

mod support;

use std::time::Duration;

use signal_core::{CloseReason, Grant, Limits, Output, Room};
use support::{ANN, BOB, at};

fn room_with_ann() -> Room {
    let mut room = Room::new(Limits::default());
    room.connect(at(0), ANN, Grant::open());
    room
}

fn timeout(room: &mut Room, millis: u64) -> Vec<Output> {
    let mut out = Vec::new();
    room.handle_timeout(at(millis), &mut out);
    out
}

#[test]
fn a_peer_is_pinged_each_interval() {
    let mut room = room_with_ann();
    for due in [30_000, 60_000, 90_000] {
        assert_eq!(room.poll_timeout(), Some(at(due)));
        assert_eq!(timeout(&mut room, due), [Output::Ping(ANN)]);
        room.pong(at(due + 20), ANN);
    }
}

#[test]
fn a_peer_that_misses_a_pong_is_closed_at_the_next_ping() {
    let mut room = room_with_ann();
    assert_eq!(timeout(&mut room, 30_000), [Output::Ping(ANN)]);
    assert_eq!(timeout(&mut room, 59_999), []);
    assert_eq!(
        timeout(&mut room, 60_000),
        [Output::Close(ANN, CloseReason::TimedOut)]
    );
    assert_eq!(room.peers().len(), 0);
    assert_eq!(room.poll_timeout(), None);
}

#[test]
fn any_message_is_a_sign_of_life() {
    let mut room = room_with_ann();
    assert_eq!(timeout(&mut room, 30_000), [Output::Ping(ANN)]);
    room.receive(at(45_000), ANN, "null", &mut Vec::<Output>::new());
    assert_eq!(timeout(&mut room, 60_000), [Output::Ping(ANN)]);
}

#[test]
fn an_early_timeout_does_nothing() {
    let mut room = room_with_ann();
    assert_eq!(timeout(&mut room, 29_999), []);
    assert_eq!(room.poll_timeout(), Some(at(30_000)));
}

#[test]
fn deadlines_are_handled_in_their_order() {
    let mut room = Room::new(Limits::default());
    room.connect(at(10), ANN, Grant::open());
    room.connect(at(5), BOB, Grant::open());
    assert_eq!(
        timeout(&mut room, 30_010),
        [Output::Ping(BOB), Output::Ping(ANN)]
    );
}

#[test]
fn a_host_that_slept_does_not_blame_its_peers() {
    let mut room = room_with_ann();
    assert_eq!(timeout(&mut room, 30_000), [Output::Ping(ANN)]);
    assert_eq!(timeout(&mut room, 600_000), [Output::Ping(ANN)]);
    assert_eq!(
        timeout(&mut room, 630_000),
        [Output::Close(ANN, CloseReason::TimedOut)]
    );
}

#[test]
fn time_that_goes_back_stands_still() {
    let mut room = room_with_ann();
    assert_eq!(timeout(&mut room, 30_000), [Output::Ping(ANN)]);
    room.pong(at(30_500), ANN);
    assert_eq!(timeout(&mut room, 100), []);
    room.refuse(at(100), ANN, CloseReason::TooBig);
    assert_eq!(room.poll_timeout(), Some(at(32_500)));
}

#[test]
fn the_end_of_time_is_no_trouble() {
    let mut room = room_with_ann();
    timeout(&mut room, u64::MAX);
    room.receive(
        at(u64::MAX),
        ANN,
        r#"{"type":"ping"}"#,
        &mut Vec::<Output>::new(),
    );
    timeout(&mut room, u64::MAX);
}

#[test]
fn pings_can_be_switched_off() {
    let mut limits = Limits::default();
    limits.ping_interval = Duration::ZERO;
    let mut room = Room::new(limits);
    room.connect(at(0), ANN, Grant::open());
    assert_eq!(room.poll_timeout(), None);
    assert_eq!(timeout(&mut room, 86_400_000), []);
}

//! Pings, pongs and clocks.

mod support;

use std::time::Duration;

use signal_core::{CloseReason, Grant, Limits, Message, Output, Room, client};
use support::{ANN, BOB, at};

fn room_with_ann() -> Room {
    let mut limits = Limits::default();
    limits.keepalive_interval = Duration::ZERO;
    room_with(limits)
}

fn room_with(limits: Limits) -> Room {
    let mut room = Room::new(limits);
    room.connect(at(0), ANN, Grant::open());
    room
}

fn pong() -> Output {
    Output::Send {
        to: vec![ANN],
        message: Message::PONG,
    }
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
    let mut limits = Limits::default();
    limits.keepalive_interval = Duration::ZERO;
    let mut room = Room::new(limits);
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
fn the_end_of_time_does_no_harm() {
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
    limits.keepalive_interval = Duration::ZERO;
    let mut room = Room::new(limits);
    room.connect(at(0), ANN, Grant::open());
    assert_eq!(room.poll_timeout(), None);
    assert_eq!(timeout(&mut room, 86_400_000), []);
}

#[test]
fn a_peer_that_asks_for_nothing_is_sent_a_pong_each_interval() {
    let mut room = room_with(Limits::default());
    assert_eq!(room.poll_timeout(), Some(at(20_000)));
    assert_eq!(timeout(&mut room, 19_999), []);
    assert_eq!(timeout(&mut room, 20_000), [pong()]);
    assert_eq!(timeout(&mut room, 30_000), [Output::Ping(ANN)]);
    room.pong(at(30_020), ANN);
    assert_eq!(timeout(&mut room, 40_000), [pong()]);
    // Two things are due, and both come.
    assert_eq!(timeout(&mut room, 60_000), [pong(), Output::Ping(ANN)]);
    assert_eq!(room.poll_timeout(), Some(at(80_000)));
}

#[test]
fn a_peer_that_pings_as_stock_clients_do_is_sent_answers_alone() {
    let mut room = room_with(Limits::default());
    for second in 1..=120 {
        let now = second * 1_000;
        if second % 15 == 0 {
            room.receive(at(now), ANN, client::PING, &mut Vec::<Output>::new());
        }
        let sent = timeout(&mut room, now);
        assert!(!sent.contains(&pong()), "at {second} s");
    }
}

#[test]
fn a_host_that_slept_sends_one_pong_and_not_those_it_missed() {
    let mut room = room_with(Limits::default());
    assert_eq!(
        timeout(&mut room, 3_600_000),
        [pong(), Output::Ping(ANN)],
        "after an hour"
    );
    assert_eq!(timeout(&mut room, 3_619_999), []);
    assert_eq!(timeout(&mut room, 3_620_000), [pong()]);
}

#[test]
fn a_refused_peer_is_sent_no_pong() {
    let mut limits = Limits::default();
    limits.close_hold = Duration::from_secs(30);
    let mut room = room_with(limits);
    room.refuse(at(10_000), ANN, CloseReason::TooBig);
    assert_eq!(timeout(&mut room, 39_999), []);
    assert_eq!(
        timeout(&mut room, 40_000),
        [Output::Close(ANN, CloseReason::TooBig)]
    );
}

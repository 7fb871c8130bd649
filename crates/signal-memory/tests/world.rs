//! A world driven by hand: what each call does, and nothing else.

use std::time::Duration;

use signal_core::{CloseReason, Grant, PeerId, TopicSet};
use signal_memory::{Config, Jump, PeerOptions, RoomId, World};

const ROOM: RoomId = RoomId(0);
const SUBSCRIBE: &str = r#"{"type":"subscribe","topics":["t"]}"#;

#[test]
fn nothing_arrives_before_its_link_has_carried_it() {
    let mut world = World::with_config(without_jitter());
    let ann = world.connect_with(PeerOptions::new().delay(millis(50)));
    world.send(ann, r#"{"type":"ping"}"#);
    world.advance(millis(99));
    assert!(world.received(ann).is_empty());
    world.advance(millis(1));
    assert_eq!(world.received(ann), [r#"{"type":"pong"}"#]);
}

#[test]
fn links_overtake_each_other_and_keep_their_own_order() {
    let mut world = World::with_config(without_jitter());
    let far = world.connect_with(PeerOptions::new().delay(millis(70)));
    let near = world.connect_with(PeerOptions::new().delay(millis(5)));
    world.send(near, SUBSCRIBE);
    world.run_until_quiet();
    publish(&mut world, far, 1);
    publish(&mut world, far, 2);
    publish(&mut world, near, 3);
    world.run_until_quiet();
    assert_eq!(received(&world, near), [3, 1, 2]);
}

#[test]
fn a_link_keeps_its_order_whatever_its_jitter() {
    let mut config = Config::new(3);
    config.jitter_max = millis(500);
    let mut world = World::with_config(config);
    let ann = subscriber(&mut world, PeerOptions::new());
    (0..50).for_each(|number| publish(&mut world, ann, number));
    world.run_until_quiet();
    assert_eq!(received(&world, ann), (0..50).collect::<Vec<_>>());
}

#[test]
fn what_a_stalled_peer_misses_waits_for_it() {
    let mut world = World::new(1);
    let (ann, bob) = pair(&mut world);
    world.stall(bob);
    publish(&mut world, ann, 1);
    world.run_until_quiet();
    assert_eq!((received(&world, bob), world.waiting(bob).0), (vec![], 1));
    world.resume(bob);
    world.run_until_quiet();
    assert_eq!((received(&world, bob), world.waiting(bob).0), (vec![1], 0));
}

#[test]
fn a_full_queue_ends_its_peer_alone() {
    let mut config = Config::new(1);
    config.outbound_frames_max = 10;
    let mut world = World::with_config(config);
    let (ann, bob) = pair(&mut world);
    world.stall(bob);
    (0..20).for_each(|number| publish(&mut world, ann, number));
    world.run_until_quiet();
    assert_eq!(received(&world, ann).len(), 20);
    assert_eq!(world.room(ROOM).peers().collect::<Vec<_>>(), [ann]);
    world.resume(bob);
    world.run_until_quiet();
    assert_eq!(
        end_code(&world, bob),
        Some(CloseReason::SlowConsumer.code())
    );
}

/// The default limits, and a room whose members read 2 Mbit/s of messages of one size.
#[test]
fn a_publisher_that_uses_all_its_budgets_ends_no_member_that_reads_at_2_mbit() {
    const READ_A_MILLISECOND: u64 = 250;
    for bytes in [60, 300, 1_400, 16_000, 65_536] {
        let mut world = World::with_config(without_jitter());
        let pace = millis((bytes + 40) / READ_A_MILLISECOND + 1);
        let slow = || PeerOptions::new().pace(pace);
        let members = [0; 5].map(|_| subscriber(&mut world, slow()));
        let publisher = world.connect_with(PeerOptions::new());
        world.run_until_quiet();

        let limits = world.room(ROOM).limits().clone();
        let cost = u32::try_from(bytes).expect("a short message") + 32;
        let at_once = (limits.bytes_burst.div_ceil(cost)).min(limits.messages_burst);
        let a_second = (limits.bytes_per_second / cost).min(limits.messages_per_second);
        let frame = r#"{"type":"publish","topic":"t","data":""}"#.len();
        let data = "x".repeat(usize::try_from(bytes).expect("a short message") - frame);
        let text = format!(r#"{{"type":"publish","topic":"t","data":"{data}"}}"#);
        (0..at_once).for_each(|_| world.send(publisher, text.as_str()));
        let seconds = 20;
        for _ in 0..a_second * seconds {
            world.advance(Duration::from_secs(1) / a_second + millis(1));
            world.send(publisher, text.as_str());
        }
        world.run_until_quiet();

        let sent = (at_once + a_second * seconds) as usize;
        for member in members {
            assert_eq!(end_code(&world, member), None, "{bytes} bytes each");
            let received = world.received(member).into_iter();
            let publishes = received.filter(|message| *message != r#"{"type":"pong"}"#);
            assert_eq!(publishes.count(), sent, "{bytes} bytes each");
        }
        assert_eq!(end_code(&world, publisher), None);
    }
}

/// The sender is not even in the room, and is within its budgets but that of bytes.
#[test]
fn a_flood_of_large_messages_ends_at_most_its_sender() {
    let mut world = World::with_config(without_jitter());
    // 10 Mbit/s.
    let slow = || PeerOptions::new().pace(millis(65_536 / 1_250 + 1));
    let members = [0; 5].map(|_| subscriber(&mut world, slow()));
    let sender = world.connect_with(PeerOptions::new());
    world.run_until_quiet();
    let data = "x".repeat(65_536 - r#"{"type":"publish","topic":"t","data":""}"#.len());
    for _ in 0..300 {
        let text = format!(r#"{{"type":"publish","topic":"t","data":"{data}"}}"#);
        world.send(sender, text);
    }
    world.run_until_quiet();
    for member in members {
        assert_eq!(end_code(&world, member), None);
        assert_eq!(world.received(member).len(), 12);
    }
    world.advance(Duration::from_secs(3));
    let refused = CloseReason::RateLimited.code();
    assert_eq!(end_code(&world, sender), Some(refused));
}

#[test]
fn a_queue_is_bounded_in_bytes_too() {
    let mut config = Config::new(1);
    config.outbound_bytes_max = 200;
    let mut world = World::with_config(config);
    let (ann, bob) = pair(&mut world);
    world.stall(bob);
    (0..5).for_each(|number| publish(&mut world, ann, number));
    world.run_until_quiet();
    assert_eq!(world.room(ROOM).peers().collect::<Vec<_>>(), [ann]);
}

#[test]
fn a_slow_reader_reads_at_its_pace() {
    let mut world = World::with_config(without_jitter());
    let ann = world.connect();
    let slow = PeerOptions::new().delay(millis(1)).pace(millis(100));
    let bob = subscriber(&mut world, slow);
    world.advance(millis(200));
    (0..3).for_each(|number| publish(&mut world, ann, number));
    world.advance(millis(82));
    assert_eq!(received(&world, bob), [0]);
    world.advance(millis(100));
    assert_eq!(received(&world, bob), [0, 1]);
    world.run_until_quiet();
    assert_eq!(received(&world, bob), [0, 1, 2]);
}

#[test]
fn only_liveness_finds_a_peer_that_vanished() {
    let mut world = World::new(1);
    let (ann, bob) = pair(&mut world);
    world.drop_silently(bob);
    world.advance(Duration::from_secs(29));
    assert_eq!(world.room(ROOM).topics().subscribers("t"), [ann, bob]);
    world.advance(Duration::from_secs(31));
    assert_eq!(world.room(ROOM).topics().subscribers("t"), [ann]);
    assert_eq!(world.end(bob), None, "nobody can tell it");
}

#[test]
fn a_peer_that_answers_pings_stays() {
    let mut world = World::new(1);
    let (ann, bob) = pair(&mut world);
    world.advance(Duration::from_secs(600));
    assert_eq!(world.room(ROOM).topics().subscribers("t"), [ann, bob]);
}

#[test]
fn a_close_is_handled_after_what_was_sent_before_and_answered() {
    let mut world = World::new(1);
    let (ann, bob) = pair(&mut world);
    publish(&mut world, bob, 1);
    world.close(bob, Some(4001));
    world.send(bob, "too late");
    world.run_until_quiet();
    assert_eq!(received(&world, ann), [1]);
    assert_eq!(received(&world, bob), [1]);
    assert_eq!(end_code(&world, bob), Some(4001));
    assert_eq!(world.room(ROOM).peers().collect::<Vec<_>>(), [ann]);
}

#[test]
fn a_reset_ends_the_client_at_once_and_the_peer_when_it_arrives() {
    let mut world = World::new(1);
    let (ann, bob) = pair(&mut world);
    world.abort(bob);
    assert_eq!(end_code(&world, bob), Some(1006));
    assert_eq!(world.room(ROOM).peers().len(), 2);
    world.run_until_quiet();
    assert_eq!(world.room(ROOM).peers().collect::<Vec<_>>(), [ann]);
}

#[test]
fn a_client_that_reconnects_is_a_new_peer_without_subscriptions() {
    let mut world = World::new(1);
    let (ann, bob) = pair(&mut world);
    let again = world.reconnect(bob, PeerOptions::new());
    world.run_until_quiet();
    assert_ne!(again, bob);
    assert_eq!(world.room(ROOM).peers().collect::<Vec<_>>(), [ann, again]);
    assert_eq!(world.room(ROOM).topics().subscribers("t"), [ann]);
}

#[test]
fn hibernation_changes_nothing() {
    let mut world = World::new(1);
    let (ann, bob) = pair(&mut world);
    publish(&mut world, ann, 1);
    world.hibernate(ROOM);
    world.run_until_quiet();
    world.hibernate(ROOM);
    publish(&mut world, bob, 2);
    world.run_until_quiet();
    assert_eq!(received(&world, ann), [1, 2]);
    assert_eq!(received(&world, bob), [1, 2]);
}

#[test]
fn a_restart_ends_every_connection_without_a_close() {
    let mut world = World::new(1);
    let (ann, bob) = pair(&mut world);
    world.restart(ROOM);
    world.run_until_quiet();
    assert_eq!(
        [end_code(&world, ann), end_code(&world, bob)],
        [Some(1006); 2]
    );
    assert_eq!(world.room(ROOM).peers().len(), 0);
}

#[test]
fn a_room_that_drains_closes_its_peers_and_those_that_come() {
    let mut world = World::new(1);
    let (ann, bob) = pair(&mut world);
    world.drain(ROOM);
    let late = world.connect();
    world.run_until_quiet();
    for peer in [ann, bob, late] {
        assert_eq!(end_code(&world, peer), Some(CloseReason::Draining.code()));
    }
    world.restart(ROOM);
    let new = world.connect();
    world.run_until_quiet();
    assert_eq!(world.end(new), None);
}

#[test]
fn rooms_know_nothing_of_each_other() {
    let mut config = Config::new(1);
    config.rooms = 2;
    let mut world = World::with_config(config);
    let ann = subscriber(&mut world, PeerOptions::new());
    let bob = subscriber(&mut world, PeerOptions::new().room(RoomId(1)));
    publish(&mut world, ann, 1);
    world.run_until_quiet();
    assert_eq!(received(&world, ann), [1]);
    assert_eq!(received(&world, bob), []);
}

#[test]
fn clocks_jump_and_no_peer_that_answers_is_lost() {
    let mut world = World::new(1);
    let (ann, bob) = pair(&mut world);
    let day = Duration::from_secs(24 * 60 * 60);
    for jump in [Jump::Forward(day), Jump::Back(day / 2), Jump::Forward(day)] {
        world.jump_clock(ROOM, jump);
        world.advance(Duration::from_secs(120));
        assert_eq!(
            world.room(ROOM).topics().subscribers("t"),
            [ann, bob],
            "{jump:?}"
        );
    }
}

#[test]
fn a_grant_ends_on_the_clock_of_its_room() {
    let mut world = World::new(1);
    let end = world.clock(ROOM).saturating_add(Duration::from_secs(10));
    let grant = Grant::new(TopicSet::All, TopicSet::All).expires_at(end);
    let ann = subscriber(&mut world, PeerOptions::new().grant(grant));
    world.jump_clock(ROOM, Jump::Forward(Duration::from_secs(9)));
    world.advance(Duration::from_secs(5));
    assert_eq!(
        end_code(&world, ann),
        Some(CloseReason::GrantExpired.code())
    );
}

#[test]
fn a_transcript_reads_like_a_diagram() {
    let mut world = World::with_config(without_jitter());
    let ann = world.connect_with(PeerOptions::new().delay(millis(20)));
    world.send(ann, SUBSCRIBE);
    publish(&mut world, ann, 7);
    world.send(ann, "hello");
    world.disconnect(ann);
    world.run_until_quiet();
    let expected = r#"
    0.000 s  p1 ═▶ room 0       connects
    0.020 s  p1 ─▶ room 0       subscribe "topics":["t"]
    0.020 s  p1 ─▶ room 0       publish "topic":"t","n":7
    0.020 s  room 0 ─▶ p1       publish "topic":"t","n":7,"clients":1
    0.020 s  p1 ─▶ room 0       hello   (ignored: not_json)
    0.020 s  p1 ═▶ room 0       closes
    0.040 s         ▷ p1        publish "topic":"t","n":7,"clients":1
    0.040 s         ▷ p1        ended: 1005
"#;
    assert_eq!(world.transcript().to_string(), expected[1..]);
}

#[test]
fn a_transcript_is_bounded() {
    let mut config = Config::new(1);
    config.transcript_lines_max = 5;
    let mut world = World::with_config(config);
    for _ in 0..20 {
        world.connect();
    }
    assert_eq!(world.transcript().len(), 20);
    assert_eq!(world.transcript().lines().len(), 5);
    assert!(world.transcript().get(14).is_none() && world.transcript().get(15).is_some());
    assert!(
        world
            .transcript()
            .to_string()
            .starts_with("(15 earlier lines dropped)")
    );
}

fn without_jitter() -> Config {
    let mut config = Config::new(1);
    config.jitter_max = Duration::ZERO;
    config
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A peer that listens to `t`, on its way.
fn subscriber(world: &mut World, options: PeerOptions) -> PeerId {
    let peer = world.connect_with(options);
    world.send(peer, SUBSCRIBE);
    peer
}

/// Two peers that listen to `t`.
fn pair(world: &mut World) -> (PeerId, PeerId) {
    let ann = subscriber(world, PeerOptions::new());
    let bob = subscriber(world, PeerOptions::new());
    world.run_until_quiet();
    (ann, bob)
}

fn publish(world: &mut World, peer: PeerId, number: u32) {
    world.send(
        peer,
        format!(r#"{{"type":"publish","topic":"t","n":{number}}}"#),
    );
}

/// The numbers of the publishes a client has received.
fn received(world: &World, peer: PeerId) -> Vec<u32> {
    let number = |text: &str| text.split_once("\"n\":")?.1.split(',').next()?.parse().ok();
    world
        .received(peer)
        .into_iter()
        .filter_map(number)
        .collect()
}

fn end_code(world: &World, peer: PeerId) -> Option<u16> {
    world.end(peer).map(|end| end.code)
}

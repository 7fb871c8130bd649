use std::task::Waker;

use signal_testwire::UPGRADE;

use super::unfinished::WaitsFor;
use super::*;
use crate::{Authorization, Authorizer, Config, Relay, UpgradeRequest};

fn relay() -> Relay {
    Relay::new(Config::default()).expect("the default is valid")
}

fn after(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

/// A handshake that began at the start of the relay's time and has five seconds.
fn handshake(relay: &Relay) -> Handshake {
    Handshake::until(&relay.shared.door, Remote::Unknown, after(5))
}

fn judge(handshake: &mut Handshake) -> Poll<()> {
    handshake.poll_judge(after(0), &mut Context::from_waker(Waker::noop()))
}

/// Takes what is to be written, so many bytes at a time.
fn take_output(handshake: &mut Handshake, now: Instant, piece: usize) -> String {
    let mut taken = Vec::new();
    while !handshake.output().is_empty() {
        assert!(matches!(handshake.step(), Step::Write));
        let bytes = handshake.output().len().min(piece);
        taken.extend_from_slice(&handshake.output()[..bytes]);
        handshake.written(bytes);
    }
    handshake.flushed(now);
    String::from_utf8(taken).expect("text")
}

fn refusals(relay: &Relay) -> u64 {
    relay.stats().refusals.iter().map(|(_, count)| count).sum()
}

#[test]
fn an_upgrade_goes_through_all_states_and_begins_once() {
    let relay = relay();
    let mut handshake = handshake(&relay);
    let (first, rest) = UPGRADE.split_at(40);
    assert!(matches!(handshake.step(), Step::Read));
    handshake.read(after(0), first.as_bytes());
    assert!(matches!(handshake.step(), Step::Read));
    assert_eq!(handshake.waits_for(), WaitsFor::Client);
    handshake.read(after(0), &[rest.as_bytes(), b"\x81\x80"].concat());
    assert!(matches!(handshake.step(), Step::Judge));
    assert_eq!(handshake.waits_for(), WaitsFor::Relay);
    assert!(judge(&mut handshake).is_ready());
    assert_eq!(relay.stats().peers, 1);
    assert_eq!(handshake.waits_for(), WaitsFor::Client);
    let answer = take_output(&mut handshake, after(0), 7);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let Step::Begin(admission, read_ahead) = handshake.step() else {
        panic!("not {handshake:?}");
    };
    assert_eq!(read_ahead, b"\x81\x80"[..]);
    assert!(matches!(handshake.step(), Step::End));
    drop(admission);
    assert_eq!((relay.stats().peers, refusals(&relay)), (0, 0));
}

#[test]
fn an_answer_that_is_not_an_upgrade_is_followed_by_a_second_of_lingering() {
    let relay = relay();
    for how in ["end", "time", "bytes"] {
        let mut handshake = handshake(&relay);
        handshake.read(after(0), b"POST / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(judge(&mut handshake).is_ready());
        let answer = take_output(&mut handshake, after(2), usize::MAX);
        assert!(answer.ends_with("\r\n\r\nokay"), "{answer}");
        assert!(matches!(handshake.step(), Step::Linger) && !handshake.is_shut());
        handshake.shut();
        assert!(matches!(handshake.step(), Step::Linger) && handshake.is_shut());
        assert_eq!(handshake.waits_for(), WaitsFor::End);
        handshake.read(after(2), b"what still comes is thrown away");
        handshake.handle_timeout(after(2));
        assert!(matches!(handshake.step(), Step::Linger));
        match how {
            "end" => handshake.read(after(2), b""),
            "time" => handshake.handle_timeout(after(3)),
            _ => handshake.read(after(2), &[0; LINGER_BYTES]),
        }
        assert!(matches!(handshake.step(), Step::End), "{how}");
    }
    assert_eq!(refusals(&relay), 0);
}

#[test]
fn time_is_up_once_it_is_and_not_before() {
    let relay = relay();
    for (sent, counted) in [("", 0), ("G", 1), (&UPGRADE[..UPGRADE.len() - 1], 2)] {
        let mut handshake = handshake(&relay);
        if !sent.is_empty() {
            handshake.read(after(0), sent.as_bytes());
        }
        assert_eq!(handshake.poll_timeout(), after(5));
        handshake.handle_timeout(Instant::from_millis(4_999));
        assert!(matches!(handshake.step(), Step::Read));
        handshake.handle_timeout(after(5));
        let answer = take_output(&mut handshake, after(5), usize::MAX);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.ends_with("the request took too long"), "{answer}");
        assert_eq!(refusals(&relay), counted, "{sent:?}");
        handshake.handle_timeout(after(6));
        assert!(matches!(handshake.step(), Step::End));
    }
}

/// Never answers.
struct Never;

impl Authorizer for Never {
    fn authorize<'a>(&'a self, _: &'a UpgradeRequest<'a>) -> Authorization<'a> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn an_authorizer_without_an_answer_gives_its_place_back_in_time() {
    let relay = Relay::with_authorizer(Config::default(), Never).expect("valid settings");
    let mut handshake = handshake(&relay);
    handshake.read(after(0), UPGRADE.as_bytes());
    assert!(judge(&mut handshake).is_pending());
    assert_eq!(relay.stats().peers, 1);
    handshake.handle_timeout(after(5));
    assert_eq!(relay.stats().peers, 0);
    let answer = take_output(&mut handshake, after(5), usize::MAX);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");
}

#[test]
fn an_answer_that_is_not_taken_ends_it() {
    let relay = relay();
    for how in ["time", "error", "nothing"] {
        let mut handshake = handshake(&relay);
        handshake.read(after(0), UPGRADE.as_bytes());
        assert!(judge(&mut handshake).is_ready());
        handshake.written(10);
        match how {
            "time" => handshake.handle_timeout(after(5)),
            "error" => handshake.fail(&io::ErrorKind::BrokenPipe.into()),
            _ => handshake.written(0),
        }
        assert!(matches!(handshake.step(), Step::End), "{how}");
        assert_eq!(relay.stats().peers, 0, "{how}");
    }
    assert_eq!(refusals(&relay), 3);
}

#[test]
fn a_client_that_leaves_is_refused_only_if_it_had_begun() {
    let relay = relay();
    for (sent, counted) in [("", 0), ("GET", 1)] {
        for is_reset in [false, true] {
            let mut handshake = handshake(&relay);
            if !sent.is_empty() {
                handshake.read(after(0), sent.as_bytes());
            }
            match is_reset {
                false => handshake.read(after(0), b""),
                true => handshake.fail(&io::ErrorKind::ConnectionReset.into()),
            }
            assert!(matches!(handshake.step(), Step::End));
        }
        assert_eq!(refusals(&relay), 2 * counted);
    }
}

#[test]
fn a_request_that_has_begun_is_answered_when_its_place_is_needed() {
    let relay = relay();
    let mut silent = handshake(&relay);
    assert_eq!(silent.evict(), b"");
    let mut slow = handshake(&relay);
    slow.read(after(0), b"GET");
    let answer = String::from_utf8(slow.evict()).expect("text");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    for mut handshake in [silent, slow] {
        assert!(matches!(handshake.step(), Step::End));
    }
}

#[test]
fn nothing_a_socket_says_out_of_turn_does_harm() {
    let relay = relay();
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..2_000 {
        let mut handshake = handshake(&relay);
        let mut now = after(0);
        let mut admissions = Vec::new();
        for _ in 0..20 {
            match random.u8(..9) {
                0 => handshake.read(now, &UPGRADE.as_bytes()[..random.usize(1..UPGRADE.len())]),
                1 => handshake.read(now, UPGRADE.as_bytes()),
                2 => handshake.written(handshake.output().len().min(random.usize(..200))),
                3 => handshake.flushed(now),
                4 => handshake.shut(),
                5 => _ = judge(&mut handshake),
                6 => now = now.saturating_add(Duration::from_millis(random.u64(..2_000))),
                7 => handshake.handle_timeout(now),
                _ => {
                    if let Step::Begin(admission, _) = handshake.step() {
                        admissions.push(admission);
                    }
                }
            }
        }
        assert!(admissions.len() <= 1, "seed {seed}");
        drop((admissions, handshake));
        assert_eq!(relay.stats().peers, 0, "seed {seed}");
    }
}

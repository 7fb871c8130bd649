//! Who reads too slowly, and who holds too much, by what a host tells of its queues.

use signal_backpressure::Level;
use signal_core::PeerId;
use signal_wasm::output::Output;
use signal_wasm::{Answer, Host, Relay, Settings};

use crate::host::*;

const MIB: u64 = 1 << 20;

/// Tells how much waits for some or all peers, and how much was ever queued for each.
fn tell(relay: &mut Relay, now: u64, levels: &[(PeerId, u64, u64)], is_all: bool) -> Vec<Record> {
    let mut output = Output::default();
    let levels = levels.iter().map(|(peer, waiting, queued)| {
        let (waiting, queued) = (*waiting, *queued);
        (*peer, Level { waiting, queued })
    });
    relay.levels(at(now), levels, is_all, &mut output);
    records(&output)
}

/// Without deadlines of other kinds.
fn quiet(settings: &[(&str, &str)]) -> Relay {
    let quiet = [("ping_interval", "0"), ("keepalive_interval", "0")];
    relay(&[&quiet[..], settings].concat())
}

fn code(peer: PeerId, is_dropped: bool) -> Record {
    Record::Close(peer.as_u64(), 1013, is_dropped)
}

#[test]
fn two_bursts_at_one_moment_end_nobody_who_reads() {
    let mut relay = quiet(&[]);
    let peer = connect(&mut relay, 0);
    assert_eq!(tell(&mut relay, 5, &[(peer, 3 * MIB, 3 * MIB)], false), []);
    assert_eq!(relay.poll_timeout(), Some(at(1_005)));
    assert_eq!(tick(&mut relay, 1_004), []);
    let look = Record::Look(vec![peer.as_u64()]);
    assert_eq!(tick(&mut relay, 1_005), [look]);
    assert_eq!(relay.poll_timeout(), None, "it is asked once");
    assert_eq!(
        tell(&mut relay, 1_006, &[(peer, 2 * MIB, 3 * MIB)], false),
        []
    );
    let due = relay.poll_timeout().expect("it is watched on");
    assert_eq!(tick(&mut relay, due.as_millis()).len(), 1);
    let within = [Record::Within(peer.as_u64())];
    let levels = [(peer, MIB, 3 * MIB)];
    assert_eq!(tell(&mut relay, due.as_millis(), &levels, false), within);
    assert_eq!(relay.poll_timeout(), None);
}

#[test]
fn a_reader_that_has_stopped_is_ended_after_the_grace() {
    let mut relay = quiet(&[("outbound_grace", "3s")]);
    let peer = connect(&mut relay, 0);
    let levels = [(peer, 2 * MIB, 2 * MIB)];
    assert_eq!(tell(&mut relay, 0, &levels, false), []);
    assert_eq!(tick(&mut relay, 3_000).len(), 1);
    assert_eq!(tell(&mut relay, 3_001, &levels, false), [code(peer, true)]);
    assert_eq!(relay.poll_timeout(), None);
    assert_eq!(
        tell(&mut relay, 3_002, &levels, false),
        [],
        "it is being closed"
    );
    assert!(relay.stats().contains(r#""slow_consumer":1"#));
}

#[test]
fn all_are_asked_for_once_an_eighth_of_the_ceiling_is_sent() {
    let mut relay = quiet(&[("memory_max", "1MiB")]);
    let peers = [(); 2].map(|()| connect(&mut relay, 0));
    for peer in peers {
        receive(
            &mut relay,
            0,
            peer,
            r#"{"type":"subscribe","topics":["t"]}"#,
        );
    }
    let publish = format!(
        r#"{{"type":"publish","topic":"t","data":"{}"}}"#,
        "x".repeat(60_000)
    );
    let mut asked = 0;
    for _ in 0..6 {
        let sent = receive(&mut relay, 0, peers[0], &publish);
        asked += usize::from(sent.contains(&Record::Look(Vec::new())));
    }
    assert_eq!(asked, 1, "not again before it is told");
    assert_eq!(
        tell(&mut relay, 0, &[(peers[0], 360_000, 360_000)], true),
        []
    );
    let sent = receive(&mut relay, 0, peers[0], &publish);
    assert_eq!(sent.len(), 1, "an eighth is more than two of these");
    let sent = receive(&mut relay, 0, peers[0], &publish);
    assert!(sent.contains(&Record::Look(Vec::new())));
}

#[test]
fn past_the_ceiling_those_that_keep_most_are_ended_and_who_reads_stays() {
    let mut relay = quiet(&[("memory_max", "16MiB")]);
    let [reads, keeps, little] = [(); 3].map(|()| connect(&mut relay, 0));
    let levels = |reads_queued, waiting| {
        [
            (reads, 9 * MIB, reads_queued),
            (keeps, waiting, waiting),
            (little, 4_000, 4_000),
        ]
    };
    assert_eq!(tell(&mut relay, 0, &levels(9 * MIB, MIB), true), []);
    // Another nine came for the one, who has taken those of before.
    let later = levels(18 * MIB, 8 * MIB);
    assert_eq!(tell(&mut relay, 10_000, &later, true), [code(keeps, true)]);
    // It is counted until it has gone, and not ended again.
    assert_eq!(tell(&mut relay, 10_001, &later, true), [code(reads, true)]);
    assert!(relay.stats().contains(r#""memory_max":2"#));
}

#[test]
fn who_has_gone_is_not_asked_for() {
    let mut relay = quiet(&[]);
    let peer = connect(&mut relay, 0);
    tell(&mut relay, 0, &[(peer, 2 * MIB, 2 * MIB)], false);
    relay.leave(at(1), peer);
    assert_eq!(relay.poll_timeout(), None);
    let levels = [(peer, 2 * MIB, 2 * MIB)];
    assert_eq!(tell(&mut relay, 2_000, &levels, false), []);
}

#[test]
fn no_more_are_judged_at_once_than_may_be() {
    let settings = Settings::read([("handshakes_max", "2")]).expect("settings");
    let host = Host {
        authorizes: true,
        ..Host::default()
    };
    let mut relay = Relay::new(settings, host).expect("a relay");
    let asks = |relay: &mut Relay| match ask(relay, 0, &upgrade()) {
        Answer::Ask { peer, .. } => peer,
        other @ (Answer::Page(_) | Answer::Upgrade { .. }) => panic!("{other:?}"),
    };
    let first = asks(&mut relay);
    asks(&mut relay);
    let page = refused(&mut relay, 0, &upgrade());
    assert_eq!(page.status, 503);
    assert!(page.headers.iter().any(|(name, _)| *name == "retry-after"));
    relay.authorized(at(0), UNIX_NOW, 7, first, r#"{"topics":["*"]}"#);
    let third = asks(&mut relay);
    assert_eq!(refused(&mut relay, 0, &upgrade()).status, 503);
    relay.leave(at(0), third);
    asks(&mut relay);
}

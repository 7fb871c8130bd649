//! The relay by what a host hands in and reads out.

mod access;
mod host;
mod published;
mod queues;

use signal_core::PeerId;
use signal_wasm::output::Output;
use signal_wasm::{Host, Relay, Request, Settings};

use crate::host::*;

#[test]
fn a_publish_goes_to_all_subscribers_as_one_text() {
    let mut relay = relay(&[]);
    let peers = [(); 3].map(|()| connect(&mut relay, 0));
    for peer in peers {
        receive(
            &mut relay,
            1,
            peer,
            r#"{"type":"subscribe","topics":["garden"]}"#,
        );
    }
    let sent = receive(
        &mut relay,
        2,
        peers[0],
        r#"{"type":"publish","topic":"garden","data":"hi"}"#,
    );
    let text = r#"{"type":"publish","topic":"garden","data":"hi","clients":3}"#;
    let to = peers.map(PeerId::as_u64).to_vec();
    assert_eq!(sent, [Record::Send(to, text.to_owned())]);
}

#[test]
fn a_peer_that_is_silent_is_pinged_and_then_closed() {
    let mut relay = relay(&[("ping_interval", "1s")]);
    let peer = connect(&mut relay, 0);
    assert_eq!(relay.poll_timeout(), Some(at(1_000)));
    assert_eq!(tick(&mut relay, 1_000), [Record::Ping(peer.as_u64())]);
    let mut output = Output::default();
    relay.receive_frame(at(1_500), peer, 0, &mut output);
    assert_eq!(tick(&mut relay, 2_000), [Record::Ping(peer.as_u64())]);
    let closed = [Record::Close(peer.as_u64(), 4408, false)];
    assert_eq!(tick(&mut relay, 3_000), closed);
}

#[test]
fn where_the_runtime_pings_the_relay_does_not() {
    let settings = Settings::read([("ping_interval", "1s")]).expect("settings");
    let host = Host {
        pings: true,
        ..Host::default()
    };
    let mut relay = Relay::new(settings, host).expect("a relay");
    let peer = connect(&mut relay, 0);
    // What a hidden tab needs is the relay's own, as the runtime does not send it.
    assert_eq!(relay.poll_timeout(), Some(at(20_000)));
    let pong = Record::Send(vec![peer.as_u64()], r#"{"type":"pong"}"#.to_owned());
    assert_eq!(tick(&mut relay, 20_000), [pong]);
    assert!(relay.limits().contains(r#""ping_interval":1000"#));
}

#[test]
fn a_message_that_is_too_long_is_held_and_then_closed_and_its_address_is_remembered() {
    let mut relay = relay(&[
        ("message_bytes_max", "15"),
        ("close_hold", "2s"),
        ("offences_per_minute_per_ip", "1"),
    ]);
    for now in [0, 10_000] {
        let peer = connect(&mut relay, now);
        let held = receive(&mut relay, now, peer, &"x".repeat(16));
        assert_eq!(held, [Record::Hold(peer.as_u64())]);
        let closed = [Record::Close(peer.as_u64(), 1009, false)];
        assert_eq!(tick(&mut relay, now + 2_000), closed);
        relay.leave(at(now + 2_000), peer);
    }
    let page = refused(&mut relay, 13_000, &upgrade());
    assert_eq!(page.status, 429);
    assert!(page.body.contains("closed for breaking limits"), "{page:?}");
    assert!(page.headers.contains(&("retry-after", "9".into())));
}

#[test]
fn a_connection_counts_until_it_has_ended_not_until_it_is_closed() {
    let mut relay = relay(&[("peers_per_ip_max", "1")]);
    let peer = connect(&mut relay, 0);
    assert_eq!(refused(&mut relay, 0, &upgrade()).status, 429);
    let mut output = Output::default();
    relay.overflow(peer, &mut output);
    assert_eq!(records(&output), [Record::Close(peer.as_u64(), 1013, true)]);
    assert_eq!(refused(&mut relay, 1, &upgrade()).status, 429);
    relay.leave(at(2), peer);
    connect(&mut relay, 2);
}

#[test]
fn an_upgrade_that_fails_gives_its_place_back() {
    let mut relay = relay(&[("peers_max", "1")]);
    let peer = admit(&mut relay, 0, &upgrade());
    assert_eq!(refused(&mut relay, 0, &upgrade()).status, 503);
    relay.leave(at(0), peer);
    start_without_a_place(&mut relay, 0, peer);
    assert!(relay.stats().contains(r#""peers":0"#), "{}", relay.stats());
    connect(&mut relay, 0);
}

#[test]
fn an_upgrade_of_which_nothing_is_heard_gives_its_place_back_in_time() {
    let mut relay = relay(&[("peers_max", "1"), ("handshake_timeout", "1s")]);
    let lost = admit(&mut relay, 0, &upgrade());
    assert_eq!(relay.poll_timeout(), Some(at(1_000)));
    assert_eq!(tick(&mut relay, 999), []);
    assert_eq!(refused(&mut relay, 999, &upgrade()).status, 503);
    assert_eq!(tick(&mut relay, 1_000), []);
    assert_eq!(relay.poll_timeout(), None);
    let next = admit(&mut relay, 1_000, &upgrade());
    // Who is late after all finds the place taken.
    start_without_a_place(&mut relay, 1_001, lost);
    start(&mut relay, 1_002, next);
    assert!(relay.stats().contains(r#""peers":1"#), "{}", relay.stats());
    assert_ne!(relay.poll_timeout(), Some(at(2_000)));
}

#[test]
fn a_link_local_address_counts_with_its_interface_behind_it() {
    let mut relay = relay(&[("peers_per_ip_max", "1"), ("limit_private_ips", "true")]);
    let mut request = upgrade();
    request.remote = Some("fe80::1%eth0");
    admit(&mut relay, 0, &request);
    assert_eq!(refused(&mut relay, 0, &request).status, 429);
}

#[test]
fn a_trusted_proxy_names_the_client() {
    let mut relay = relay(&[("peers_per_ip_max", "1"), ("trusted_proxies", "10.0.0.0/8")]);
    let from = |remote, forwarded| {
        let mut request = upgrade();
        request.remote = Some(remote);
        request.forwarded_for = Some(forwarded);
        request
    };
    admit(&mut relay, 0, &from("10.0.0.1", "198.51.100.1"));
    admit(&mut relay, 0, &from("10.0.0.1", "198.51.100.2"));
    let page = refused(&mut relay, 0, &from("10.0.0.1", "6.6.6.6, 198.51.100.2"));
    assert_eq!(page.status, 429);
    admit(&mut relay, 0, &from("203.0.113.9", "198.51.100.3"));
    let forged = from("203.0.113.9", "198.51.100.4");
    assert_eq!(refused(&mut relay, 0, &forged).status, 429);
}

#[test]
fn an_upgrade_that_is_not_right_is_refused_in_the_words_of_every_relay() {
    let mut relay = relay(&[]);
    let mut status = |change: fn(&mut Request<'static>)| {
        let mut request = upgrade();
        change(&mut request);
        refused(&mut relay, 0, &request).status
    };
    assert_eq!(status(|request| request.method = "POST"), 405);
    assert_eq!(status(|request| request.version = Some("8")), 426);
    assert_eq!(status(|request| request.version = None), 426);
    assert_eq!(status(|request| request.key = Some("short")), 400);
    assert_eq!(status(|request| request.key = None), 400);
    assert_eq!(status(|request| request.content_length = Some("5")), 400);
    assert_eq!(
        status(|request| request.transfer_encoding = Some("chunked")),
        400
    );
    assert_eq!(status(|request| request.upgrade = Some("h2c")), 200);
}

#[test]
fn pages_say_how_the_relay_is() {
    let mut relay = relay(&[("drain_seconds", "0"), ("origins", "https://app.example")]);
    let mut page = |target: &'static str| {
        let page = refused(&mut relay, 0, &get(target));
        (page.status, page.body)
    };
    assert_eq!(page("/"), (200, "okay".to_owned()));
    assert_eq!(
        page("/healthz?x"),
        (200, r#"{"status":"ok","peers":0}"#.to_owned())
    );
    assert_eq!(page("/readyz"), (200, r#"{"ready":true}"#.to_owned()));
    let (_, limits) = page("/limits");
    let limits: serde_json::Value = serde_json::from_str(&limits).expect("JSON");
    assert_eq!(limits["message_bytes_max"], 65_536);
    assert_eq!(limits["peers_max"], serde_json::Value::Null);
    assert_eq!(
        limits["without"],
        serde_json::json!(["strict_frames", "any_origin"])
    );
    relay.drain(at(0), &mut Output::default());
    assert_eq!(refused(&mut relay, 0, &get("/readyz")).status, 503);
    assert_eq!(refused(&mut relay, 0, &upgrade()).status, 503);
}

#[test]
fn a_drain_closes_one_after_the_other() {
    let mut relay = relay(&[("drain_seconds", "10"), ("ping_interval", "0")]);
    let peers = [(); 2].map(|()| connect(&mut relay, 0));
    let mut output = Output::default();
    relay.drain(at(100), &mut output);
    let close = |peer: PeerId| Record::Close(peer.as_u64(), 1012, false);
    assert_eq!(records(&output), [close(peers[0])]);
    assert_eq!(relay.poll_timeout(), Some(at(5_100)));
    assert_eq!(tick(&mut relay, 5_100), [close(peers[1])]);
    assert_eq!(relay.poll_timeout(), None);
}

#[test]
fn a_client_let_in_while_the_relay_drains_is_closed_at_once() {
    let mut relay = relay(&[("drain_seconds", "0")]);
    let peer = admit(&mut relay, 0, &upgrade());
    relay.drain(at(1), &mut Output::default());
    let mut output = Output::default();
    relay.connect(at(1), peer, &mut output);
    assert_eq!(
        records(&output),
        [Record::Close(peer.as_u64(), 1012, false)]
    );
}

#[test]
fn connections_on_which_nothing_is_said_are_not_connects_of_their_address() {
    let limits = [
        ("connects_per_minute_per_ip", "2"),
        ("peers_per_ip_max", "1"),
    ];
    let mut quiet = relay(&limits);
    for now in 0..20 {
        let peer = connect(&mut quiet, now);
        quiet.leave(at(now), peer);
    }
    let mut loud = relay(&limits);
    for now in 0..2 {
        let peer = connect(&mut loud, now);
        receive(&mut loud, now, peer, r#"{"type":"ping"}"#);
        loud.leave(at(now), peer);
    }
    assert_eq!(refused(&mut loud, 2, &upgrade()).status, 429);
}

#[test]
fn a_subscribe_past_a_limit_is_said_once_a_minute() {
    let mut relay = relay(&[("topics_per_peer_max", "1")]);
    let peer = connect(&mut relay, 0);
    let mut notices = |now: u64, topic: &str| {
        let mut output = Output::default();
        let subscribe = format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#);
        relay.receive(at(now), peer, subscribe.as_bytes(), &mut output);
        records(&output).len()
    };
    let said =
        [(0, "a"), (1, "b"), (2, "c"), (60_001, "d")].map(|(now, topic)| notices(now, topic));
    assert_eq!(said, [0, 1, 0, 1]);
}

#[test]
fn what_comes_for_a_peer_that_is_gone_does_nothing() {
    let mut relay = relay(&[]);
    let peer = connect(&mut relay, 0);
    relay.broke_protocol(at(1), peer);
    assert_eq!(receive(&mut relay, 1, peer, r#"{"type":"ping"}"#), []);
    relay.leave(at(1), peer);
    relay.leave(at(1), peer);
    let mut output = Output::default();
    relay.overflow(peer, &mut output);
    relay.receive_frame(at(1), peer, 0, &mut output);
    assert_eq!(records(&output), []);
}

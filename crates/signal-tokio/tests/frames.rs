//! What a connection does with frames, good and bad.

mod common;

use std::time::Duration;

use common::{BINARY, CLOSE, PING, PONG, TEXT, frame, frame_header, open, relay};
use serde_json::json;
use signal_tokio::{CloseReason, Ending, Relay};

/// How many connections have ended so.
fn endings(relay: &Relay, ending: Ending) -> u64 {
    let all = relay.stats().endings;
    all.iter()
        .find(|(known, _)| *known == ending)
        .expect("every ending is listed")
        .1
}

#[tokio::test(start_paused = true)]
async fn a_pipelined_subscribe_takes_effect_before_the_publish() {
    let relay = relay(|_| {});
    let mut peer = open(&relay).await;
    let burst = [
        frame(TEXT, br#"{"type":"subscribe","topics":["t"]}"#),
        frame(TEXT, br#"{"type":"publish","topic":"t","data":1}"#),
        frame(TEXT, br#"{"type":"ping"}"#),
    ];
    peer.send_raw(&burst.concat()).await;
    assert_eq!(
        peer.next_json().await,
        json!({"type": "publish", "topic": "t", "data": 1, "clients": 1})
    );
    assert_eq!(peer.next_text().await, r#"{"type":"pong"}"#);
}

#[tokio::test(start_paused = true)]
async fn frames_right_behind_the_upgrade_request_are_not_lost() {
    let relay = relay(|_| {});
    let mut peer = common::Wire::start(common::dial(&relay));
    let ping = frame(TEXT, br#"{"type":"ping"}"#);
    peer.send_raw(&[common::UPGRADE.as_bytes(), &ping].concat())
        .await;
    assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(peer.next_text().await, r#"{"type":"pong"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_fragments_with_a_ping_between_is_one_message() {
    let relay = relay(|_| {});
    let mut peer = open(&relay).await;
    peer.subscribe("t").await;
    peer.send_frame(0x01, br#"{"type":"publish","#).await;
    peer.send_frame(PING, b"between").await;
    peer.send_frame(0x00, br#""topic":"#).await;
    peer.send_frame(0x80, br#""t"}"#).await;
    let pong = peer.next().await.expect("a pong");
    assert_eq!(
        (pong.first_byte, pong.payload.as_slice()),
        (PONG, b"between".as_slice())
    );
    assert_eq!(
        peer.next_json().await,
        json!({"type": "publish", "topic": "t", "clients": 1})
    );
}

#[tokio::test(start_paused = true)]
async fn a_binary_message_means_what_its_text_would() {
    let relay = relay(|_| {});
    let mut peer = open(&relay).await;
    peer.send_frame(BINARY, br#"{"type":"ping"}"#).await;
    assert_eq!(peer.next_text().await, r#"{"type":"pong"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_close_is_answered_with_its_code_and_reason_and_the_end() {
    let relay = relay(|_| {});
    for payload in [b"\x0f\xa1bye".as_slice(), b"\x03\xe8", b""] {
        let mut peer = open(&relay).await;
        peer.send_frame(CLOSE, payload).await;
        peer.send(r#"{"type":"ping"}"#).await;
        let answer = peer.next().await.expect("a close");
        assert_eq!(
            (answer.first_byte, answer.payload.as_slice()),
            (CLOSE, payload)
        );
        assert_eq!(peer.next().await, None, "frames behind a close are ignored");
    }
    common::until(&relay, "all are gone", |stats| stats.peers == 0).await;
    assert_eq!(endings(&relay, Ending::ByPeer), 3);
}

#[tokio::test(start_paused = true)]
async fn a_publish_right_before_the_close_is_delivered() {
    let relay = relay(|_| {});
    let mut listener = open(&relay).await;
    listener.subscribe("t").await;
    listener.settle().await;
    let mut peer = open(&relay).await;
    peer.publish("t", 7).await;
    peer.send_frame(CLOSE, b"").await;
    drop(peer);
    assert_eq!(listener.next_json().await["data"], 7);
}

/// Sends `bytes` beside a pair of peers; the close code that comes, and that the pair has noticed
/// nothing.
async fn close_code_for(bytes: &[u8]) -> u16 {
    let relay = relay(|_| {});
    let (mut ann, mut ben, mut bad) = (open(&relay).await, open(&relay).await, open(&relay).await);
    for peer in [&mut ann, &mut ben, &mut bad] {
        peer.subscribe("t").await;
        peer.settle().await;
    }
    bad.send_raw(bytes).await;
    let close = bad.next().await.expect("a close");
    ann.publish("t", 1).await;
    assert_eq!(
        ann.next_json().await["clients"],
        2,
        "the closed peer is not counted"
    );
    assert_eq!(ben.next_json().await["clients"], 2);
    assert_eq!(bad.next().await, None);
    close.close_code()
}

#[tokio::test(start_paused = true)]
async fn a_malformed_frame_ends_its_own_connection_alone() {
    let cases = [
        ("unmasked", vec![0x81, 0x01, b'x']),
        ("reserved bit", frame(0xc1, b"x")),
        ("reserved opcode", frame(0x83, b"x")),
        ("fragmented ping", frame(0x09, b"x")),
        ("long ping", frame(PING, &[0; 126])),
        ("close of one byte", frame(CLOSE, b"x")),
        ("close code 999", frame(CLOSE, &999_u16.to_be_bytes())),
        ("close code 1005", frame(CLOSE, &1005_u16.to_be_bytes())),
        ("stray continuation", frame(0x80, b"x")),
        (
            "text within fragments",
            [frame(0x01, b"x"), frame(TEXT, b"x")].concat(),
        ),
    ];
    for (name, bytes) in cases {
        assert_eq!(close_code_for(&bytes).await, 1002, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn text_that_is_not_utf8_closes_with_1007() {
    assert_eq!(close_code_for(&frame(TEXT, b"\xff\xfe")).await, 1007);
    assert_eq!(close_code_for(&frame(0x01, b"\xc3\x28")).await, 1007);
}

#[tokio::test(start_paused = true)]
async fn a_header_of_100_mebibytes_closes_with_1009_before_any_payload() {
    let header = frame_header([0; 4], BINARY, 100 << 20);
    assert_eq!(close_code_for(&header).await, 1009);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_too_big_is_held_before_its_close() {
    let relay = relay(|config| config.core.close_hold = Duration::from_secs(2));
    let mut peer = open(&relay).await;
    peer.settle().await;
    let start = tokio::time::Instant::now();
    peer.send_frame(TEXT, &vec![b' '; 65_537]).await;
    assert_eq!(peer.next().await.expect("a close").close_code(), 1009);
    assert!(
        start.elapsed() >= Duration::from_secs(2),
        "closed after {:?}",
        start.elapsed()
    );
    assert_eq!(
        endings(&relay, Ending::ByRelay(CloseReason::TooBig)),
        0,
        "until it has gone"
    );
    drop(peer);
    common::until(&relay, "it has gone", |stats| stats.peers == 0).await;
    assert_eq!(endings(&relay, Ending::ByRelay(CloseReason::TooBig)), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_exactly_the_limit_passes() {
    let relay = relay(|_| {});
    let mut peer = open(&relay).await;
    peer.subscribe("t").await;
    let empty = r#"{"type":"publish","topic":"t","data":""}"#;
    let text = empty.replace("\"\"", &format!("\"{}\"", "x".repeat(65_536 - empty.len())));
    assert_eq!(text.len(), 65_536);
    peer.send(&text).await;
    assert_eq!(
        peer.next_json().await["data"].as_str().map(str::len),
        Some(65_536 - empty.len())
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_is_answered_without_filling_the_queue() {
    let relay = relay(|_| {});
    let mut peer = open(&relay).await;
    let flood: Vec<u8> = (0..20_000).flat_map(|_| frame(PING, b"")).collect();
    let (mut read, mut write) = tokio::io::split(peer.io);
    let writer = tokio::spawn(async move {
        tokio::io::AsyncWriteExt::write_all(&mut write, &flood)
            .await
            .expect("the relay reads");
        let last = frame(PING, b"last");
        tokio::io::AsyncWriteExt::write_all(&mut write, &last)
            .await
            .expect("the relay reads");
        write
    });
    let mut seen = Vec::new();
    while !seen.ends_with(b"\x8a\x04last") {
        let bytes = tokio::io::AsyncReadExt::read_buf(&mut read, &mut seen)
            .await
            .expect("pongs");
        assert_ne!(bytes, 0, "closed after {} bytes", seen.len());
    }
    let write = writer.await.expect("the writer ends");
    peer = common::Wire::start(read.unsplit(write));
    peer.send(r#"{"type":"ping"}"#).await;
    assert_eq!(peer.next_text().await, r#"{"type":"pong"}"#);
}

#[tokio::test(start_paused = true)]
async fn the_relay_pings_and_closes_a_peer_that_never_answers() {
    let relay = relay(without_keepalive);
    let mut peer = open(&relay).await;
    let start = tokio::time::Instant::now();
    assert_eq!(peer.next().await.expect("a ping").first_byte, PING);
    assert_eq!(start.elapsed().as_secs(), 30);
    let close = peer.next().await.expect("a close");
    assert_eq!((close.close_code(), start.elapsed().as_secs()), (4408, 60));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_stays() {
    let relay = relay(without_keepalive);
    let mut peer = open(&relay).await;
    for _ in 0..10 {
        assert_eq!(peer.next().await.expect("a ping").first_byte, PING);
        peer.send_frame(PONG, b"").await;
    }
    peer.settle().await;
}

/// RFC 6455, 5.2.
#[tokio::test(start_paused = true)]
async fn a_length_in_more_bytes_than_it_takes_is_closed_with_1002() {
    let relay = relay(|_| {});
    for header in [
        &[0x81, 0xfe, 0, 2][..],
        &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 2],
    ] {
        let mut peer = open(&relay).await;
        peer.send_raw(&[header, &[0; 4], b"{}"].concat()).await;
        assert_eq!(peer.next().await.expect("a close").close_code(), 1002);
    }
}

/// It cannot answer a ping inside of a frame, but something arrives.
#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_a_message_byte_by_byte_is_alive() {
    let relay = relay(without_keepalive);
    let mut peer = open(&relay).await;
    let message = frame(TEXT, br#"{"type":"ping"}"#);
    let (last, bytes) = message.split_last().expect("it is not empty");
    for byte in bytes {
        peer.send_raw(&[*byte]).await;
        tokio::time::sleep(Duration::from_secs(25)).await;
    }
    peer.send_raw(&[*last]).await;
    loop {
        let frame = peer.next().await.expect("it is still open");
        if frame.first_byte == TEXT {
            assert_eq!(frame.text(), r#"{"type":"pong"}"#);
            return;
        }
        assert_eq!(frame.first_byte, PING);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_inside_of_a_frame_is_closed() {
    let relay = relay(without_keepalive);
    let mut peer = open(&relay).await;
    let start = tokio::time::Instant::now();
    peer.send_raw(&frame(TEXT, b"{}")[..3]).await;
    assert_eq!(peer.next().await.expect("a ping").first_byte, PING);
    assert_eq!(peer.next().await.expect("a close").close_code(), 4408);
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_asks_for_nothing_hears_a_pong_each_20_s() {
    let relay = relay(|config| config.core.ping_interval = Duration::ZERO);
    let mut peer = open(&relay).await;
    let start = tokio::time::Instant::now();
    for seconds in [20, 40, 60] {
        assert_eq!(peer.next_text().await, r#"{"type":"pong"}"#);
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
}

fn without_keepalive(config: &mut signal_tokio::Config) {
    config.core.keepalive_interval = Duration::ZERO;
}

#[tokio::test(start_paused = true)]
async fn random_bytes_end_their_own_connection_at_most() {
    let relay = relay(|_| {});
    let (mut ann, mut ben) = (open(&relay).await, open(&relay).await);
    for peer in [&mut ann, &mut ben] {
        peer.subscribe("t").await;
        peer.settle().await;
    }
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..300 {
        let mut bytes: Vec<u8> = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
        // A third as it is, before any upgrade; a third behind one; a third as what looks like a
        // frame.
        let upgrade = if number % 3 == 0 {
            &[]
        } else {
            common::UPGRADE.as_bytes()
        };
        if number % 3 == 2 {
            bytes = frame(random.u8(..) & 0x8f, &bytes);
        }
        let mut bad = common::Wire::start(common::dial(&relay));
        bad.send_raw(&[upgrade, &bytes].concat()).await;
        // Some wait for the answer, some do not.
        if random.bool() {
            let _ = tokio::time::timeout(Duration::from_secs(1), bad.next()).await;
        }
    }
    common::until(&relay, "all but two have gone", |stats| stats.peers == 2).await;
    ann.publish("t", 1).await;
    let answer = ann.next_answering_pings().await.expect("an answer").json();
    assert_eq!(answer["clients"], 2);
    assert_eq!(
        ben.next_answering_pings().await.expect("a message").json(),
        answer
    );
}

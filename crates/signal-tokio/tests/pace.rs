//! How fast a peer has to read what many say to it at once, with the clock moved by hand.

mod common;

use std::time::Duration;

use common::{CLOSE, TEXT, Wire, dial, frame};
use signal_tokio::{Config, Relay};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// How often a reader reads.
const TICK: Duration = Duration::from_millis(50);

/// What each peer publishes at once: 12 of the 13 messages of 60 KB that it may.
const MESSAGES: usize = 12;
const DATA_BYTES: usize = 60_000;

/// A member of the room that takes so many bytes each tick, as its system delivers them.
async fn member(relay: &Relay, bytes_per_tick: usize) -> Wire<DuplexStream> {
    let (client, system) = tokio::io::duplex(1 << 30);
    let (mut from_relay, mut to_relay) = tokio::io::split(dial(relay));
    let (mut from_client, mut to_client) = tokio::io::split(system);
    tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_relay).await });
    tokio::spawn(async move {
        let mut input = vec![0; bytes_per_tick];
        loop {
            let mut taken = 0;
            while taken < bytes_per_tick {
                let read = from_relay.read(&mut input[taken..]);
                let Ok(read) = tokio::time::timeout(TICK, read).await else {
                    break;
                };
                match read {
                    Ok(0) | Err(_) => {
                        to_client.write_all(&input[..taken]).await.expect("room");
                        return to_client.shutdown().await;
                    }
                    Ok(read) => taken += read,
                }
            }
            to_client.write_all(&input[..taken]).await.expect("room");
            tokio::time::sleep(TICK).await;
        }
    });
    let mut member = Wire::open(client).await;
    member.subscribe("t").await;
    member.settle().await;
    member
}

/// So many strangers say at once what they may.
async fn burst(relay: &Relay, publishers: usize) {
    let data = "x".repeat(DATA_BYTES);
    let text = format!(r#"{{"type":"publish","topic":"t","data":"{data}"}}"#);
    let input = frame(TEXT, text.as_bytes()).repeat(MESSAGES);
    for _ in 0..publishers {
        let mut publisher = common::open(relay).await;
        let input = input.clone();
        tokio::spawn(async move {
            publisher.send_raw(&input).await;
            // It stays.
            publisher.next().await
        });
    }
}

/// How many of the publishes a member gets, and the code with which it is closed before it has
/// them all.
async fn hear(member: &mut Wire<DuplexStream>, publishers: usize) -> (usize, Option<u16>) {
    let mut heard = 0;
    while heard < publishers * MESSAGES {
        let frame = member.next_answering_pings().await.expect("a close first");
        if frame.first_byte == CLOSE {
            return (heard, Some(frame.close_code()));
        }
        heard += 1;
    }
    (heard, None)
}

fn relay() -> Relay {
    Relay::new(Config::default()).expect("valid settings")
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_forty_peers_reaches_who_takes_it_in_ten_seconds() {
    let relay = relay();
    // 29 MB at 4 MB/s.
    let mut member = member(&relay, 200_000).await;
    burst(&relay, 40).await;
    assert_eq!(hear(&mut member, 40).await, (40 * MESSAGES, None));
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_three_peers_reaches_who_reads_2_mbit() {
    let relay = relay();
    let mut member = member(&relay, 12_500).await;
    burst(&relay, 3).await;
    assert_eq!(hear(&mut member, 3).await, (3 * MESSAGES, None));
}

#[tokio::test(start_paused = true)]
async fn who_reads_half_as_fast_is_closed_as_slow() {
    for (publishers, bytes_per_tick) in [(3, 6_250), (40, 50_000)] {
        let relay = relay();
        let mut member = member(&relay, bytes_per_tick).await;
        burst(&relay, publishers).await;
        let (_, code) = hear(&mut member, publishers).await;
        assert_eq!(code, Some(1013), "{publishers} publishers");
    }
}

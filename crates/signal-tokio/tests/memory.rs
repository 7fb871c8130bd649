//! The ceiling on what all peers together make the relay hold.

mod common;

use std::time::Duration;

use common::{CLOSE, Wire, frame, open, relay, until};
use serde_json::json;
use signal_tokio::{CloseReason, Config, Ending, Relay};
use tokio::io::DuplexStream;

const MEMORY_MAX: usize = 2 * 1024 * 1024;

type Peer = Wire<DuplexStream>;

/// A relay with little memory, and two of its peers that do nothing wrong.
struct Short {
    relay: Relay,
    pair: [Peer; 2],
}

impl Short {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let relay = relay(|config| {
            config.memory_max = MEMORY_MAX;
            config.core.ping_interval = Duration::ZERO;
            change(config);
        });
        let mut pair = [open(&relay).await, open(&relay).await];
        for peer in &mut pair {
            peer.subscribe("pair").await;
            peer.settle().await;
        }
        Self { relay, pair }
    }

    fn evicted(&self) -> u64 {
        let ending = Ending::ByRelay(CloseReason::MemoryMax);
        let endings = self.relay.stats().endings;
        let evicted = endings.iter().find(|(known, _)| *known == ending);
        evicted.expect("every ending is listed").1
    }

    /// What is held is no more than may be, and the pair has noticed nothing.
    async fn holds(&mut self) {
        assert_eq!(self.relay.stats().memory_bytes_max, MEMORY_MAX as u64);
        let is_below = |stats: &signal_tokio::Stats| stats.memory_bytes <= MEMORY_MAX as u64;
        until(&self.relay, "it is below the ceiling", is_below).await;
        let [ann, ben] = &mut self.pair;
        ann.publish("pair", 1).await;
        let expected = json!({"type": "publish", "topic": "pair", "data": 1, "clients": 2});
        for peer in [ann, ben] {
            assert_eq!(peer.next_json().await, expected);
        }
    }
}

/// A peer that holds 64 KiB of a message whose end is missing.
async fn hoarder(relay: &Relay) -> Peer {
    let mut hoarder = open(relay).await;
    hoarder.send_raw(&unfinished()).await;
    hoarder
}

/// All of a frame of 64 KiB but its last byte.
fn unfinished() -> Vec<u8> {
    let mut frame = frame(0x81, &[b' '; 65_536]);
    frame.pop();
    frame
}

#[tokio::test(start_paused = true)]
async fn unfinished_messages_past_the_ceiling_end_the_peers_that_hold_most() {
    let mut short = Short::new(|_| {}).await;
    let mut small = open(&short.relay).await;
    small.send_raw(&frame(0x81, &[b' '; 1_000])[..900]).await;
    let mut holders = Vec::new();
    for _ in 0..100 {
        let mut holder = open(&short.relay).await;
        holder.send_raw(&unfinished()).await;
        holders.push(holder);
    }
    until(&short.relay, "some are ended", |stats| stats.peers < 100).await;
    short.holds().await;
    let mut closed = 0;
    for holder in &mut holders {
        let close = tokio::time::timeout(Duration::from_millis(1), holder.next()).await;
        if let Ok(Some(close)) = close {
            assert_eq!(close.close_code(), 1013);
            closed += 1;
        }
    }
    assert!((60..=80).contains(&closed), "{closed} of 100");
    drop(holders);
    until(&short.relay, "they are gone", |stats| stats.peers == 3).await;
    assert!(short.evicted() >= closed);
    assert!(short.relay.stats().memory_bytes < 64 * 1024);
    let end = tokio::time::timeout(Duration::from_millis(1), small.next()).await;
    assert!(end.is_err(), "who holds little stays: {end:?}");
}

#[tokio::test(start_paused = true)]
async fn topics_past_the_ceiling_end_the_peers_that_hold_most() {
    let mut short = Short::new(|_| {}).await;
    let mut holders = Vec::new();
    for number in 0..100 {
        let mut holder = open(&short.relay).await;
        let topics: Vec<_> = (0..128)
            .map(|topic| format!("{number}-{topic}-{}", "x".repeat(240)))
            .collect();
        let text = json!({"type": "subscribe", "topics": topics}).to_string();
        holder.send(&text).await;
        holders.push(holder);
    }
    until(&short.relay, "some are ended", |stats| stats.peers < 100).await;
    short.holds().await;
    assert!(short.relay.stats().subscriptions < 6_000);
    drop(holders);
    until(&short.relay, "they are gone", |stats| stats.peers == 2).await;
    assert!(short.relay.stats().memory_bytes < 64 * 1024);
}

#[tokio::test(start_paused = true)]
async fn unread_messages_past_the_ceiling_end_the_peers_that_hold_most() {
    let mut short = Short::new(|config| config.core.bytes_burst = 1 << 30).await;
    let mut deaf = Vec::new();
    let mut publisher = open(&short.relay).await;
    let data = format!("\"{}\"", "x".repeat(60_000));
    for number in 0..20 {
        let topic = format!("t{number}");
        let mut peer = open(&short.relay).await;
        peer.subscribe(&topic).await;
        peer.settle().await;
        // What fits on the way, and half a megabyte more.
        for _ in 0..10 {
            publisher.publish(&topic, &data).await;
        }
        publisher.settle().await;
        deaf.push(peer);
    }
    assert!(short.evicted() >= 10, "{}", short.evicted());
    short.holds().await;
    // One that holds less than the rest had before is there still.
    let last = deaf.last_mut().expect("there are some");
    assert_ne!(last.next().await.expect("a message").first_byte, CLOSE);
}

/// A peer in a room, which does not read yet.
async fn member(relay: &Relay, topic: &str) -> Peer {
    let mut member = open(relay).await;
    member.subscribe(topic).await;
    member.settle().await;
    member
}

/// Says all that one peer may say at once: 12 times 60 KB.
async fn speech(relay: &Relay, topic: &str) {
    let mut publisher = open(relay).await;
    let data = format!("\"{}\"", "x".repeat(60_000));
    for _ in 0..12 {
        publisher.publish(topic, &data).await;
    }
    publisher.settle().await;
}

/// Reads so many speeches, and nothing else.
async fn listen_to(member: &mut Peer, speeches: usize) {
    for _ in 0..12 * speeches {
        let message = member.next().await.expect("it is still open");
        assert_ne!(message.first_byte, CLOSE, "{message:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_that_reads_stays_while_others_hoard() {
    let mut short = Short::new(|_| {}).await;
    let mut members = Vec::new();
    for _ in 0..30 {
        members.push(member(&short.relay, "room").await);
    }
    // What waits for all of them is kept once.
    speech(&short.relay, "room").await;
    let mut hoarders = Vec::new();
    for _ in 0..25 {
        hoarders.push(hoarder(&short.relay).await);
    }
    until(&short.relay, "hoarders are ended", |stats| stats.peers < 57).await;
    for member in &mut members {
        listen_to(member, 1).await;
    }
    short.holds().await;
    let hoarders = short.relay.stats().peers - 32;
    assert!((10..25).contains(&hoarders), "{hoarders} of 25 are left");
}

#[tokio::test(start_paused = true)]
async fn a_burst_for_a_pair_that_reads_ends_those_who_hoard() {
    let memory_max = 4 * MEMORY_MAX;
    let relay = relay(|config| config.memory_max = memory_max);
    let mut pair = [member(&relay, "room").await, member(&relay, "room").await];
    let mut hoarders = Vec::new();
    for _ in 0..100 {
        hoarders.push(hoarder(&relay).await);
    }
    let holds_theirs = |stats: &signal_tokio::Stats| stats.memory_bytes > 100 * 65_536;
    until(&relay, "the hoarders hold theirs", holds_theirs).await;
    assert_eq!(relay.stats().peers, 102, "they may");
    // Nothing more comes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..6 {
        speech(&relay, "room").await;
    }
    until(&relay, "hoarders are ended", |stats| stats.peers < 102).await;
    assert!(relay.stats().memory_bytes <= memory_max as u64);
    for member in &mut pair {
        listen_to(member, 6).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_ended_before_those_that_read() {
    let relay = relay(|config| config.memory_max = MEMORY_MAX);
    let mut deaf = member(&relay, "deaf").await;
    speech(&relay, "deaf").await;
    // Longer than a slow reader needs for it.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut member = member(&relay, "room").await;
    for _ in 0..2 {
        speech(&relay, "room").await;
    }
    until(&relay, "there is room", |stats| stats.peers == 2).await;
    let _hoarder = hoarder(&relay).await;
    until(&relay, "one is ended", |stats| stats.peers == 2).await;
    listen_to(&mut member, 2).await;
    let mut messages = 0;
    while let Some(message) = deaf.next().await {
        messages += 1;
        assert_ne!(message.first_byte, CLOSE, "nothing gets through to it");
    }
    assert!(messages < 12, "{messages}");
}

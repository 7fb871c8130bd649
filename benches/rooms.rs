//! The core alone: rooms, and a sink that only counts.

use std::hint::black_box;
use std::sync::Arc;

use signal_core::{
    CloseReason, Grant, Hub, Instant, Limits, Message, PeerId, Publish, Room, Sink, client,
};

/// The topic of everything that is published here.
pub const TOPIC: &str = "topic";

/// Lengths of messages: an announce, a candidate and an offer of a stock client, and one with a
/// long session description.
pub const SIZES: [usize; 4] = [110, 270, 800, 3_000];

/// Numbers of subscribers.
pub const RECEIVERS: [u64; 4] = [1, 10, 100, 1_000];

/// Counts what it gets, so that nothing but the core is measured.
#[derive(Debug, Default)]
pub struct Counter {
    /// Messages, once for each receiver.
    pub deliveries: usize,
}

impl Sink for Counter {
    fn send(&mut self, to: &[PeerId], message: &Message) {
        self.deliveries += to.len();
        black_box(message);
    }

    fn ping(&mut self, _to: PeerId) {}

    fn close(&mut self, _peer: PeerId, _reason: CloseReason) {}
}

/// Topics that nobody is in, so that nothing but reading and judging is measured.
#[derive(Debug)]
pub struct Nobody;

impl Hub for Nobody {
    fn subscribe(&mut self, topic: &Arc<str>, _clients_max: usize) -> bool {
        black_box(topic);
        true
    }

    fn subscribers(&self, _topic: &str) -> usize {
        0
    }

    fn unsubscribe(&mut self, topic: &str) {
        black_box(topic);
    }

    fn publish(&mut self, publish: &Publish<'_>) -> usize {
        black_box(publish);
        0
    }

    fn pong(&mut self) {}
}

/// The default limits, with budgets that never run out.
pub fn endless_limits() -> Limits {
    let mut limits = Limits::default();
    limits.bytes_per_second = u32::MAX;
    limits.bytes_burst = u32::MAX;
    limits.fan_out_bytes_per_second = 1 << 40;
    limits.fan_out_bytes_burst = 1 << 40;
    limits.messages_per_second = 1_000_000;
    limits.messages_burst = u32::MAX;
    limits.pings_per_second = 1_000_000;
    limits.pings_burst = u32::MAX;
    limits.fan_out_per_second = 1_000_000_000;
    limits.fan_out_burst = u32::MAX;
    limits
}

/// A room with this many subscribers of [`TOPIC`].
pub fn room_of(peers: u64) -> Room {
    let mut room = Room::new(endless_limits());
    for number in 0..peers {
        let peer = PeerId::new(number);
        room.connect(Instant::ZERO, peer, Grant::open());
        subscribe(&mut room, peer, TOPIC);
    }
    room
}

/// A room with one peer, subscribed to this many topics with names as long as a UUID.
pub fn room_with_topics(topics: usize) -> Room {
    let mut room = Room::new(endless_limits());
    let peer = PeerId::new(0);
    room.connect(Instant::ZERO, peer, Grant::open());
    for number in 0..topics {
        subscribe(&mut room, peer, &format!("{number:036}"));
    }
    room
}

/// A publish of exactly this many bytes.
pub fn publish_text(bytes: usize) -> String {
    let publish = |data: &str| client::publish(TOPIC, &format!(r#""{data}""#));
    publish(&"x".repeat(bytes - publish("").len()))
}

/// A subscribe of so many topics with short names: 9,300 fill a message.
pub fn names_text(topics: u32) -> String {
    client::subscribe((0..topics).map(|number| number.to_string()))
}

fn subscribe(room: &mut Room, peer: PeerId, topic: &str) {
    let text = client::subscribe([topic]);
    room.receive(Instant::ZERO, peer, &text, &mut Counter::default());
}

//! What the core costs for each message, without any I/O.

#![allow(missing_docs, reason = "criterion's macro writes the main function")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use signal_core::{CloseReason, Grant, Instant, Limits, Message, PeerId, PeerSnapshot, Room, Sink};

/// An announce, a candidate and an offer of a stock client, and one with a long session description.
const SIZES: [usize; 4] = [110, 270, 800, 3_000];
const ROOMS: [u64; 4] = [1, 10, 100, 1_000];

/// Counts what it gets, so that nothing but the core is measured.
#[derive(Default)]
struct Counter {
    deliveries: usize,
}

impl Sink for Counter {
    fn send(&mut self, to: &[PeerId], message: &Message) {
        self.deliveries += to.len();
        black_box(message);
    }

    fn ping(&mut self, _to: PeerId) {}

    fn close(&mut self, _peer: PeerId, _reason: CloseReason) {}
}

/// A room whose budgets never run out, with this many subscribers of `topic`.
fn room_of(peers: u64) -> Room {
    let mut limits = Limits::default();
    limits.messages_per_second = 1_000_000;
    limits.messages_burst = u32::MAX;
    limits.fan_out_per_second = 1_000_000_000;
    limits.fan_out_burst = u32::MAX;
    let mut room = Room::new(limits);
    for number in 0..peers {
        let peer = PeerId::new(number);
        room.connect(Instant::ZERO, peer, Grant::open());
        let text = r#"{"type":"subscribe","topics":["topic"]}"#;
        room.receive(Instant::ZERO, peer, text, &mut Counter::default());
    }
    room
}

fn publish_text(bytes: usize) -> String {
    let frame = r#"{"type":"publish","topic":"topic","data":""}"#.len();
    let data = "x".repeat(bytes - frame);
    format!(r#"{{"type":"publish","topic":"topic","data":"{data}"}}"#)
}

fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("publish by size, to 10");
    for bytes in SIZES {
        let (mut room, text) = (room_of(10), publish_text(bytes));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::from_parameter(bytes), |b| {
            let mut out = Counter::default();
            b.iter(|| room.receive(Instant::ZERO, PeerId::new(0), black_box(&text), &mut out));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("publish of 270 bytes, by receivers");
    for receivers in ROOMS {
        let (mut room, text) = (room_of(receivers), publish_text(270));
        group.throughput(Throughput::Elements(receivers));
        group.bench_function(BenchmarkId::from_parameter(receivers), |b| {
            let mut out = Counter::default();
            b.iter(|| room.receive(Instant::ZERO, PeerId::new(0), black_box(&text), &mut out));
        });
    }
    group.finish();
}

fn subscribe(c: &mut Criterion) {
    let mut room = room_of(100);
    let peer = PeerId::new(50);
    c.bench_function("unsubscribe and subscribe in a room of 100", |b| {
        let mut out = Counter::default();
        b.iter(|| {
            for kind in ["unsubscribe", "subscribe"] {
                let text = format!(r#"{{"type":"{kind}","topics":["topic"]}}"#);
                room.receive(Instant::ZERO, peer, &text, &mut out);
            }
        });
    });
}

fn snapshot(c: &mut Criterion) {
    let mut room = room_of(1);
    for number in 0..20 {
        let text = format!(r#"{{"type":"subscribe","topics":["{number:036}"]}}"#);
        room.receive(
            Instant::ZERO,
            PeerId::new(0),
            &text,
            &mut Counter::default(),
        );
    }
    let peer = PeerId::new(0);
    let Some(snapshot) = room.snapshot(peer) else {
        return;
    };
    let bytes = snapshot.to_bytes();
    c.bench_function("snapshot of a peer with 21 topics", |b| {
        b.iter(|| room.snapshot(peer).map(|snapshot| snapshot.to_bytes()));
    });
    c.bench_function("restore of a peer with 21 topics", |b| {
        b.iter(|| PeerSnapshot::from_bytes(black_box(&bytes)));
    });
}

criterion_group!(benches, publish, subscribe, snapshot);
criterion_main!(benches);

//! What the core and the relay cost for each message in wall time, without any I/O.

#![allow(missing_docs, reason = "criterion's macro writes the main function")]

use std::hint::black_box;
use std::sync::Arc;

use benches::pipes::Pipes;
use benches::rooms::{
    Counter, Nobody, RECEIVERS, SIZES, TOPIC, endless_limits, publish_text, room_of,
    room_with_topics,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use signal_core::{Grant, Instant, Peer, PeerId, PeerSnapshot, Room, client};

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let messages = [
        ("publish of 270 bytes", publish_text(270)),
        ("publish of 3000 bytes", publish_text(3_000)),
        ("subscribe", client::subscribe([TOPIC])),
        ("ping", client::PING.to_owned()),
        ("half an object", r#"{"type":"publish","#.to_owned()),
    ];
    for (name, text) in messages {
        let mut limits = endless_limits();
        limits.invalid_messages_max = u16::MAX;
        let mut peer = Peer::new(Arc::new(limits), Grant::open(), Instant::ZERO);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| peer.receive(Instant::ZERO, black_box(&text), &mut Nobody));
        });
    }
    group.finish();
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
    for receivers in RECEIVERS {
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
    let texts = [client::unsubscribe([TOPIC]), client::subscribe([TOPIC])];
    c.bench_function("unsubscribe and subscribe in a room of 100", |b| {
        let mut out = Counter::default();
        b.iter(|| {
            for text in &texts {
                room.receive(Instant::ZERO, peer, black_box(text), &mut out);
            }
        });
    });
}

fn snapshot(c: &mut Criterion) {
    let peer = PeerId::new(0);
    let room = room_with_topics(21);
    let bytes = room
        .snapshot(peer)
        .expect("the peer is connected")
        .to_bytes();
    c.bench_function("snapshot of a peer with 21 topics", |b| {
        b.iter(|| room.snapshot(peer).map(|snapshot| snapshot.to_bytes()));
    });
    c.bench_function("restore of a peer with 21 topics", |b| {
        b.iter(|| {
            let mut room = Room::new(endless_limits());
            let snapshot = PeerSnapshot::from_bytes(black_box(&bytes)).expect("it was just taken");
            room.restore(peer, snapshot).expect("the room is empty");
            room
        });
    });
}

fn relay(c: &mut Criterion) {
    let mut group = c.benchmark_group("relay without sockets");
    for window in [1, 8] {
        let mut pipes = Pipes::open(10);
        group.throughput(Throughput::Elements(100 * window));
        group.bench_function(
            format!("10 peers publish to each other, {window} at once"),
            |b| {
                b.iter(|| pipes.exchange(window as usize, 168));
            },
        );
    }
    let mut pipes = Pipes::open(1);
    group.throughput(Throughput::Elements(1));
    group.bench_function("a client comes, subscribes and goes", |b| {
        b.iter(|| pipes.visit());
    });
    group.finish();
}

criterion_group!(benches, decode, publish, subscribe, snapshot, relay);
criterion_main!(benches);

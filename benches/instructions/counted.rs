//! The benchmarks. Each is done a hundred times or so after a first time that is not counted, so
//! that the constant cost of a call does not hide the cost of the work.

use std::hint::black_box;
use std::sync::Arc;

use benches::pipes::Pipes;
use benches::rooms::{
    Counter, Nobody, TOPIC, endless_limits, names_text, publish_text, room_of, room_with_topics,
};
use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use signal_core::{Grant, Instant, Peer, PeerId, PeerSnapshot, Room, client};

/// Runs them, or one of them, as the arguments say.
pub(crate) fn run() {
    main();
}

const TIMES: usize = 100;

const ANN: PeerId = PeerId::new(0);

fn a_peer(text: &str) -> (Peer, String) {
    let mut limits = endless_limits();
    limits.invalid_messages_max = u16::MAX;
    let mut peer = Peer::new(Arc::new(limits), Grant::open(), Instant::ZERO);
    peer.receive(Instant::ZERO, text, &mut Nobody);
    (peer, text.to_owned())
}

fn a_room(receivers: u64, bytes: usize) -> (Room, String) {
    let (mut room, text) = (room_of(receivers), publish_text(bytes));
    room.receive(Instant::ZERO, ANN, &text, &mut Counter::default());
    (room, text)
}

fn pipes(peers: usize, window: usize, bytes: usize) -> (Pipes, usize, usize) {
    let mut pipes = Pipes::open(peers);
    pipes.exchange(window, bytes);
    (pipes, window, bytes)
}

fn pipes_in_a_cluster(peers: usize, window: usize, bytes: usize) -> (Pipes, usize, usize) {
    let mut pipes = Pipes::open_in_a_cluster(peers);
    pipes.exchange(window, bytes);
    (pipes, window, bytes)
}

fn a_visited_relay() -> Pipes {
    let mut pipes = Pipes::open(1);
    pipes.visit();
    pipes
}

fn a_visited_node() -> Pipes {
    let mut pipes = Pipes::open_in_a_cluster(1);
    pipes.visit();
    pipes
}

#[library_benchmark(setup = a_peer)]
#[bench::publish_270(&publish_text(270))]
#[bench::publish_3000(&publish_text(3_000))]
#[bench::subscribe(&client::subscribe([TOPIC]))]
#[bench::names_past_the_limit(&names_text(9_300))]
#[bench::ping(client::PING)]
#[bench::not_json(r#"{"type":"publish","#)]
fn decode((mut peer, text): (Peer, String)) -> Peer {
    for _ in 0..TIMES {
        black_box(peer.receive(Instant::ZERO, black_box(&text), &mut Nobody));
    }
    peer
}

#[library_benchmark(setup = a_room)]
#[bench::to_1(1, 270)]
#[bench::to_10(10, 270)]
#[bench::to_100(100, 270)]
#[bench::to_1000(1_000, 270)]
#[bench::of_3000_to_10(10, 3_000)]
fn publish((mut room, text): (Room, String)) -> (Room, Counter) {
    let mut out = Counter::default();
    for _ in 0..TIMES {
        room.receive(Instant::ZERO, ANN, black_box(&text), &mut out);
    }
    (room, out)
}

#[library_benchmark(setup = room_of)]
#[bench::in_a_room_of_100(100)]
fn resubscribe(mut room: Room) -> Room {
    let mut out = Counter::default();
    let texts = [client::unsubscribe([TOPIC]), client::subscribe([TOPIC])];
    for _ in 0..TIMES {
        for text in &texts {
            room.receive(Instant::ZERO, ANN, black_box(text), &mut out);
        }
    }
    room
}

#[library_benchmark(setup = room_with_topics)]
#[bench::of_21_topics(21)]
fn snapshot(room: Room) -> Room {
    for _ in 0..TIMES {
        black_box(room.snapshot(ANN).map(|snapshot| snapshot.to_bytes()));
    }
    room
}

fn a_snapshot(topics: usize) -> Vec<u8> {
    let room = room_with_topics(topics);
    room.snapshot(ANN)
        .expect("the peer is connected")
        .to_bytes()
}

#[library_benchmark(setup = a_snapshot)]
#[bench::of_21_topics(21)]
fn restore(bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..TIMES {
        let mut room = Room::new(endless_limits());
        let snapshot = PeerSnapshot::from_bytes(black_box(&bytes)).expect("it was just taken");
        room.restore(ANN, snapshot).expect("the room is empty");
        black_box(room);
    }
    bytes
}

#[library_benchmark(setup = pipes)]
#[bench::window_1(10, 1, 168)]
#[bench::window_8(10, 8, 168)]
#[bench::of_3000(10, 8, 3_000)]
fn exchange((mut pipes, window, bytes): (Pipes, usize, usize)) -> Pipes {
    for _ in 0..10 {
        pipes.exchange(window, bytes);
    }
    pipes
}

// What is said here stays here, as there is no other node.
#[library_benchmark(setup = pipes_in_a_cluster)]
#[bench::window_1(10, 1, 168)]
#[bench::window_8(10, 8, 168)]
#[bench::of_3000(10, 8, 3_000)]
fn exchange_alone_in_a_cluster((mut pipes, window, bytes): (Pipes, usize, usize)) -> Pipes {
    for _ in 0..10 {
        pipes.exchange(window, bytes);
    }
    pipes
}

#[library_benchmark(setup = a_visited_relay)]
#[bench::subscribes_and_goes()]
fn visit(mut pipes: Pipes) -> Pipes {
    for _ in 0..10 {
        pipes.visit();
    }
    pipes
}

// So does the peer who comes and goes.
#[library_benchmark(setup = a_visited_node)]
#[bench::subscribes_and_goes()]
fn visit_alone_in_a_cluster(mut pipes: Pipes) -> Pipes {
    for _ in 0..10 {
        pipes.visit();
    }
    pipes
}

library_benchmark_group!(
    name = core,
    benchmarks = [decode, publish, resubscribe, snapshot, restore]
);
library_benchmark_group!(
    name = relay,
    benchmarks = [
        exchange,
        exchange_alone_in_a_cluster,
        visit,
        visit_alone_in_a_cluster
    ]
);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = [core, relay]
);

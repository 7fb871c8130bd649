//! Connections on the threads of `serve_per_core`, which drive them without tasks.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{CLOSE, PING, PONG, Wire, listen_in_reactors};
use signal_tokio::{CloseReason, Ending};
use socket2::{Domain, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Of 30,000 bytes: more than the kernel takes for one connection on its way.
const MESSAGES: usize = 300;

/// A connection whose kernel takes only a little before somebody reads.
async fn open_narrow(address: SocketAddr) -> Wire<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket
        .set_recv_buffer_size(64 * 1024)
        .expect("a small buffer");
    socket.connect(&address.into()).expect("the relay listens");
    socket.set_nonblocking(true).expect("a flag");
    Wire::open(TcpStream::from_std(socket.into()).expect("a stream")).await
}

#[tokio::test]
async fn what_a_socket_does_not_take_at_once_arrives_whole_and_in_order() {
    for threads in [1, 2] {
        let relay = common::relay(|config| {
            common::lift_budgets(config);
            config.outbound_bytes_max = 16 * 1024 * 1024;
            // The last reader waits for the others, on a busy machine longer than a socket is
            // allowed to.
            config.write_deadline = Duration::from_secs(600);
            config.core.ping_interval = Duration::from_secs(600);
        });
        let address = listen_in_reactors(&relay, threads);
        let mut readers = Vec::new();
        for _ in 0..4 {
            let mut reader = open_narrow(address).await;
            reader.subscribe("t").await;
            reader.settle().await;
            readers.push(reader);
        }
        let mut publisher = common::open_tcp(address).await;
        let long = "x".repeat(30_000);
        for number in 0..MESSAGES {
            publisher
                .publish("t", format_args!("[{number},\"{long}\"]"))
                .await;
        }
        publisher.settle().await;
        common::until(&relay, "something waits for the readers", |stats| {
            stats.queue_bytes > 1_000_000
        })
        .await;
        for reader in &mut readers {
            for number in 0..MESSAGES {
                let message = reader.next_json().await;
                assert_eq!(message["data"][0], number);
                assert_eq!(message["data"][1], long);
            }
        }
        common::until(&relay, "nothing waits any more", |stats| {
            stats.queue_bytes == 0
        })
        .await;
        // What is small goes out at once again.
        publisher.publish("t", 7).await;
        for reader in &mut readers {
            assert_eq!(reader.next_json().await["data"], 7);
        }
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_ends_alone() {
    let relay = common::relay(common::lift_budgets);
    let address = listen_in_reactors(&relay, 1);
    let mut stuck = open_narrow(address).await;
    stuck.subscribe("t").await;
    stuck.settle().await;
    let mut reader = common::open_tcp(address).await;
    reader.subscribe("t").await;
    reader.settle().await;
    let mut publisher = common::open_tcp(address).await;
    let long = "x".repeat(30_000);
    for number in 0..MESSAGES {
        publisher
            .publish("t", format_args!("[{number},\"{long}\"]"))
            .await;
        assert_eq!(reader.next_json().await["data"][0], number);
    }
    common::until(&relay, "the stuck peer is gone", |stats| stats.peers == 2).await;
    reader.publish("t", 8).await;
    assert_eq!(reader.next_json().await["clients"], 1);
}

/// What this many peers of one room hear of what all of them publish at once, in two rooms that
/// some share, while others come and go: the batches of the one room and the frames of the other,
/// in one order.
#[tokio::test]
async fn a_large_room_hears_everything_once_and_in_one_order() {
    const PEERS: usize = 40;
    const EACH: usize = 25;
    for threads in [1, 2] {
        let relay = common::relay(|_| {});
        let address = listen_in_reactors(&relay, threads);
        let mut peers = Vec::new();
        for number in 0..PEERS {
            let mut peer = common::open_tcp(address).await;
            peer.subscribe("large").await;
            if number % 2 == 0 {
                peer.subscribe("half").await;
            }
            peer.settle().await;
            peers.push(peer);
        }
        let churn = tokio::spawn(async move {
            for _ in 0..20 {
                let mut guest = common::open_tcp(address).await;
                guest.subscribe("large").await;
                guest.settle_among_others().await;
            }
        });
        for count in 0..EACH {
            for (number, peer) in peers.iter_mut().enumerate() {
                let topic = if (count + number) % 5 == 0 {
                    "half"
                } else {
                    "large"
                };
                peer.publish(topic, format_args!("[{number},{count}]"))
                    .await;
            }
        }
        churn.await.expect("the guests are served");
        let mut seen_first = None;
        for (number, peer) in peers.iter_mut().enumerate() {
            let in_half = number % 2 == 0;
            let all = PEERS * EACH;
            let expected = if in_half { all } else { all - all / 5 };
            let (mut large, mut next) = (Vec::new(), vec![0; PEERS]);
            for _ in 0..expected {
                let message = peer.next_json().await;
                let (from, count) = (&message["data"][0], &message["data"][1]);
                let from = usize::try_from(from.as_u64().expect("a number")).expect("small");
                let count = count.as_u64().expect("a number");
                assert!(count >= next[from], "{number} hears {from} out of order");
                next[from] = count + 1;
                if message["topic"] == "large" {
                    large.push((from, count));
                } else {
                    assert!(in_half, "{number} is not in that room");
                }
            }
            assert_eq!(*seen_first.get_or_insert_with(|| large.clone()), large);
        }
    }
}

/// What is sent after half a frame would be read as its rest. So the frame is finished first,
/// whatever becomes of those behind it.
#[tokio::test]
async fn a_slow_reader_gets_whole_frames_and_then_the_close() {
    for in_reactor in [true, false] {
        let relay = common::relay(|config| {
            config.outbound_bytes_max = 128 * 1024;
            common::lift_budgets(config);
            // It is slow and not gone.
            config.close_timeout = Duration::from_secs(60);
            config.write_deadline = Duration::from_secs(60);
        });
        let address = if in_reactor {
            listen_in_reactors(&relay, 1)
        } else {
            common::listen(&relay).await
        };
        let mut slow = open_narrow(address).await;
        slow.subscribe("t").await;
        slow.settle().await;
        let mut publisher = common::open_tcp(address).await;
        publisher.subscribe("t").await;
        publisher.settle().await;
        let data = format!("\"{}\"", "x".repeat(29_000));
        let mut clients = 2;
        while clients == 2 {
            publisher.publish("t", &data).await;
            clients = publisher.next_json().await["clients"]
                .as_u64()
                .expect("a count");
        }
        let code = loop {
            let frame = slow.next().await.expect("a close comes first");
            if frame.first_byte == CLOSE {
                break frame.close_code();
            }
            assert_eq!(frame.json()["data"].as_str().map(str::len), Some(29_000));
        };
        assert_eq!(code, 1013);
        drop(slow);
        common::until(&relay, "it has gone", |stats| stats.peers == 1).await;
        let slow = Ending::ByRelay(CloseReason::SlowConsumer);
        assert!(relay.stats().endings.contains(&(slow, 1)));
    }
}

#[tokio::test]
async fn a_peer_leaves_no_trace_however_it_goes() {
    let relay = common::relay(|_| {});
    let address = listen_in_reactors(&relay, 2);
    let mut witness = common::open_tcp(address).await;
    witness.subscribe("t").await;
    witness.settle().await;
    for way in ["reset", "end", "end behind a message", "close"] {
        let mut peer = common::open_tcp(address).await;
        peer.subscribe("t").await;
        peer.subscribe("u").await;
        peer.settle().await;
        match way {
            "reset" => peer.io.set_zero_linger().expect("a live socket"),
            "end" => peer.io.shutdown().await.expect("a live socket"),
            "end behind a message" => {
                peer.publish("t", "\"last\"").await;
                peer.io.shutdown().await.expect("a live socket");
                assert_eq!(witness.next_json().await["data"], "last");
            }
            _ => {
                peer.send_frame(CLOSE, &1000_u16.to_be_bytes()).await;
                assert_eq!(peer.next().await.expect("an answer").close_code(), 1000);
                assert_eq!(peer.next().await, None, "the relay ends its side too");
            }
        }
        let gone = |stats: &signal_tokio::Stats| stats.peers == 1 && stats.subscriptions == 1;
        if way.starts_with("end") {
            // Without our socket being closed.
            common::until(&relay, way, gone).await;
        }
        drop(peer);
        common::until(&relay, way, gone).await;
    }
    witness.publish("t", 1).await;
    assert_eq!(witness.next_json().await["clients"], 1);
}

#[tokio::test]
async fn deadlines_are_kept_without_a_timer_for_each() {
    let relay = common::relay(|config| config.core.ping_interval = Duration::from_secs(2));
    let address = listen_in_reactors(&relay, 1);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(common::open_tcp(address).await);
    }
    let mut alive = common::open_tcp(address).await;
    let answering = tokio::spawn(async move {
        for _ in 0..2 {
            assert_eq!(alive.next().await.expect("a ping").first_byte, PING);
            alive.send_frame(PONG, b"").await;
        }
        alive
    });
    for peer in &mut silent {
        assert_eq!(peer.next().await.expect("a ping").first_byte, PING);
        assert_eq!(peer.next().await.expect("a close").close_code(), 4408);
    }
    let mut alive = answering.await.expect("who answers stays");
    alive.subscribe("t").await;
    alive.publish("t", 1).await;
    let message = alive.next_answering_pings().await.expect("a message");
    assert_eq!(message.json()["clients"], 1);
}

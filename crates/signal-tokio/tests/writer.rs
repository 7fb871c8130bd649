//! The writers of the threads of `serve_per_core`, which write past the tasks of the connections.

mod common;

use std::net::SocketAddr;

use common::Wire;
use signal_tokio::Relay;
use socket2::{Domain, Socket, Type};
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

fn serve(relay: &Relay, threads: usize) -> SocketAddr {
    let any = "127.0.0.1:0".parse().expect("an address");
    let serving = relay.serve_per_core(any, threads).expect("a free port");
    serving.local_address()
}

#[tokio::test]
async fn what_a_socket_does_not_take_at_once_arrives_whole_and_in_order() {
    for threads in [1, 2] {
        let relay = common::relay(|config| config.outbound_bytes_max = 16 * 1024 * 1024);
        let address = serve(&relay, threads);
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
    let relay = common::relay(|_| {});
    let address = serve(&relay, 1);
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

/// What this many peers of one room hear of what all of them publish at once, in two rooms that some share, while others come
/// and go: the batches of the one room and the frames of the other, in one order.
#[tokio::test]
async fn a_large_room_hears_everything_once_and_in_one_order() {
    const PEERS: usize = 40;
    const EACH: usize = 25;
    for threads in [1, 2] {
        let relay = common::relay(|_| {});
        let address = serve(&relay, threads);
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

//! What one peer may cause, over real sockets.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{CLOSE, PONG, TEXT, Wire, frame};
use signal_tokio::{CloseReason, Ending, Ignored, Relay};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

/// 2 Mbit/s, in the pieces of a tick.
const TICK: Duration = Duration::from_millis(20);
const BYTES_A_TICK: usize = 5_000;

/// Reads all that comes at 2 Mbit/s for as long, and returns how much that was.
fn read_slowly(mut socket: TcpStream, time: Duration) -> JoinHandle<(usize, bool)> {
    tokio::spawn(async move {
        let end = Instant::now() + time;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut bytes, mut input) = (0, [0; BYTES_A_TICK]);
        while Instant::now() < end {
            ticks.tick().await;
            tokio::select! {
                read = socket.read(&mut input) => match read {
                    Ok(count @ 1..) => bytes += count,
                    Ok(0) | Err(_) => return (bytes, false),
                },
                () = tokio::time::sleep_until(end) => {}
            }
        }
        (bytes, true)
    })
}

/// A socket into which little fits, so that what is not read waits at the relay.
async fn open_narrow(address: SocketAddr) -> Wire<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let size = socket.set_recv_buffer_size(16 * 1024);
    size.expect("a small buffer");
    socket.connect(&address.into()).expect("the relay listens");
    socket.set_nonblocking(true).expect("a flag");
    Wire::open(TcpStream::from_std(socket.into()).expect("a stream")).await
}

async fn serve(relay: &Relay, in_reactor: bool) -> SocketAddr {
    match in_reactor {
        true => common::listen_in_reactors(relay, 1),
        false => common::listen(relay).await,
    }
}

fn count_of(relay: &Relay, why: Ignored) -> u64 {
    let ignored = relay.stats().ignored;
    let found = ignored.iter().find(|(known, _)| *known == why);
    found.expect("every reason is listed").1
}

/// 300 messages of 64 KiB, from somebody who is not even in the room.
#[tokio::test]
async fn one_publisher_ends_no_member_that_reads_at_2_mbit() {
    for in_reactor in [true, false] {
        let relay = common::relay(|_| {});
        let address = serve(&relay, in_reactor).await;
        let mut members = Vec::new();
        for _ in 0..5 {
            let mut member = open_narrow(address).await;
            member.subscribe("t").await;
            member.settle().await;
            members.push(read_slowly(member.io, Duration::from_secs(6)));
        }
        let mut publisher = common::open_tcp(address).await;
        let text = r#"{"type":"publish","topic":"t","data":""}"#;
        let data = "x".repeat(65_536 - text.len());
        let flood = frame(
            TEXT,
            text.replace("\"\"", &format!("\"{data}\"")).as_bytes(),
        );
        let flood = tokio::spawn(async move {
            for _ in 0..300 {
                // It is refused before all are sent.
                if publisher.io.write_all(&flood).await.is_err() {
                    break;
                }
            }
            publisher
        });
        for member in members {
            let (bytes, is_open) = member.await.expect("it reads");
            assert!(is_open, "a member was ended after {bytes} bytes");
            assert!((700_000..1_100_000).contains(&bytes), "{bytes} bytes came");
        }
        drop(flood.await.expect("it writes"));
        let stats = relay.stats();
        let slow = Ending::ByRelay(CloseReason::SlowConsumer);
        assert!(stats.endings.contains(&(slow, 0)), "{:?}", stats.endings);
        assert!(count_of(&relay, Ignored::ByteRate) > 0);
    }
}

/// Frames that carry nothing, as many as fit into a second.
#[tokio::test]
async fn a_flood_of_empty_frames_is_refused() {
    const CONTINUATION: u8 = 0;
    for (name, first, rest) in [
        ("pongs", frame(PONG, b""), frame(PONG, b"")),
        ("fragments", frame(0x01, b""), frame(CONTINUATION, b"")),
    ] {
        let relay = common::relay(|config| config.core.close_hold = Duration::from_millis(10));
        let address = serve(&relay, true).await;
        let mut peer = common::open_tcp(address).await;
        peer.send_raw(&first).await;
        let flood = rest.repeat(10_000);
        for _ in 0..20 {
            if peer.io.write_all(&flood).await.is_err() {
                break;
            }
        }
        let close = peer.next().await.expect("a close");
        assert_eq!(close.first_byte, CLOSE, "{name}: {close:?}");
        assert_eq!(close.close_code(), CloseReason::RateLimited.code());
        let strikes = count_of(&relay, Ignored::ByteRate);
        assert!((200..300).contains(&strikes), "{name}: {strikes} strikes");
    }
}

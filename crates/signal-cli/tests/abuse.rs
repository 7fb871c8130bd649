//! What a hostile or broken client may do to the process: nothing to anybody else, and nothing to
//! its memory.
//!
//! In each test two peers exchange messages all the while, and the most memory the relay ever had
//! must stay within what its limits allow. The numbers are small enough for a debug build on a busy
//! machine.

#![cfg(target_os = "linux")]

mod common;

use std::time::{Duration, Instant};

use common::{PATIENCE, Peer, Relay};
use serde_json::json;
use signal_testwire::{PING, TEXT, Wire, frame, frame_header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What the process may grow besides what a test names: code that was not used before, buffers,
/// what the allocator keeps.
const SLACK_KIB: u64 = 3 * 1024;
/// How long a message between two peers may take while others misbehave. It takes about a
/// millisecond when all is quiet; this is for a machine with other work, and still a sixth of what
/// a relay that waits for slow readers would take: their write deadline.
const EXCHANGE_MAX: Duration = Duration::from_secs(10);
const EXCHANGE_PAUSE: Duration = Duration::from_millis(5);

/// Two peers that exchange messages until they are told to stop.
///
/// They must not be late because of the test itself, which hardly gives way while it floods the
/// relay. So each test has a runtime of two threads: its own, and a worker for the pair.
struct Pair {
    stop: oneshot::Sender<()>,
    task: JoinHandle<(usize, Duration)>,
}

impl Pair {
    async fn start(relay: &Relay) -> Self {
        let (mut ann, mut bob) = (relay.connect().await, relay.connect().await);
        ann.subscribe("the pair").await;
        bob.subscribe("the pair").await;
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let (mut count, mut slowest) = (0, Duration::ZERO);
            while stopped.try_recv().is_err() {
                let started = Instant::now();
                ann.publish("the pair", json!(count)).await;
                for peer in [&mut ann, &mut bob] {
                    let message = peer.receive().await;
                    assert_eq!(
                        (&message["data"], &message["clients"]),
                        (&json!(count), &json!(2))
                    );
                }
                slowest = slowest.max(started.elapsed());
                count += 1;
                tokio::time::sleep(EXCHANGE_PAUSE).await;
            }
            (count, slowest)
        });
        Self { stop, task }
    }

    /// Ends the exchange and judges it.
    async fn assert_undisturbed(self) {
        let _ = self.stop.send(());
        let (count, slowest) = self.task.await.expect("every message arrived");
        println!("the slowest of {count} exchanges took {slowest:?}");
        assert!(count > 0, "the pair never got to speak");
        assert!(
            slowest < EXCHANGE_MAX,
            "the slowest of {count} exchanges took {slowest:?}"
        );
    }
}

/// Runs an attack beside a pair that exchanges, and judges the relay afterwards.
async fn survives(arguments: &[&str], growth_max_kib: u64, attack: impl AsyncFnOnce(&Relay)) {
    let mut relay = Relay::start(arguments);
    let pair = Pair::start(&relay).await;
    let before = relay.memory();
    attack(&relay).await;
    let after = relay.memory_peak();
    pair.assert_undisturbed().await;
    relay.assert_alive();
    // A newcomer is served as well.
    relay.connect().await.ping().await;
    let growth = after.saturating_sub(before);
    let allowed = growth_max_kib + SLACK_KIB;
    assert!(
        growth <= allowed,
        "grew {growth} KiB from {before} KiB, allowed are {allowed} KiB"
    );
}

/// A connection that has been upgraded, for sending whatever bytes.
async fn raw(relay: &Relay) -> Wire<TcpStream> {
    raw_with_buffer(relay, None).await
}

/// The same, of a client whose kernel takes only so much that was not read.
async fn raw_with_buffer(relay: &Relay, bytes: Option<u32>) -> Wire<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    if let Some(bytes) = bytes {
        socket
            .set_recv_buffer_size(bytes)
            .expect("a smaller buffer");
    }
    let address = relay.address().parse().expect("an address");
    Wire::open(socket.connect(address).await.expect("the relay listens")).await
}

/// A connection on which nothing was said but the start of a request.
async fn begun(relay: &Relay, request: &[u8]) -> Wire<TcpStream> {
    let stream = TcpStream::connect(relay.address()).await;
    let mut wire = Wire::start(stream.expect("the relay listens"));
    // It may be refused before all of it is written.
    let _ = wire.io.write_all(request).await;
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn malformed_frames() {
    let frames: [(&[u8], u16); 6] = [
        (&[0x81, 0x05, b'h', b'e', b'l', b'l', b'o'], 1002), // Not masked.
        (&frame(0xc1, b"{}"), 1002),                         // A reserved bit.
        (&frame(0x83, b"{}"), 1002),                         // A reserved opcode.
        (&frame(0x09, b"{}"), 1002),                         // A fragmented ping.
        (&frame(0x80, b"{}"), 1002),                         // A continuation of nothing.
        (&frame(TEXT, b"\xff\xfe"), 1007),                   // Not UTF-8.
    ];
    survives(&[], 0, async |relay| {
        for _ in 0..20 {
            for (bytes, code) in frames {
                let mut wire = raw(relay).await;
                wire.send_raw(bytes).await;
                assert_eq!(wire.closed().await, code, "{bytes:x?}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_header_of_a_100_mib_frame() {
    survives(&["--close-hold", "100ms"], 0, async |relay| {
        for _ in 0..20 {
            let mut wire = raw(relay).await;
            wire.send_raw(&frame_header([0; 4], TEXT, 100 << 20)).await;
            assert_eq!(wire.closed().await, 1009);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn text_that_is_not_json() {
    survives(&["--close-hold", "100ms"], 0, async |relay| {
        for _ in 0..20 {
            let mut wire = raw(relay).await;
            for text in [
                "hello",
                "",
                "{",
                "\u{feff}{}",
                "[1,2",
                "{'a':1}",
                "NaN",
                "nul",
                "{}{}",
                "\"",
                "tru",
            ] {
                wire.send(text).await;
            }
            assert_eq!(wire.closed().await, 1007);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn deep_nesting() {
    let brackets = "[".repeat(60_000);
    let nested = format!(
        r#"{{"type":"publish","topic":"the pair","data":{}1{}}}"#,
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    survives(&[], 0, async |relay| {
        for text in [&brackets, &nested].repeat(5) {
            let mut wire = raw(relay).await;
            wire.send(text).await;
            wire.send(r#"{"type":"ping"}"#).await;
            assert_eq!(wire.next_text().await, r#"{"type":"pong"}"#);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flood_of_pings() {
    const PINGS: usize = 50_000;
    survives(&["--close-hold", "100ms"], 2 * 1024, async |relay| {
        // As messages: past the budget they are strikes, and past those the peer is closed.
        let (mut reader, mut writer) = raw(relay).await.io.into_split();
        let flood = frame(TEXT, br#"{"type":"ping"}"#).repeat(PINGS);
        let write = tokio::spawn(async move {
            // It fails when the relay has had enough.
            let _ = writer.write_all(&flood).await;
            writer
        });
        let mut received = Vec::new();
        let read = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut received)).await;
        let _ = read.expect("the relay ends the connection");
        let pongs = received
            .windows(4)
            .filter(|window| window == b"pong")
            .count();
        assert!(pongs < 1_000, "{pongs} pongs");
        drop(write.await.expect("no panic"));

        // As frames: each is answered, or the connection ended; nothing piles up for one who does
        // not read.
        let (_reader, mut writer) = raw(relay).await.io.into_split();
        let flood = frame(PING, &[b'x'; 100]).repeat(PINGS);
        let write = tokio::time::timeout(PATIENCE, writer.write_all(&flood)).await;
        let _ = write.expect("the relay goes on reading, or ends the connection");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn slow_readers() {
    const READERS: usize = 8;
    // Each may have some time to read, whatever waits for it. What all of them make the relay hold
    // has a ceiling, and is the same bytes, which are there once.
    let allowed_kib = 16 * 1024;
    let arguments = [
        "--memory-max",
        "8MiB",
        "--messages-burst",
        "100000",
        "--fan-out-burst",
        "1000000",
        "--bytes-burst",
        "1GiB",
        "--fan-out-bytes-burst",
        "1GiB",
        "--write-deadline",
        "60s",
    ];
    survives(&arguments, allowed_kib, async |relay| {
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let mut reader = raw_with_buffer(relay, Some(16 * 1024)).await;
            reader.subscribe("slow").await;
            readers.push(reader);
        }
        // More than the kernel and the queue hold for one reader.
        let mut writer = relay.connect().await;
        let data = json!("x".repeat(60_000));
        for _ in 0..600 {
            writer.publish("slow", data.clone()).await;
        }
        writer.ping().await;
        // All of them are gone: nobody is left to be counted.
        writer.subscribe("slow").await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            writer.publish("slow", json!("count")).await;
            if writer.receive().await["clients"] == 1 {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "slow readers are still subscribed"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn slowloris() {
    const CONNECTIONS: usize = 200;
    survives(&["--handshake-timeout", "1s"], 4 * 1024, async |relay| {
        let mut wires = Vec::new();
        for _ in 0..CONNECTIONS {
            wires.push(begun(relay, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow:").await);
        }
        relay.connect().await.ping().await;
        for mut wire in wires {
            let answer = wire.rest().await;
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
                "{answer}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_request_head_without_end() {
    survives(&[], 0, async |relay| {
        for _ in 0..20 {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(100_000));
            let answer = begun(relay, head.as_bytes()).await.rest().await;
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
                "{answer}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn connections_that_come_and_go() {
    survives(&[], 2 * 1024, async |relay| {
        for number in 0..1_000 {
            let mut wire = raw(relay).await;
            let topics = format!(r#"{{"type":"subscribe","topics":["churn-{number}","churn"]}}"#);
            wire.send(&topics).await;
            if number % 2 == 0 {
                // Half of them leave in the middle of a frame, half with what was sent still on its
                // way.
                wire.send_raw(&[TEXT, 0xff]).await;
            }
        }
        // Not one of them is left.
        let mut last = relay.connect().await;
        last.subscribe("churn").await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            last.publish("churn", json!("count")).await;
            if last.receive().await["clients"] == 1 {
                break;
            }
            assert!(Instant::now() < deadline, "ghosts are counted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn many_idle_connections() {
    const CONNECTIONS: usize = 1_000;
    // Four KiB each.
    survives(&[], 4 * CONNECTIONS as u64, async |relay| {
        let mut idle: Vec<Peer> = Vec::new();
        for number in 0..CONNECTIONS {
            let mut peer = relay.connect().await;
            peer.send(json!({"type": "subscribe", "topics": [format!("room-{}", number / 10)]}))
                .await;
            idle.push(peer);
        }
        idle.last_mut().expect("one").ping().await;
        let first = &mut idle[0];
        first.publish("room-0", json!("hello")).await;
        assert_eq!(first.receive().await["clients"], 10);
    })
    .await;
}

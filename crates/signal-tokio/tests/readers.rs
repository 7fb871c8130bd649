//! Peers that read as fast as they are sent to are not slow, however much comes at once; nor are
//! those that are slow and steady.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use common::{
    CLOSE, PATIENCE, PING, PONG, TEXT, UPGRADE, config, frame, listen_in_reactors, upgrade,
};
use signal_tokio::{CloseReason, Config, Ending, Grant, ReceivedType, Relay, UpgradeRequest};
use socket2::{Domain, Socket, Type};

/// A relay of which each thread can be held while much arrives.
struct Held {
    relay: Relay,
    address: SocketAddr,
    /// The threads that are held.
    came: Receiver<ThreadId>,
    go_on: Sender<()>,
}

/// How a relay's connections get their turns.
#[derive(Clone, Copy, Debug)]
enum Way {
    Reactors(usize),
    Tasks,
}

impl Way {
    fn threads(self) -> usize {
        match self {
            Self::Reactors(count) => count,
            Self::Tasks => 1,
        }
    }
}

impl Held {
    fn serve(way: Way, change: impl FnOnce(&mut Config)) -> Self {
        let (has_come, came) = channel();
        let (go_on, goes_on) = channel();
        let goes_on = Mutex::new(goes_on);
        // An authorizer that blocks its thread, which none should.
        let judge = move |request: &UpgradeRequest<'_>| {
            if request.uri.path() == "/hold" {
                has_come
                    .send(thread::current().id())
                    .expect("the test waits");
                goes_on
                    .lock()
                    .expect("no panic")
                    .recv()
                    .expect("the test goes on");
            }
            Ok(Grant::open())
        };
        let config = config(|config| {
            // What one peer may send is not the question here.
            config.core.bytes_burst = 1 << 30;
            config.core.bytes_per_second = 1 << 30;
            change(config);
        });
        let relay = Relay::with_authorizer(config, judge).expect("valid settings");
        let address = match way {
            Way::Reactors(threads) => listen_in_reactors(&relay, threads),
            Way::Tasks => serve_tasks(&relay),
        };
        Self {
            relay,
            address,
            came,
            go_on,
        }
    }

    /// Holds all threads while `meanwhile` runs.
    fn hold(&self, way: Way, meanwhile: impl FnOnce()) {
        let (mut held, mut clients) = (Vec::new(), Vec::new());
        while held.len() < way.threads() {
            let mut client = connect(self.address);
            let request = upgrade("/hold", &[]);
            client.write_all(request.as_bytes()).expect("it reads");
            clients.push(client);
            // Which thread accepts it is the system's choice, and a held one accepts nobody.
            if let Ok(thread) = self.came.recv_timeout(Duration::from_millis(200)) {
                held.push(thread);
            }
        }
        meanwhile();
        clients
            .iter()
            .for_each(|_| self.go_on.send(()).expect("they wait"));
    }

    fn ended_as_slow(&self) -> u64 {
        let slow = Ending::ByRelay(CloseReason::SlowConsumer);
        let endings = self.relay.stats().endings;
        let slow = endings.iter().find(|(ending, _)| *ending == slow);
        slow.expect("every ending is listed").1
    }
}

/// Serves on a runtime of one thread, where each connection is a task.
fn serve_tasks(relay: &Relay) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    listener.set_nonblocking(true).expect("a flag");
    let relay = relay.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            relay.serve(listener).await;
        });
    });
    // What connects before the listener is served has the buffers of the system.
    drop(open(address));
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("a live socket");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a live socket");
    stream
}

/// A connection of which the kernel takes only a little before somebody reads.
fn connect_narrow(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket
        .set_recv_buffer_size(32 * 1024)
        .expect("a small buffer");
    socket.connect(&address.into()).expect("it listens");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a live socket");
    socket.into()
}

fn open(address: SocketAddr) -> TcpStream {
    upgraded(connect(address))
}

/// Upgrades a connection, and drops the head of the answer.
fn upgraded(mut stream: TcpStream) -> TcpStream {
    stream.write_all(UPGRADE.as_bytes()).expect("it reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// A peer of the room that counts what it gets, on a thread of its own, until it has so many
/// messages. The code of the close, if that comes first.
fn reader(address: SocketAddr, messages: usize) -> JoinHandle<Result<(), u16>> {
    let mut stream = open(address);
    let subscribe = frame(TEXT, br#"{"type":"subscribe","topics":["t"]}"#);
    stream.write_all(&subscribe).expect("it reads");
    stream.write_all(&frame(PING, b"")).expect("it reads");
    let mut frames = Frames::new(stream);
    frames.until_pong();
    thread::spawn(move || {
        for _ in 0..messages {
            match frames.next() {
                (TEXT, _) => {}
                (CLOSE, payload) => return Err(u16::from_be_bytes([payload[0], payload[1]])),
                other => panic!("{other:?}"),
            }
        }
        Ok(())
    })
}

/// What a relay sends, frame by frame, read as fast as it comes.
struct Frames {
    stream: TcpStream,
    input: Vec<u8>,
    start: usize,
}

impl Frames {
    fn new(stream: TcpStream) -> Self {
        let (input, start) = (Vec::new(), 0);
        Self {
            stream,
            input,
            start,
        }
    }

    fn next(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let Some((first, payload, length)) = parse(&self.input[self.start..]) {
                let found = (first, payload.to_vec());
                self.start += length;
                return found;
            }
            self.input.drain(..self.start);
            self.start = 0;
            self.fill(256 * 1024);
        }
    }

    /// Reads up to a pong. Before it only pings may come.
    fn until_pong(&mut self) {
        loop {
            match self.next() {
                (PONG, _) => return,
                (PING, payload) => {
                    let pong = frame(PONG, &payload);
                    self.stream.write_all(&pong).expect("a live socket");
                }
                (_, payload) => panic!("{}", String::from_utf8_lossy(&payload)),
            }
        }
    }

    /// Reads once, at most this much.
    fn fill(&mut self, bytes: usize) {
        let length = self.input.len();
        self.input.resize(length + bytes, 0);
        let read = self.stream.read(&mut self.input[length..]).expect("input");
        assert_ne!(read, 0, "the relay ended the connection without a close");
        self.input.truncate(length + read);
    }
}

/// The first byte and payload of the first frame, and how long it is.
fn parse(input: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (header, length) = match *input.get(1)? {
        126 => (
            4,
            u16::from_be_bytes([*input.get(2)?, *input.get(3)?]).into(),
        ),
        127 => (
            10,
            u64::from_be_bytes(input.get(2..10)?.try_into().ok()?) as usize,
        ),
        short => (2, usize::from(short)),
    };
    let payload = input.get(header..header + length)?;
    Some((input[0], payload, header + length))
}

/// So many publishes of so much data, as frames.
fn publishes(count: usize, bytes: usize) -> Vec<u8> {
    let data = "x".repeat(bytes);
    let text = format!(r#"{{"type":"publish","topic":"t","data":"{data}"}}"#);
    frame(TEXT, text.as_bytes()).repeat(count)
}

/// What a room of readers hears of publishers that all send at once, each within its budgets.
struct Burst {
    publishers: usize,
    messages: usize,
    bytes: usize,
    readers: usize,
}

impl Burst {
    /// Has them send while the relay looks elsewhere, so that it finds all of it at once.
    fn reaches_all(&self, way: Way) {
        let held = Held::serve(way, |config| config.peers_max = 2_000);
        let readers: Vec<_> = (0..self.readers)
            .map(|_| reader(held.address, self.publishers * self.messages))
            .collect();
        let input = Arc::new(publishes(self.messages, self.bytes));
        let mut publishers: Vec<_> = (0..self.publishers)
            .map(|_| (open(held.address), 0))
            .collect();
        held.hold(way, || {
            for (publisher, sent) in &mut publishers {
                *sent = write_what_fits(publisher, &input);
            }
        });
        let writers: Vec<_> = publishers
            .into_iter()
            // A thread for each only where there is something left.
            .filter(|(_, sent)| *sent < input.len())
            .map(|(mut publisher, sent)| {
                let input = Arc::clone(&input);
                thread::spawn(move || publisher.write_all(&input[sent..]))
            })
            .collect();
        for reader in readers {
            assert_eq!(reader.join().expect("it counts"), Ok(()), "{way:?}");
        }
        for writer in writers {
            writer.join().expect("it writes").expect("the relay reads");
        }
        assert_eq!(held.ended_as_slow(), 0, "{way:?}");
    }
}

/// Writes until the socket takes no more; how much that was.
fn write_what_fits(stream: &mut TcpStream, input: &[u8]) -> usize {
    stream.set_nonblocking(true).expect("a live socket");
    let mut sent = 0;
    while sent < input.len() {
        match stream.write(&input[sent..]) {
            Ok(bytes) => sent += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).expect("a live socket");
    sent
}

#[test]
fn what_hundreds_say_to_one_in_a_moment_reaches_it() {
    let burst = Burst {
        publishers: 600,
        messages: 4,
        bytes: 300,
        readers: 1,
    };
    burst.reaches_all(Way::Reactors(1));
    burst.reaches_all(Way::Tasks);
}

#[test]
fn thousands_of_small_messages_at_once_reach_two() {
    let burst = Burst {
        publishers: 8,
        messages: 900,
        bytes: 20,
        readers: 2,
    };
    burst.reaches_all(Way::Reactors(1));
    burst.reaches_all(Way::Reactors(2));
    burst.reaches_all(Way::Tasks);
}

#[test]
fn thousands_of_messages_at_once_reach_three() {
    let burst = Burst {
        publishers: 8,
        messages: 900,
        bytes: 200,
        readers: 3,
    };
    burst.reaches_all(Way::Reactors(2));
    burst.reaches_all(Way::Tasks);
}

#[test]
fn twenty_of_the_longest_messages_at_once_reach_ten() {
    let burst = Burst {
        publishers: 1,
        messages: 20,
        bytes: 64_000,
        readers: 10,
    };
    burst.reaches_all(Way::Reactors(1));
    burst.reaches_all(Way::Reactors(2));
    burst.reaches_all(Way::Tasks);
}

/// 29 MB from forty peers, all of which the relay has before the one they are for reads any of it.
#[test]
fn what_forty_say_at_once_waits_for_one_who_then_reads() {
    const PUBLISHERS: usize = 40;
    const MESSAGES: usize = 12;
    for way in [Way::Reactors(1), Way::Reactors(2), Way::Tasks] {
        let held = Held::serve(way, |config| {
            config.outbound_grace = Duration::from_secs(60);
            config.write_deadline = Duration::from_secs(600);
        });
        let mut stream = open(held.address);
        let subscribe = frame(TEXT, br#"{"type":"subscribe","topics":["t"]}"#);
        stream.write_all(&subscribe).expect("it reads");
        stream.write_all(&frame(PING, b"")).expect("it reads");
        let mut frames = Frames::new(stream);
        frames.until_pong();
        let input = publishes(MESSAGES, 60_000);
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|_| {
                let mut publisher = open(held.address);
                publisher.write_all(&input).expect("the relay reads");
                publisher
            })
            .collect();
        let received = || held.relay.stats().received(ReceivedType::Publish).count;
        let start = Instant::now();
        while received() < (PUBLISHERS * MESSAGES) as u64 {
            assert!(start.elapsed() < PATIENCE, "{way:?}: {} came", received());
            thread::sleep(Duration::from_millis(5));
        }
        for number in 0..PUBLISHERS * MESSAGES {
            loop {
                match frames.next() {
                    (PING, _) => {}
                    (first, payload) => {
                        let text = String::from_utf8_lossy(&payload[..40.min(payload.len())]);
                        assert_eq!(first, TEXT, "{way:?}: {text:?} instead of {number}");
                        break;
                    }
                }
            }
        }
        assert_eq!(held.ended_as_slow(), 0, "{way:?}");
        drop(publishers);
    }
}

/// It takes as much as is sent to it, has half a queue before it all the time, and answers each
/// ping as soon as it sees it.
#[test]
fn a_slow_and_steady_reader_stays() {
    for way in [Way::Reactors(1), Way::Tasks] {
        let held = Held::serve(way, |config| {
            config.core.ping_interval = Duration::from_secs(1);
            config.outbound_bytes_max = 512 * 1024;
            config.send_buffer_bytes_max = 64 * 1024;
        });
        let address = held.address;
        let (is_over, over) = channel::<()>();
        let (has_subscribed, subscribed) = channel();
        let pings = Arc::new(AtomicU32::new(0));
        let answered = Arc::clone(&pings);
        let reader = thread::spawn(move || {
            let mut stream = upgraded(connect_narrow(address));
            let subscribe = frame(TEXT, br#"{"type":"subscribe","topics":["t"]}"#);
            stream.write_all(&subscribe).expect("it reads");
            stream.write_all(&frame(PING, b"")).expect("it reads");
            let mut frames = Frames::new(stream);
            frames.until_pong();
            has_subscribed.send(()).expect("the test waits");
            while over.recv_timeout(Duration::from_millis(25)).is_err() {
                frames.fill(20 * 1024);
                while let Some((first, payload, length)) = parse(&frames.input) {
                    let is_close = first == CLOSE;
                    assert!(!is_close, "closed: {}", String::from_utf8_lossy(payload));
                    if first == PING {
                        answered.fetch_add(1, Ordering::Relaxed);
                        let pong = frame(PONG, payload);
                        frames.stream.write_all(&pong).expect("a live socket");
                    }
                    frames.input.drain(..length);
                }
            }
        });
        subscribed.recv_timeout(PATIENCE).expect("it subscribes");
        let mut publisher = Frames::new(open(address));
        let message = [publishes(1, 20_000), frame(PING, b"")].concat();
        let waits = || held.relay.stats().queue_bytes;
        let start = Instant::now();
        let mut most = 0;
        // On a busy machine a ping takes longer to get through what waits before it.
        let is_enough = || {
            start.elapsed() > PATIENCE
                || start.elapsed() > Duration::from_millis(4_500)
                    && pings.load(Ordering::Relaxed) >= 2
        };
        while !is_enough() {
            most = most.max(waits());
            // As much as the other takes, once its queue is more than half full.
            if waits() > 400 * 1024 {
                thread::sleep(Duration::from_millis(20));
                publisher
                    .stream
                    .write_all(&frame(PING, b""))
                    .expect("it reads");
            } else {
                publisher.stream.write_all(&message).expect("it reads");
            }
            publisher.until_pong();
        }
        assert!(
            most > 256 * 1024,
            "{way:?}: its queue was never half full, but held {most} bytes at most"
        );
        is_over.send(()).expect("it reads");
        reader.join().expect("it was not closed");
        let pings = pings.load(Ordering::Relaxed);
        assert!(pings >= 2, "{way:?}: {pings} pings");
    }
}

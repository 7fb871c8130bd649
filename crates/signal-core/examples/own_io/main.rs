//! A whole relay on blocking sockets and threads, to copy. `signal-core` decides; this file moves
//! bytes and time, in the order of the page `signal_core::adapter`, and `websocket.rs` stands in
//! for the WebSocket library that you would take.
//!
//! ```text
//! cargo run -p signal-core --example own_io [ADDRESS]
//! ```
//!
//! It serves `ws://localhost:4444` unless told another address. Anyone may come in, and addresses
//! are not counted: `signal_access` has both, `Access` and `Door`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate has no sockets, clocks, threads and locks; an adapter does"
)]

mod queue;
mod websocket;

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_core::{
    Alarm, CloseReason, Grant, Hub, Limits, Message, Peer, PeerId, Publish, Subscriber, Topics,
};

use crate::queue::Queue;
use crate::websocket::{CLOSE, Event, PING, PONG, Reader, TEXT, frame};

/// Each takes two threads.
const PEERS_MAX: usize = 500;
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to end its side after a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What all connections share.
struct Relay {
    start: Instant,
    limits: Arc<Limits>,
    topics: Mutex<Topics<Member>>,
    /// As many clones as there are connections.
    places: Arc<()>,
}

/// A peer in a topic, and the way to it.
struct Member(PeerId, Arc<Queue>);

impl Subscriber for Member {
    fn peer(&self) -> PeerId {
        self.0
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4444"))?;
    println!("listening on ws://{}", listener.local_addr()?);
    let relay = Arc::new(Relay {
        start: Instant::now(),
        limits: Arc::new(Limits::default()),
        topics: Mutex::default(),
        places: Arc::new(()),
    });
    for (number, socket) in (0..).zip(listener.incoming()) {
        let Ok(socket) = socket else {
            // The client has gone, or no file descriptor is left.
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let relay = Arc::clone(&relay);
        // An error is the end of this connection, and of nothing else.
        thread::spawn(move || drop(relay.serve(socket, PeerId::new(number))));
    }
    Ok(())
}

/// How a connection ends.
enum End {
    ByRelay(CloseReason),
    /// With the close frame to answer.
    ByPeer(Vec<u8>),
}

impl Relay {
    /// One connection, from its request to its last byte.
    fn serve(&self, mut socket: TcpStream, id: PeerId) -> io::Result<()> {
        let _place = Arc::clone(&self.places);
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let mut reader = Reader::new(socket.try_clone()?);
        let (answer, is_upgrade) = websocket::answer(&reader.head()?, self.has_place());
        socket.write_all(answer.as_bytes())?;
        if !is_upgrade {
            return Ok(());
        }

        let queue = Arc::new(Queue::new(socket.try_clone()?));
        let waiting = Arc::clone(&queue);
        let writer = thread::spawn(move || waiting.write_to(&mut socket));

        let mut hub = Local {
            relay: self,
            peer: id,
            queue: &queue,
        };
        let mut peer = Peer::new(Arc::clone(&self.limits), Grant::open(), self.now());
        let end = self.converse(&mut peer, &mut reader, &mut hub);
        peer.leave(&mut hub);
        match end {
            Ok(End::ByRelay(reason)) => {
                queue.finish(Some(websocket::close_frame(reason)), reason.drops_queue());
            }
            Ok(End::ByPeer(payload)) => queue.finish(Some(frame(CLOSE, &payload)), false),
            Err(_) => queue.finish(None, true),
        }
        let _ = writer.join();
        reader.drain(CLOSE_TIMEOUT)
    }

    /// Reads, and keeps the deadlines of the peer.
    fn converse(
        &self,
        peer: &mut Peer,
        reader: &mut Reader,
        hub: &mut Local<'_>,
    ) -> io::Result<End> {
        loop {
            match peer.handle_timeout(self.now(), hub) {
                Some(Alarm::Ping) => hub.queue.push(&frame(PING, b"")),
                Some(Alarm::Close(reason)) => return Ok(End::ByRelay(reason)),
                Some(Alarm::Hold(_)) | None => {}
            }
            let due = peer.poll_timeout();
            let wait = due.map_or(Duration::MAX, |due| due.saturating_since(self.now()));
            if peer.is_held() {
                thread::sleep(wait);
                continue;
            }
            let Some(event) = reader.next(wait)? else {
                continue;
            };
            let now = self.now();
            match event {
                // What comes of a message is for logs and counters.
                Event::Text(text) => drop(peer.receive(now, &text, hub)),
                Event::Binary(bytes) => drop(peer.receive_binary(now, &bytes, hub)),
                Event::Ping(payload) => {
                    let outcome = peer.receive_frame(now, payload.len(), hub);
                    if outcome.is_none() {
                        hub.queue.push(&frame(PONG, &payload));
                    }
                }
                Event::Other(bytes) => drop(peer.receive_frame(now, bytes, hub)),
                Event::Closed(payload) => return Ok(End::ByPeer(payload)),
                Event::TooBig => peer.refuse(now, CloseReason::TooBig, hub),
                Event::Broken(reason) => return Ok(End::ByRelay(reason)),
            }
        }
    }

    fn now(&self) -> signal_core::Instant {
        signal_core::Instant::from_millis(self.start.elapsed().as_millis() as u64)
    }

    fn has_place(&self) -> bool {
        Arc::strong_count(&self.places) <= PEERS_MAX
    }
}

/// What a peer's requests are carried out on.
struct Local<'a> {
    relay: &'a Relay,
    peer: PeerId,
    queue: &'a Arc<Queue>,
}

impl Hub for Local<'_> {
    /// Under one lock, so that the last place is taken once.
    fn subscribe(&mut self, topic: &Arc<str>, clients_max: usize) -> bool {
        let member = Member(self.peer, Arc::clone(self.queue));
        let mut topics = lock(&self.relay.topics);
        let has_room = topics.subscribers(topic).len() < clients_max;
        if has_room {
            topics.subscribe(member, topic);
        }
        has_room
    }

    fn subscribers(&self, topic: &str) -> usize {
        lock(&self.relay.topics).subscribers(topic).len()
    }

    fn unsubscribe(&mut self, topic: &str) {
        lock(&self.relay.topics).unsubscribe(self.peer, topic);
    }

    /// Under one lock, so that all subscribers see one order. No queue waits.
    fn publish(&mut self, publish: &Publish<'_>) -> usize {
        let topics = lock(&self.relay.topics);
        let members = topics.subscribers(publish.topic());
        let frame = frame(TEXT, publish.encode(members.len()).as_bytes());
        for Member(_, queue) in members {
            queue.push(&frame);
        }
        members.len()
    }

    fn pong(&mut self) {
        self.queue.push(&frame(TEXT, Message::PONG.as_bytes()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that runs under these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

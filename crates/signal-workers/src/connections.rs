//! The open connections by peer, and the peers by socket.

use std::collections::BTreeMap;

use signal_access::Place;
use signal_backpressure::Level;
use signal_core::{Instant, PeerId};
use worker::js_sys::{self, Function, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::ext::WebSocketExt as _;
use worker::{Result, WebSocket, web_sys};

use crate::readers::{Queue, Readers};
use crate::row::Row;
use crate::settings::Settings;
use crate::ticket::Holder;

/// Sockets keep their identity for as long as they are open, even while the object sleeps, so they
/// are keys of a `Map`.
#[derive(Debug)]
pub(crate) struct Connections {
    by_peer: BTreeMap<PeerId, Connection>,
    peers: js_sys::Map,
    pub(crate) readers: Readers,
}

/// What is known of a peer beside the core's state.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: WebSocket,
    pub(crate) holder: Holder,
    pub(crate) place: Place,
    /// When the last message of it was handled, or the last ping of it that was looked for.
    pub(crate) heard_at: Instant,
    /// What is stored of it.
    pub(crate) row: Option<Row>,
    pub(crate) queue: Queue,
}

impl Connection {
    /// How full its queue is, which the runtime has. What was queued before a sleep is not known.
    pub(crate) fn level(&self) -> Level {
        Level {
            waiting: buffered(&self.socket),
            queued: self.queue.queued,
        }
    }
}

impl Connections {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            by_peer: BTreeMap::new(),
            peers: js_sys::Map::new(),
            readers: Readers::new(settings),
        }
    }

    pub(crate) fn insert(&mut self, peer: PeerId, connection: Connection) {
        let number = JsValue::from_f64(peer.as_u64() as f64);
        self.peers.set(connection.socket.as_ref(), &number);
        self.by_peer.insert(peer, connection);
    }

    pub(crate) fn remove(&mut self, peer: PeerId) -> Option<Connection> {
        let connection = self.by_peer.remove(&peer)?;
        self.peers.delete(connection.socket.as_ref());
        Some(connection)
    }

    pub(crate) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Connection> {
        self.by_peer.get_mut(&peer)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (PeerId, &mut Connection)> {
        let all = self.by_peer.iter_mut();
        all.map(|(peer, connection)| (*peer, connection))
    }

    /// Judges those for whom more waits than may, and returns those who are too slow.
    pub(crate) fn end_of_patience(&mut self, now: Instant) -> Vec<PeerId> {
        let Self {
            by_peer, readers, ..
        } = self;
        let all = by_peer.iter_mut().map(|(peer, connection)| {
            let level = connection.level();
            (*peer, &mut connection.queue, level)
        });
        readers.judge(now, all)
    }

    /// Returns whom to end because all hold too much together, those on these closing sockets
    /// included.
    pub(crate) fn excess(&mut self, now: Instant, closing: u64) -> Vec<PeerId> {
        let Self {
            by_peer, readers, ..
        } = self;
        let all = by_peer.iter_mut().map(|(peer, connection)| {
            let level = connection.level();
            (*peer, &mut connection.queue, level)
        });
        readers.weigh(now, all, closing)
    }

    /// Sends one text to many. What goes wrong with one of them does not affect the others: it is
    /// noted. Returns those for whom more would wait than ever may.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        to: &[PeerId],
        message: &str,
        note: impl Fn(Result<JsValue>) -> bool,
    ) -> Vec<PeerId> {
        let text = JsValue::from_str(message);
        let mut sender = None;
        let mut slow = Vec::new();
        for peer in to {
            let Some(connection) = self.by_peer.get_mut(peer) else {
                continue;
            };
            let socket = &connection.socket;
            if !is_open(socket) {
                continue;
            }
            if !self
                .readers
                .queue(now, &mut connection.queue, buffered(socket), message.len())
            {
                slow.push(*peer);
                continue;
            }
            let sent = match &sender {
                Some(sender) => Ok(sender),
                None => self::sender(socket).map(|found| &*sender.insert(found)),
            };
            note(sent.and_then(|send| Ok(send.call1(socket.as_ref(), &text)?)));
        }
        slow
    }

    /// Whose socket it is; none if it was closed by us or never restored.
    pub(crate) fn peer_of(&self, socket: &WebSocket) -> Option<PeerId> {
        let number = self.peers.get(socket.as_ref()).as_f64()?;
        Some(PeerId::new(number as u64))
    }
}

/// Whether a socket may be sent to. One that is closing stays in the runtime's list until its
/// client answers.
pub(crate) fn is_open(socket: &WebSocket) -> bool {
    socket.as_ref().ready_state() == web_sys::WebSocket::OPEN
}

/// How many bytes wait in the runtime for a socket. Where it does not say, none do.
pub(crate) fn buffered(socket: &WebSocket) -> u64 {
    socket.as_ref().buffered_amount().into()
}

/// The `send` of a socket, to be called on any of them: a text that goes to many is then made into
/// JavaScript's once.
fn sender(socket: &WebSocket) -> Result<Function> {
    let send = Reflect::get(socket.as_ref(), &JsValue::from_str("send"))?;
    Ok(send.dyn_into()?)
}

/// What is kept with a socket. None if nothing is, or something that was not written here.
pub(crate) fn attachment(socket: &WebSocket) -> Option<Vec<u8>> {
    let value = socket.as_ref().deserialize_attachment().ok()?;
    Some(value.dyn_into::<Uint8Array>().ok()?.to_vec())
}

/// Keeps bytes with a socket.
pub(crate) fn attach(socket: &WebSocket, bytes: &[u8]) -> Result<()> {
    let bytes = Uint8Array::from(bytes);
    socket.as_ref().serialize_attachment(bytes.into())?;
    Ok(())
}

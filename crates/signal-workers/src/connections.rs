//! The open connections by peer, and the peers by socket.

use std::collections::BTreeMap;

use signal_access::Place;
use signal_core::{Instant, PeerId};
use worker::js_sys::{self, Function, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::ext::WebSocketExt as _;
use worker::{Result, WebSocket, web_sys};

use crate::row::Row;
use crate::ticket::Holder;

/// Sockets keep their identity for as long as they are open, even while the object sleeps, so they
/// are keys of a `Map`.
#[derive(Debug)]
pub(crate) struct Connections {
    by_peer: BTreeMap<PeerId, Connection>,
    peers: js_sys::Map,
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
}

impl Connections {
    pub(crate) fn new() -> Self {
        Self {
            by_peer: BTreeMap::new(),
            peers: js_sys::Map::new(),
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

    /// Sends one text to many. What goes wrong with one of them does not affect the others: it is
    /// noted. Returns those for whom more would wait than may.
    pub(crate) fn send(
        &self,
        to: &[PeerId],
        message: &str,
        bytes_max: u64,
        note: impl Fn(Result<JsValue>) -> bool,
    ) -> Vec<PeerId> {
        let text = JsValue::from_str(message);
        let mut sender = None;
        let mut slow = Vec::new();
        for peer in to {
            let socket = self.by_peer.get(peer).map(|connection| &connection.socket);
            let Some(socket) = socket.filter(|socket| is_open(socket)) else {
                continue;
            };
            let waiting = u64::from(socket.as_ref().buffered_amount());
            if waiting > 0 && waiting + message.len() as u64 > bytes_max {
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

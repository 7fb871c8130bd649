//! The open sockets by peer, and the peers by socket.

use std::collections::BTreeMap;

use signal_core::PeerId;
use worker::js_sys::{self, Function, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::ext::WebSocketExt as _;
use worker::{Result, WebSocket, web_sys};

/// Sockets keep their identity for as long as they are open, even while the object sleeps, so they
/// are keys of a `Map`.
#[derive(Debug)]
pub(crate) struct Sockets {
    by_peer: BTreeMap<PeerId, WebSocket>,
    peers: js_sys::Map,
}

impl Sockets {
    pub(crate) fn new() -> Self {
        Self {
            by_peer: BTreeMap::new(),
            peers: js_sys::Map::new(),
        }
    }

    pub(crate) fn insert(&mut self, peer: PeerId, socket: WebSocket) {
        self.peers
            .set(socket.as_ref(), &JsValue::from_f64(peer.as_u64() as f64));
        self.by_peer.insert(peer, socket);
    }

    pub(crate) fn remove(&mut self, peer: PeerId) -> Option<WebSocket> {
        let socket = self.by_peer.remove(&peer)?;
        self.peers.delete(socket.as_ref());
        Some(socket)
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&WebSocket> {
        self.by_peer.get(&peer)
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
pub(crate) fn sender(socket: &WebSocket) -> Result<Function> {
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

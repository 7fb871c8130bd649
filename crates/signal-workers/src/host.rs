//! One object awake: the core's room, and the sockets of its peers.
//!
//! Each event runs to its end without waiting, in this order: the core decides, the peer's state is
//! kept, then messages go out. Whatever goes wrong in between, a wake finds every peer as it was
//! after its last event that was kept.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use signal_access::{AddressKey, Refusal, RefusalCause, Refused};
use signal_core::{CloseReason, Instant, Outcome, Output, PeerId, RestoreError, Room};
use worker::wasm_bindgen::JsValue;
use worker::{WebSocket, WebSocketIncomingMessage, WebSocketPair};

use crate::attachment::{self, Attachment, Kept, Tail};
use crate::closing::{self, Answer, Lost};
use crate::event::Event;
use crate::overflow::Overflow;
use crate::runtime::{self, Runtime};
use crate::sockets::{self, Sockets};
use crate::ticket::{Holder, Ticket};

/// How many addresses are remembered for `refuse_after_close`.
const REFUSED_MAX: usize = 1_024;

/// The object's memory. All of it can be rebuilt from what the runtime keeps.
#[derive(Debug)]
pub(crate) struct Host {
    runtime: Rc<Runtime>,
    room: Room,
    sockets: Sockets,
    overflow: Overflow,
    /// What `overflow` holds.
    tails: BTreeMap<PeerId, Vec<u8>>,
    /// Until when an address is refused for what one of its peers did.
    refused: BTreeMap<AddressKey, Instant>,
    next_peer: u64,
}

/// Why a connection is not accepted.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// The client is told so.
    Refused(Refusal),
    /// The runtime failed.
    Failed(worker::Error),
}

impl Host {
    /// Rebuilds the room from the sockets and what is kept with them.
    pub(crate) fn wake(runtime: Rc<Runtime>) -> Self {
        let overflow = Overflow::new(runtime.sql());
        let overflow = runtime
            .note_failure("sql", overflow)
            .unwrap_or_else(Overflow::none);
        let tails = runtime
            .note_failure("sql", overflow.read_all())
            .unwrap_or_default();
        let mut host = Self {
            room: Room::new(runtime.settings.core.clone()),
            sockets: Sockets::new(),
            overflow,
            tails,
            refused: BTreeMap::new(),
            next_peer: 1,
            runtime,
        };
        let mut lost = 0;
        for socket in host.runtime.sockets() {
            if let Err(why) = host.restore(&socket) {
                lost += 1;
                host.close(&socket, why.code(), why.text(), why.name());
            }
        }
        host.forget_tails_of_nobody();
        let peers = host.room.peers().len();
        if peers + lost > 0 {
            host.runtime.events.note(&Event::Wake { peers, lost });
        }
        host
    }

    /// Lets a peer in.
    pub(crate) fn accept(&mut self, ticket: Ticket) -> Result<WebSocket, Rejection> {
        self.judge(Runtime::now(), &ticket.holder)
            .map_err(Rejection::Refused)?;
        let pair = WebSocketPair::new().map_err(Rejection::Failed)?;
        self.runtime
            .accept(&pair.server, &ticket.holder)
            .map_err(Rejection::Failed)?;
        let peer = PeerId::new(self.next_peer);
        self.next_peer = self.next_peer.saturating_add(1);
        // No peer has this number yet.
        let _ = self.room.restore(peer, ticket.peer);
        self.sockets.insert(peer, pair.server);
        self.keep(peer);
        self.runtime.events.note(&Event::Connect {
            peers: self.room.peers().len(),
        });
        Ok(pair.client)
    }

    /// Handles a message.
    pub(crate) fn receive(&mut self, socket: &WebSocket, message: &WebSocketIncomingMessage) {
        let Some(peer) = self.sockets.peer_of(socket) else {
            return;
        };
        let now = Runtime::now();
        let mut effects: Vec<Output> = Vec::new();
        let outcome = match message {
            WebSocketIncomingMessage::String(text) => {
                self.room.receive(now, peer, text, &mut effects)
            }
            WebSocketIncomingMessage::Binary(bytes) => {
                self.room.receive_binary(now, peer, bytes, &mut effects)
            }
        };
        if let Some(Outcome::Held(reason)) = outcome {
            self.runtime.events.note(&Event::Hold {
                reason: reason.name(),
            });
        }
        self.keep(peer);
        self.carry_out(now, effects);
    }

    /// A socket has been closed, or broke. The runtime also says so after a close of ours.
    pub(crate) fn closed(&mut self, socket: &WebSocket, code: usize, reason: &str) {
        if let Some(peer) = self.sockets.peer_of(socket) {
            self.forget(peer);
            let peers = self.room.peers().len();
            self.runtime.events.note(&Event::Disconnect { code, peers });
        }
        let answered = match closing::answer(code) {
            Answer::Code(code) => socket.close(Some(code), Some(reason)),
            Answer::WithoutCode => socket.close(None, None::<&str>),
            Answer::Nothing => Ok(()),
        };
        self.runtime.note_failure("close", answered);
    }

    /// Acts on deadlines.
    pub(crate) fn handle_timeout(&mut self) {
        let now = Runtime::now();
        let is_due = |peer: &PeerId| {
            let due = self
                .room
                .peer(*peer)
                .and_then(signal_core::Peer::poll_timeout);
            due.is_some_and(|due| due <= now)
        };
        let due: Vec<PeerId> = self.room.peers().filter(is_due).collect();
        let mut effects: Vec<Output> = Vec::new();
        self.room.handle_timeout(now, &mut effects);
        for peer in due {
            self.keep(peer);
        }
        self.carry_out(now, effects);
    }

    /// When there is something to do next, without any message.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.room.poll_timeout()
    }

    fn restore(&mut self, socket: &WebSocket) -> Result<(), Lost> {
        if !sockets::is_open(socket) {
            return Ok(());
        }
        let bytes = sockets::attachment(socket).ok_or(Lost::Outdated)?;
        let attachment = Attachment::read(&bytes).map_err(lost)?;
        let peer = attachment.peer;
        self.next_peer = self.next_peer.max(peer.as_u64().saturating_add(1));
        let tail = match attachment.tail_bytes {
            0 => &[],
            _ => self.tails.get(&peer).map(Vec::as_slice).unwrap_or_default(),
        };
        let snapshot = attachment.snapshot(tail).map_err(lost)?;
        self.room.restore(peer, snapshot).map_err(lost)?;
        self.sockets.insert(peer, socket.clone());
        Ok(())
    }

    /// Removes what was stored for sockets that went while nobody was told: a deploy ends them all.
    fn forget_tails_of_nobody(&mut self) {
        let room = &self.room;
        let (kept, orphans): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.tails)
            .into_iter()
            .partition(|(peer, _)| room.peer(*peer).is_some());
        self.tails = kept;
        for peer in orphans.into_keys() {
            self.runtime.note_failure("sql", self.overflow.remove(peer));
        }
    }

    fn judge(&mut self, now: Instant, holder: &Holder) -> Result<(), Refusal> {
        let settings = &self.runtime.settings;
        if self.room.peers().len() >= settings.peers_max as usize {
            return Err(Refusal::because(RefusalCause::PeersMax, Runtime::random()));
        }
        if let Some(address) = holder.address {
            self.judge_address(now, address)?;
        }
        let Some(subject) = &holder.subject else {
            return Ok(());
        };
        let open = self
            .runtime
            .open_sockets_with(&runtime::subject_tag(subject));
        subject.judge(u32::try_from(open).unwrap_or(u32::MAX))?;
        Ok(())
    }

    fn judge_address(&mut self, now: Instant, address: AddressKey) -> Result<(), Refused> {
        self.refused.retain(|_, until| *until > now);
        if let Some(until) = self.refused.get(&address) {
            return Err(Refused {
                cause: RefusalCause::ClosedBefore,
                retry_after: until.saturating_since(now),
            });
        }
        let open = self
            .runtime
            .open_sockets_with(&runtime::address_tag(address));
        if open >= self.runtime.settings.peers_per_ip_max as usize {
            return Err(Refused {
                cause: RefusalCause::PeersPerIp,
                retry_after: Duration::from_secs(30),
            });
        }
        Ok(())
    }

    /// Keeps a peer's state where it outlasts this memory.
    fn keep(&mut self, peer: PeerId) {
        let (Some(snapshot), Some(socket)) = (self.room.snapshot(peer), self.sockets.get(peer))
        else {
            return;
        };
        let stored = self.tails.get(&peer).map(Vec::as_slice).unwrap_or_default();
        let Kept { attachment, tail } = attachment::keep(peer, &snapshot, stored);
        let stored = match &tail {
            Tail::New(tail) => self.overflow.write(peer, tail),
            Tail::None | Tail::Same => Ok(()),
        };
        let kept = stored.and_then(|()| sockets::attach(socket, &attachment));
        if self.runtime.note_failure("keep", kept).is_none() {
            self.end(
                peer,
                Lost::Damaged.code(),
                Lost::Damaged.text(),
                Lost::Damaged.name(),
            );
            return;
        }
        match tail {
            Tail::New(tail) => {
                self.tails.insert(peer, tail);
            }
            Tail::None => self.remove_tail(peer),
            Tail::Same => {}
        }
    }

    fn carry_out(&mut self, now: Instant, effects: Vec<Output>) {
        for effect in effects {
            match effect {
                Output::Send { to, message } => self.send(&to, message.as_str()),
                // The runtime watches its sockets itself, and `ping_interval` is zero.
                Output::Ping(_) => {}
                Output::Close(peer, reason) => {
                    self.note_refused(now, peer, reason);
                    self.end(peer, reason.code(), reason.text(), reason.name());
                }
            }
        }
    }

    /// Sends one text to many. What goes wrong with one of them is no matter to the others.
    fn send(&mut self, to: &[PeerId], message: &str) {
        let text = JsValue::from_str(message);
        let bytes_max = u64::from(self.runtime.settings.outbound_bytes_max);
        let mut sender = None;
        let mut slow = Vec::new();
        for peer in to {
            let Some(socket) = self
                .sockets
                .get(*peer)
                .filter(|socket| sockets::is_open(socket))
            else {
                continue;
            };
            let waiting = u64::from(socket.as_ref().buffered_amount());
            if waiting > 0 && waiting + message.len() as u64 > bytes_max {
                slow.push(*peer);
                continue;
            }
            let sent = match &sender {
                Some(sender) => Ok(sender),
                None => sockets::sender(socket).map(|found| &*sender.insert(found)),
            };
            let sent = sent.and_then(|send| Ok(send.call1(socket.as_ref(), &text)?));
            self.runtime.note_failure("send", sent);
        }
        for peer in slow {
            let reason = CloseReason::SlowConsumer;
            self.end(peer, reason.code(), reason.text(), reason.name());
        }
    }

    /// Forgets a peer and closes its socket.
    fn end(&mut self, peer: PeerId, code: u16, text: &str, name: &'static str) {
        if let Some(socket) = self.forget(peer) {
            self.close(&socket, code, text, name);
        }
    }

    fn close(&self, socket: &WebSocket, code: u16, text: &str, name: &'static str) {
        self.runtime
            .events
            .note(&Event::Close { reason: name, code });
        self.runtime
            .note_failure("close", socket.close(Some(code), Some(text)));
    }

    fn forget(&mut self, peer: PeerId) -> Option<WebSocket> {
        self.room.disconnect(peer);
        self.remove_tail(peer);
        self.sockets.remove(peer)
    }

    fn remove_tail(&mut self, peer: PeerId) {
        if self.tails.remove(&peer).is_some() {
            self.runtime.note_failure("sql", self.overflow.remove(peer));
        }
    }

    /// Remembers where a peer came from that is to be refused for a while.
    fn note_refused(&mut self, now: Instant, peer: PeerId, reason: CloseReason) {
        if !reason.is_peers_fault() || self.refused.len() >= REFUSED_MAX {
            return;
        }
        let address = self
            .sockets
            .get(peer)
            .and_then(|socket| self.runtime.address_of(socket));
        if let Some(address) = address {
            let until = now.saturating_add(self.runtime.settings.refuse_after_close);
            self.refused.insert(address, until);
        }
    }
}

fn lost(error: RestoreError) -> Lost {
    if matches!(error, RestoreError::Version(_)) {
        Lost::Outdated
    } else {
        Lost::Damaged
    }
}

//! One object awake: the core's room, and the sockets of its peers.
//!
//! Each event runs to its end without waiting, in this order: the core decides, the peer's state is
//! kept, then messages go out. Whatever goes wrong in between, a wake finds every peer as it was
//! after its last event that was kept.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use signal_access::{Door, Place, Refusal, RefusalCause};
use signal_core::{CloseReason, Instant, Outcome, Output, PeerId, RestoreError, Room};
use worker::{WebSocket, WebSocketIncomingMessage, WebSocketPair};

use crate::attachment::{self, Attachment, Kept, Record, RowChange};
use crate::clock;
use crate::closing::{self, Answer, Lost};
use crate::connections::{self, Connection, Connections};
use crate::door;
use crate::event::Event;
use crate::overflow::Overflow;
use crate::readers::Queue;
use crate::row::Row;
use crate::runtime::Runtime;
use crate::ticket::{Holder, Ticket};

/// How often peers that have gone silent are looked for, while the object is awake.
const LOOK_INTERVAL: Duration = Duration::from_secs(15);

/// How often it is noted that topics were skipped for a limit.
const SKIP_NOTE_INTERVAL: Duration = Duration::from_secs(60);

/// The object's memory. All of it can be rebuilt from what the runtime keeps, but for what peers
/// did that have gone.
#[derive(Debug)]
pub(crate) struct Host {
    runtime: Rc<Runtime>,
    room: Room,
    connections: Connections,
    door: Door,
    overflow: Overflow,
    looked_at: Instant,
    /// When it was last noted that topics were skipped for a limit.
    skip_noted_at: Option<Instant>,
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
        let mut rows = runtime
            .note_failure("sql", overflow.read_all())
            .unwrap_or_default();
        let mut host = Self {
            room: Room::new(runtime.settings.core.clone()),
            connections: Connections::new(&runtime.settings),
            door: door::new(&runtime.settings),
            overflow,
            looked_at: Instant::ZERO,
            skip_noted_at: None,
            next_peer: 1,
            runtime,
        };
        let mut lost = 0;
        for socket in host.runtime.sockets() {
            if let Err(why) = host.restore(&socket, &mut rows) {
                lost += 1;
                host.close(&socket, why.code(), why.text(), why.name());
            }
        }
        // Of sockets that went without an event: a deploy ends them all.
        for peer in rows.into_keys() {
            host.remove_row(peer);
        }
        let peers = host.room.peers().len();
        if peers + lost > 0 {
            host.runtime.events.note(&Event::Wake { peers, lost });
        }
        host
    }

    /// Lets a peer in.
    pub(crate) fn accept(&mut self, ticket: Ticket) -> Result<WebSocket, Rejection> {
        let now = clock::now();
        self.end_the_silent(now);
        let place = self.enter(now, &ticket.holder);
        let place = place.map_err(Rejection::Refused)?;
        let pair = match self.open() {
            Ok(pair) => pair,
            Err(error) => {
                self.door.leave(now, place);
                return Err(Rejection::Failed(error));
            }
        };
        let peer = PeerId::new(self.next_peer);
        self.next_peer = self.next_peer.saturating_add(1);
        // No peer has this number yet.
        let _ = self.room.restore(peer, ticket.peer);
        let connection = Connection {
            socket: pair.server,
            holder: ticket.holder,
            place,
            heard_at: now,
            row: None,
            queue: Queue::default(),
        };
        self.connections.insert(peer, connection);
        self.keep(peer);
        self.runtime.events.note(&Event::Connect {
            peers: self.room.peers().len(),
        });
        Ok(pair.client)
    }

    /// Handles a message.
    pub(crate) fn receive(&mut self, socket: &WebSocket, message: &WebSocketIncomingMessage) {
        let Some(peer) = self.connections.peer_of(socket) else {
            return;
        };
        let now = clock::now();
        if let Some(connection) = self.connections.get_mut(peer) {
            connection.heard_at = now;
            connection.place.set_silent(false);
        }
        self.end_the_silent(now);
        self.end_the_slow(now);
        let mut effects: Vec<Output> = Vec::new();
        let outcome = match message {
            WebSocketIncomingMessage::String(text) => {
                self.room.receive(now, peer, text, &mut effects)
            }
            WebSocketIncomingMessage::Binary(bytes) => {
                self.room.receive_binary(now, peer, bytes, &mut effects)
            }
        };
        match outcome {
            Some(Outcome::Held(reason)) => self.runtime.events.note(&Event::Hold {
                reason: reason.name(),
            }),
            Some(Outcome::Subscribed {
                limit: Some(limit), ..
            }) => self.note_skip(now, limit),
            _ => {}
        }
        self.keep(peer);
        self.carry_out(now, effects);
    }

    /// A socket has been closed, or broke. The runtime also says so after a close of ours.
    pub(crate) fn closed(&mut self, socket: &WebSocket, code: usize, reason: &str) {
        if let Some(peer) = self.connections.peer_of(socket) {
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
        let now = clock::now();
        self.end_the_silent(now);
        self.end_the_slow(now);
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
        let room = self.room.poll_timeout();
        let readers = self.connections.readers.poll_timeout();
        room.into_iter().chain(readers).min()
    }

    /// Peers get no answer for topics that are skipped, so the log has the name of the setting, at
    /// most once a minute.
    fn note_skip(&mut self, now: Instant, limit: &'static str) {
        let is_early = |at| now.saturating_since(at) < SKIP_NOTE_INTERVAL;
        if !self.skip_noted_at.is_some_and(is_early) {
            self.skip_noted_at = Some(now);
            self.runtime.events.note(&Event::Skip { limit });
        }
    }

    fn restore(
        &mut self,
        socket: &WebSocket,
        rows: &mut BTreeMap<PeerId, Option<Row>>,
    ) -> Result<(), Lost> {
        if !connections::is_open(socket) {
            return Ok(());
        }
        let bytes = connections::attachment(socket).ok_or(Lost::Outdated)?;
        let attachment = Attachment::read(&bytes).map_err(lost)?;
        let peer = attachment.peer;
        self.next_peer = self.next_peer.max(peer.as_u64().saturating_add(1));
        let row = match attachment.needs_row() {
            true => rows.remove(&peer).flatten(),
            false => None,
        };
        let record = attachment.record(row.as_ref()).map_err(lost)?;
        self.room.restore(peer, record.snapshot).map_err(lost)?;
        let connection = Connection {
            socket: socket.clone(),
            place: door::recall(&mut self.door, clock::now(), &record.holder),
            holder: record.holder,
            heard_at: record.heard_at,
            row,
            queue: Queue::default(),
        };
        self.connections.insert(peer, connection);
        Ok(())
    }

    fn enter(&mut self, now: Instant, holder: &Holder) -> Result<Place, Refusal> {
        if self.room.peers().len() >= self.runtime.settings.peers_max as usize {
            return Err(Refusal::because(RefusalCause::PeersMax, clock::random()));
        }
        door::enter(&mut self.door, now, holder)
    }

    /// A pair of sockets, of which the runtime has taken over one.
    fn open(&self) -> worker::Result<WebSocketPair> {
        let pair = WebSocketPair::new()?;
        self.runtime.accept(&pair.server)?;
        Ok(pair)
    }

    /// Closes those of whom nothing was heard for too long: their clients have vanished, and there
    /// is no event for that. It is looked for when there is something else to do, and before that
    /// is done: nobody is harmed by a peer of a room in which nothing happens.
    fn end_the_silent(&mut self, now: Instant) {
        let silence_max = self.runtime.settings.silence_max;
        if silence_max.is_zero() || now.saturating_since(self.looked_at) < LOOK_INTERVAL {
            return;
        }
        self.looked_at = now;
        let is_silent = |heard_at| now.saturating_since(heard_at) >= silence_max;
        let mut silent = Vec::new();
        for (peer, connection) in self.connections.iter_mut() {
            if !is_silent(connection.heard_at) {
                continue;
            }
            let pinged = self.runtime.last_ping(&connection.socket);
            // Where a runtime does not say, no peer is taken for gone.
            let pinged = self.runtime.note_failure("last_ping", pinged);
            let pinged = pinged.map_or(now, |at| at.unwrap_or(connection.heard_at));
            connection.heard_at = connection.heard_at.max(pinged);
            if is_silent(connection.heard_at) {
                silent.push(peer);
            }
        }
        self.end_all(silent, CloseReason::TimedOut);
    }

    /// Keeps a peer's state where it outlasts this memory.
    fn keep(&mut self, peer: PeerId) {
        let connection = self.connections.get_mut(peer);
        let (Some(snapshot), Some(connection)) = (self.room.snapshot(peer), connection) else {
            return;
        };
        let record = Record {
            peer,
            heard_at: connection.heard_at,
            holder: connection.holder.clone(),
            snapshot,
        };
        let Kept { attachment, row } = attachment::keep(&record, connection.row.as_ref());
        let stored = match &row {
            RowChange::Write(row) => self.overflow.write(peer, row),
            RowChange::Same | RowChange::Remove => Ok(()),
        };
        let kept = stored.and_then(|()| connections::attach(&connection.socket, &attachment));
        if self.runtime.note_failure("keep", kept).is_none() {
            self.end(
                peer,
                Lost::Damaged.code(),
                Lost::Damaged.text(),
                Lost::Damaged.name(),
            );
            return;
        }
        match row {
            RowChange::Write(row) => connection.row = Some(row),
            RowChange::Remove => {
                connection.row = None;
                self.remove_row(peer);
            }
            RowChange::Same => {}
        }
    }

    fn carry_out(&mut self, now: Instant, effects: Vec<Output>) {
        for effect in effects {
            match effect {
                Output::Send { to, message } => self.send(now, &to, message.as_str()),
                // `ping_interval` is zero: see `end_the_silent`.
                Output::Ping(_) => {}
                Output::Close(peer, reason) => {
                    self.note_offence(now, peer, reason);
                    self.end(peer, reason.code(), reason.text(), reason.name());
                }
            }
        }
    }

    fn send(&mut self, now: Instant, to: &[PeerId], message: &str) {
        let note = |sent| self.runtime.note_failure("send", sent).is_some();
        let slow = self.connections.send(now, to, message, note);
        self.end_all(slow, CloseReason::SlowConsumer);
    }

    /// Ends those who read too slowly, and those who hold most if all of them hold too much: before
    /// an event is handled, when the runtime has written what it could since the last one.
    fn end_the_slow(&mut self, now: Instant) {
        let readers = &self.connections.readers;
        let must_weigh = readers.must_weigh();
        if readers.poll_timeout().is_some_and(|due| due <= now) {
            let slow = self.connections.end_of_patience(now);
            self.end_all(slow, CloseReason::SlowConsumer);
        }
        if must_weigh {
            let sockets = self.runtime.sockets();
            let closing = sockets
                .iter()
                .filter(|socket| !connections::is_open(socket));
            let closing = closing.map(connections::buffered).sum();
            let excess = self.connections.excess(now, closing);
            self.end_all(excess, CloseReason::MemoryMax);
        }
    }

    fn end_all(&mut self, peers: Vec<PeerId>, reason: CloseReason) {
        for peer in peers {
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
        let connection = self.connections.remove(peer)?;
        self.door.leave(clock::now(), connection.place);
        if connection.row.is_some() {
            self.remove_row(peer);
        }
        Some(connection.socket)
    }

    fn remove_row(&self, peer: PeerId) {
        self.runtime.note_failure("sql", self.overflow.remove(peer));
    }

    /// Remembers that a peer is closed for what it did.
    fn note_offence(&mut self, now: Instant, peer: PeerId, reason: CloseReason) {
        if !reason.is_peers_fault() {
            return;
        }
        if let Some(connection) = self.connections.get_mut(peer) {
            self.door.offend(now, &mut connection.place);
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

mod admission;
mod keys;
mod queues;

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

use signal_access::{Door, KeyWaiter, Place};
use signal_backpressure::Backlog;
use signal_core::{CloseReason, Grant, Instant, Message, Outcome, PeerId, Room, Sink};

use self::queues::Readers;
use crate::drain::Drain;
use crate::json;
use crate::metrics::{self, Now, Queues};
use crate::output::Output;
use crate::published::Published;
use crate::settings::{Settings, SettingsError};
use crate::stats::Stats;

/// The most addresses remembered of which nobody is connected, each in some 150 bytes.
const IDLE_ADDRESSES_MAX: usize = 16_384;
/// How long a line is not said again.
const NOTICE_PAUSE: Duration = Duration::from_secs(60);

/// A whole relay: the room, the door before it, and what is counted.
///
/// A host asks with each request, connects whom it has upgraded, and says when a connection has
/// ended; in between it hands in what arrives. After each call it does what stands in the output,
/// and calls [`tick`](Self::tick) when [`poll_timeout`](Self::poll_timeout) has come. It counts
/// time from where it likes, but never back.
#[derive(Debug)]
pub struct Relay {
    settings: Settings,
    host: Host,
    room: Room,
    door: Door,
    connections: BTreeMap<PeerId, Connection>,
    /// By when each upgrade has to be made, the earliest first. Of those that are made or have
    /// failed, entries stay until they are the first.
    upgrading: VecDeque<(Instant, PeerId)>,
    /// How many of them are requests that are being judged.
    judged: u32,
    drain: Option<Drain>,
    /// Where keys of tokens are fetched from.
    published: Option<Published>,
    /// How often the keys were changed: what was asked of some says nothing of others.
    keys_edition: u32,
    stats: Stats,
    readers: Readers,
    /// When the line about each limit may be said again.
    noticed: Vec<(&'static str, Instant)>,
    next_peer: u32,
}

/// What a host does that others do not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host {
    /// The runtime pings its sockets itself, with the interval that [`Relay::limits`] tells.
    pub pings: bool,
    /// It has an authorizer, which is asked who may come in.
    pub authorizes: bool,
}

/// A connection counts from its request to its end, which may come after its close.
#[derive(Debug)]
struct Connection {
    place: Place,
    stage: Stage,
    /// What waited when all were weighed.
    backlog: Option<Box<Backlog>>,
}

impl Connection {
    fn new(place: Place, stage: Stage) -> Self {
        Self {
            place,
            stage,
            backlog: None,
        }
    }
}

#[derive(Debug)]
enum Stage {
    /// The host has a question to answer about this request.
    Judging(Pending),
    Upgrading(Grant),
    Open,
    Closing,
}

/// A request that is being judged.
#[derive(Debug)]
struct Pending {
    request: Vec<u8>,
    keys_edition: u32,
    /// It waits for keys.
    waiter: Option<KeyWaiter>,
}

impl Relay {
    /// A relay without peers.
    ///
    /// # Errors
    ///
    /// If both tokens and an authorizer are to say who may come in.
    pub fn new(settings: Settings, host: Host) -> Result<Self, SettingsError> {
        if host.authorizes && settings.access.tokens.is_some() {
            return Err(SettingsError::TokensAndAuthorizer);
        }
        let mut core = settings.core.clone();
        if host.pings {
            core.ping_interval = Duration::ZERO;
        }
        Ok(Self {
            host,
            room: Room::new(core),
            door: Door::new(settings.addresses, IDLE_ADDRESSES_MAX),
            connections: BTreeMap::new(),
            upgrading: VecDeque::new(),
            judged: 0,
            drain: None,
            published: settings.token_jwks_url.clone().map(Published::at),
            keys_edition: 0,
            stats: Stats::default(),
            readers: Readers::new(&settings),
            noticed: Vec::new(),
            next_peer: 1,
            settings,
        })
    }

    /// All limits by name, as JSON: sizes in bytes, times in milliseconds.
    pub fn limits(&self) -> String {
        let limits = self.settings.limits();
        json::object(limits.map(|(name, _, value)| (name, value.to_string())))
    }

    /// Who may come in, in words.
    pub fn access(&self) -> String {
        let access = self.settings.access.to_string();
        if !self.host.authorizes {
            return access;
        }
        let origins = access.split_once("; origins ");
        match origins {
            Some((_, origins)) => format!("those whom authorize lets in; origins {origins}"),
            None => "those whom authorize lets in".to_owned(),
        }
    }

    /// What there is and what has happened, as JSON.
    pub fn stats(&self) -> String {
        let now = [
            ("peers", self.room.peers().len().to_string()),
            ("topics", self.room.topics().len().to_string()),
            ("draining", self.drain.is_some().to_string()),
        ];
        json::object(now.into_iter().chain(self.stats.members()))
    }

    /// The same as text for Prometheus, by the names of `signal serve`. What waits for peers is
    /// known to the host.
    pub fn metrics(&self, queues: Queues) -> String {
        let is_coming = |connection: &&Connection| {
            matches!(connection.stage, Stage::Judging(_) | Stage::Upgrading(_))
        };
        let subscribers = self.room.topics().iter();
        let now = Now {
            peers: self.room.peers().len() as u64,
            peers_max: self.settings.peers_max.into(),
            handshakes: self.connections.values().filter(is_coming).count() as u64,
            topics: self.room.topics().len() as u64,
            subscriptions: subscribers.map(|(_, peers)| peers.len() as u64).sum(),
            is_draining: self.drain.is_some(),
            queues,
            queue_limit: self.settings.outbound_bytes_max.into(),
        };
        metrics::text(&now, &self.stats)
    }

    /// Begins a connection whose request was answered with an upgrade.
    pub fn connect(&mut self, now: Instant, peer: PeerId, out: &mut Output) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            // Its place was given to others in the meantime.
            out.close(peer, CloseReason::TimedOut);
            return;
        };
        let Stage::Upgrading(grant) = &connection.stage else {
            return;
        };
        self.room.connect(now, peer, grant.clone());
        connection.stage = Stage::Open;
        connection.place.set_silent(true);
        self.stats.connects = self.stats.connects.saturating_add(1);
        self.forget_upgraded();
        // It was let in before the relay began to drain.
        if self.drain.is_some() {
            self.end(peer, CloseReason::Draining, out);
        }
    }

    /// Handles a message, text or binary. Of one that is too long, the first bytes past the limit
    /// are enough.
    pub fn receive(&mut self, now: Instant, peer: PeerId, message: &[u8], out: &mut Output) {
        self.heard(peer);
        let outcome = self.room.receive_binary(now, peer, message, out);
        self.note(now, peer, outcome, Some(message.len()), out);
        self.count_sent(out);
    }

    /// Handles a ping or pong frame with so many bytes in it.
    pub fn receive_frame(&mut self, now: Instant, peer: PeerId, bytes: usize, out: &mut Output) {
        self.heard(peer);
        let outcome = self.room.receive_frame(now, peer, bytes);
        self.note(now, peer, outcome, None, out);
    }

    /// Notes that the runtime ends a connection for a frame that breaks RFC 6455, or for a message
    /// that it does not take.
    pub fn broke_protocol(&mut self, now: Instant, peer: PeerId) {
        self.room.disconnect(peer);
        self.readers.forget(peer);
        if let Some(connection) = self.connections.get_mut(&peer) {
            self.door.offend(now, &mut connection.place);
            connection.stage = Stage::Closing;
            self.stats.close(CloseReason::Protocol);
        }
    }

    /// Forgets a connection that has ended, in whatever way.
    pub fn leave(&mut self, now: Instant, peer: PeerId) {
        self.room.disconnect(peer);
        self.readers.forget(peer);
        if let Some(connection) = self.connections.remove(&peer) {
            match connection.stage {
                Stage::Open => self.stats.by_peer = self.stats.by_peer.saturating_add(1),
                Stage::Judging(pending) => {
                    self.judged = self.judged.saturating_sub(1);
                    self.stop_waiting(&pending);
                }
                Stage::Upgrading(_) | Stage::Closing => {}
            }
            self.door.leave(now, connection.place);
        }
        self.forget_upgraded();
    }

    /// Begins a shutdown: nobody is let in any more, and peers are closed one after the other.
    pub fn drain(&mut self, now: Instant, out: &mut Output) {
        if self.drain.is_none() {
            let spread = Duration::from_secs(self.settings.drain_seconds.into());
            let peers = self.connections.keys().copied().collect();
            self.drain = Some(Drain::new(now, spread, peers));
        }
        self.tick(now, out);
    }

    /// Acts on every deadline up to `now`. Calling it early does nothing.
    pub fn tick(&mut self, now: Instant, out: &mut Output) {
        let mut watched = Watched {
            out,
            closed: Vec::new(),
        };
        self.room.handle_timeout(now, &mut watched);
        for (peer, reason) in watched.closed {
            self.closed(now, peer, reason);
        }
        while let Some((due, peer)) = self.upgrading.front().copied() {
            if due > now {
                break;
            }
            self.upgrading.pop_front();
            if self.is_upgrading(peer) {
                self.leave(now, peer);
            }
        }
        while let Some(peer) = self.drain.as_mut().and_then(|drain| drain.next(now)) {
            self.end(peer, CloseReason::Draining, out);
        }
        let due = self.readers.due(now);
        if !due.is_empty() {
            out.look(&due);
        }
        self.count_sent(out);
    }

    /// The earliest deadline, if there is one.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let drain = self.drain.as_ref().and_then(Drain::poll_timeout);
        let published = self.published.as_ref().filter(|_| self.drain.is_none());
        let fetch = published.map(Published::poll_timeout);
        let room = self.room.poll_timeout();
        let upgrade = self.upgrading.front().map(|(due, _)| *due);
        let readers = self.readers.poll_timeout();
        let own = drain.into_iter().chain(upgrade).chain(readers).chain(fetch);
        room.into_iter().chain(own).min()
    }

    /// Gives an upgrade `handshake_timeout` to be made. Not every runtime says so when it fails:
    /// Deno is silent about a client that has gone away before its answer.
    fn begin_upgrade(&mut self, now: Instant, peer: PeerId) {
        let due = now.saturating_add(self.settings.handshake_timeout);
        self.upgrading.push_back((due, peer));
    }

    fn forget_upgraded(&mut self) {
        while let Some((_, peer)) = self.upgrading.front().copied() {
            if self.is_upgrading(peer) {
                break;
            }
            self.upgrading.pop_front();
        }
    }

    fn is_upgrading(&self, peer: PeerId) -> bool {
        let connection = self.connections.get(&peer);
        connection.is_some_and(|connection| matches!(connection.stage, Stage::Upgrading(_)))
    }

    /// Notes that something was said on a connection.
    fn heard(&mut self, peer: PeerId) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.place.set_silent(false);
        }
    }

    fn note(
        &mut self,
        now: Instant,
        peer: PeerId,
        outcome: Option<Outcome>,
        bytes: Option<usize>,
        out: &mut Output,
    ) {
        let Some(outcome) = outcome else { return };
        self.stats.outcome(outcome, bytes);
        if let Outcome::Held(_) = outcome {
            out.hold(peer);
        }
        if let Outcome::Subscribed {
            limit: Some(limit), ..
        } = outcome
        {
            self.skipped(now, limit, out);
        }
    }

    /// Says that a topic was skipped for a limit, at most once a minute for each limit. The peer
    /// gets no answer, so the line is what leads from an empty room to the setting.
    fn skipped(&mut self, now: Instant, limit: &'static str, out: &mut Output) {
        self.noticed.retain(|(_, due)| *due > now);
        if !self.noticed.iter().any(|(known, _)| *known == limit) {
            self.noticed.push((limit, now.saturating_add(NOTICE_PAUSE)));
            let (limit, fix) = match limit {
                "grant_clients_max" => {
                    ("the clients_max of its token or grant", "give a larger one")
                }
                setting => (setting, "raise the setting"),
            };
            out.notice(&format!(
                "a subscribe was past {limit}: its peer is not in that room and gets nothing of it; \
                 {fix} if your app needs more"
            ));
        }
    }

    /// Closes a peer for a reason of the host's.
    fn end(&mut self, peer: PeerId, reason: CloseReason, out: &mut Output) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        match connection.stage {
            Stage::Open => {}
            // Those who are not in yet are seen to when they come.
            Stage::Judging(_) | Stage::Upgrading(_) | Stage::Closing => return,
        }
        connection.stage = Stage::Closing;
        self.room.disconnect(peer);
        self.readers.forget(peer);
        self.stats.close(reason);
        out.close(peer, reason);
    }

    /// Notes that the room has closed a peer.
    fn closed(&mut self, now: Instant, peer: PeerId, reason: CloseReason) {
        self.stats.close(reason);
        self.readers.forget(peer);
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        connection.stage = Stage::Closing;
        if reason.is_peers_fault() {
            self.door.offend(now, &mut connection.place);
        }
    }
}

/// The output, and whom the room closes.
struct Watched<'o> {
    out: &'o mut Output,
    closed: Vec<(PeerId, CloseReason)>,
}

impl Sink for Watched<'_> {
    fn send(&mut self, to: &[PeerId], message: &Message) {
        self.out.send(to, message);
    }

    fn ping(&mut self, to: PeerId) {
        self.out.ping(to);
    }

    fn close(&mut self, peer: PeerId, reason: CloseReason) {
        self.out.close(peer, reason);
        self.closed.push((peer, reason));
    }
}

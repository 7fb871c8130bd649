use std::collections::BTreeMap;
use std::time::Duration;

use signal_access::{
    AddressKey, AuthResult, Permit, Refusal, RefusalCause, UnixTime, choose_protocol,
};
use signal_core::{CloseReason, Grant, Instant, Message, Outcome, PeerId, Room, Sink};

use crate::door::{Door, Place};
use crate::drain::Drain;
use crate::output::Output;
use crate::pages::{self, State};
use crate::request::{Answer, Page, Request};
use crate::settings::Settings;
use crate::stats::Stats;
use crate::{json, upgrade};

/// A whole relay: the room, the door before it, and what is counted.
///
/// A host asks with each request, connects whom it has upgraded, and says when a connection has
/// ended; in between it hands in what arrives. After each call it does what stands in the output,
/// and calls [`tick`](Self::tick) when [`poll_timeout`](Self::poll_timeout) has come. It counts
/// time from where it likes, but never back.
#[derive(Debug)]
pub struct Relay {
    settings: Settings,
    room: Room,
    door: Door,
    connections: BTreeMap<PeerId, Connection>,
    drain: Option<Drain>,
    stats: Stats,
    next_peer: u32,
}

/// A connection counts from its request to its end, which may come after its close.
#[derive(Debug)]
struct Connection {
    place: Place,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Upgrading(Grant),
    Open,
    Closing,
}

impl Relay {
    /// A relay without peers. Where the runtime pings its sockets itself, with the interval that
    /// [`limits`](Self::limits) tells, the relay does not.
    pub fn new(settings: Settings, runtime_pings: bool) -> Self {
        let mut core = settings.core.clone();
        if runtime_pings {
            core.ping_interval = Duration::ZERO;
        }
        Self {
            room: Room::new(core),
            door: Door::new(&settings),
            connections: BTreeMap::new(),
            drain: None,
            stats: Stats::default(),
            next_peer: 1,
            settings,
        }
    }

    /// All limits by name, as JSON: sizes in bytes, times in milliseconds.
    pub fn limits(&self) -> String {
        let limits = self.settings.limits();
        json::object(limits.map(|(name, _, value)| (name, value.to_string())))
    }

    /// Who may come in, in words.
    pub fn access(&self) -> String {
        self.settings.access.to_string()
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

    /// Judges a request. `now` and `unix_now` are the same moment; `random` spreads those who are
    /// all refused at once.
    pub fn request(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        request: &Request<'_>,
    ) -> Answer {
        if !upgrade::is_asked_for(request) {
            let state = State {
                peers: self.connections.len(),
                is_draining: self.drain.is_some(),
            };
            return Answer::Page(pages::answer(request, &self.settings, state));
        }
        if let Err(page) = upgrade::check(request) {
            let refusal = Refusal::because(RefusalCause::BadRequest, random);
            self.stats.refusal(&refusal);
            return Answer::Page(page);
        }
        match self.admit(now, unix_now, random, request) {
            Ok((peer, protocol)) => Answer::Upgrade { peer, protocol },
            Err(refusal) => {
                self.stats.refusal(&refusal);
                Answer::Page(Page::from(&refusal))
            }
        }
    }

    /// Begins a connection whose request was answered with an upgrade.
    pub fn connect(&mut self, now: Instant, peer: PeerId) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        if let Stage::Upgrading(grant) = &connection.stage {
            self.room.connect(now, peer, grant.clone());
            connection.stage = Stage::Open;
            self.stats.connects = self.stats.connects.saturating_add(1);
        }
    }

    /// Handles a message, text or binary. Of one that is too long, the first bytes past the limit
    /// are enough.
    pub fn receive(&mut self, now: Instant, peer: PeerId, message: &[u8], out: &mut Output) {
        let outcome = self.room.receive_binary(now, peer, message, out);
        self.note(peer, outcome, out);
    }

    /// Handles a ping or pong frame with so many bytes in it.
    pub fn receive_frame(&mut self, now: Instant, peer: PeerId, bytes: usize, out: &mut Output) {
        let outcome = self.room.receive_frame(now, peer, bytes);
        self.note(peer, outcome, out);
    }

    /// Closes a peer for whom more waits than may.
    pub fn overflow(&mut self, peer: PeerId, out: &mut Output) {
        self.end(peer, CloseReason::SlowConsumer, out);
    }

    /// Notes that the runtime ends a connection for a frame that breaks RFC 6455, or for a message
    /// that it does not take.
    pub fn broke_protocol(&mut self, now: Instant, peer: PeerId) {
        self.room.disconnect(peer);
        if let Some(connection) = self.connections.get_mut(&peer) {
            self.door.offend(now, &mut connection.place);
            connection.stage = Stage::Closing;
            self.stats.close(CloseReason::Protocol);
        }
    }

    /// Forgets a connection that has ended, in whatever way.
    pub fn leave(&mut self, now: Instant, peer: PeerId) {
        self.room.disconnect(peer);
        if let Some(connection) = self.connections.remove(&peer) {
            self.door.leave(now, connection.place);
        }
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
        while let Some(peer) = self.drain.as_mut().and_then(|drain| drain.next(now)) {
            self.end(peer, CloseReason::Draining, out);
        }
    }

    /// The earliest deadline, if there is one.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let drain = self.drain.as_ref().and_then(Drain::poll_timeout);
        let room = self.room.poll_timeout();
        room.into_iter().chain(drain).min()
    }

    fn admit(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        request: &Request<'_>,
    ) -> Result<(PeerId, Option<String>), Refusal> {
        if self.drain.is_some() {
            return Err(Refusal::because(RefusalCause::Draining, random));
        }
        if self.connections.len() >= self.settings.peers_max as usize {
            return Err(Refusal::because(RefusalCause::PeersMax, random));
        }
        let mut place = self.door.enter(now, self.address(request))?;
        let permit = match self.judge(now, unix_now, request, &mut place) {
            Ok(permit) => permit,
            Err(refusal) => {
                self.door.leave(now, place);
                return Err(refusal);
            }
        };
        let offered = request.protocols.as_slice().iter().copied();
        let protocol = match permit.protocol {
            Some(protocol) => Some(protocol.into_owned()),
            None => choose_protocol(offered).map(str::to_owned),
        };
        let peer = self.name();
        let connection = Connection {
            place,
            stage: Stage::Upgrading(permit.grant),
        };
        self.connections.insert(peer, connection);
        Ok((peer, protocol))
    }

    fn judge(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        request: &Request<'_>,
        place: &mut Place,
    ) -> Result<Permit, Refusal> {
        let judged = self.settings.access.judge(&request.parts(), unix_now);
        let admitted = judged.map_err(Refusal::from).inspect_err(|refusal| {
            self.stats.auth(refusal.auth());
            if refusal.is_denial() {
                place.deny();
            }
        })?;
        let mut permit = admitted.permit(unix_now, now);
        self.door.admit(place, permit.subject.take())?;
        self.stats.auth(AuthResult::Granted);
        Ok(permit)
    }

    /// The address that a connection counts for; none for one that is left alone.
    fn address(&self, request: &Request<'_>) -> Option<AddressKey> {
        let remote = request.remote_ip()?;
        let forwarded = request.forwarded_for.as_slice().iter().copied();
        let client = self.settings.trusted_proxies.client(remote, forwarded);
        let address = AddressKey::new(client);
        (self.settings.limit_private_ips || !address.is_private()).then_some(address)
    }

    /// A name that no connection has. They come round after four billion connections.
    fn name(&mut self) -> PeerId {
        loop {
            let peer = PeerId::new(self.next_peer.into());
            self.next_peer = self.next_peer.checked_add(1).unwrap_or(1);
            if !self.connections.contains_key(&peer) {
                return peer;
            }
        }
    }

    fn note(&mut self, peer: PeerId, outcome: Option<Outcome>, out: &mut Output) {
        let Some(outcome) = outcome else { return };
        self.stats.outcome(outcome);
        if let Outcome::Held(_) = outcome {
            out.hold(peer);
        }
    }

    /// Closes a peer for a reason of the host's.
    fn end(&mut self, peer: PeerId, reason: CloseReason, out: &mut Output) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        if let Stage::Closing = connection.stage {
            return;
        }
        connection.stage = Stage::Closing;
        self.room.disconnect(peer);
        self.stats.close(reason);
        out.close(peer, reason);
    }

    /// Notes that the room has closed a peer.
    fn closed(&mut self, now: Instant, peer: PeerId, reason: CloseReason) {
        self.stats.close(reason);
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

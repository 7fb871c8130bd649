use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

use signal_access::{
    AddressKey, Admitted, AuthResult, Denied, Door, Judging, Permit, Place, Refusal, RefusalCause,
    UnixTime, choose_protocol,
};
use signal_core::{CloseReason, Grant, Instant, Message, Outcome, PeerId, Room, Sink};

use crate::decision;
use crate::drain::Drain;
use crate::metrics::{self, Now, Queues};
use crate::output::Output;
use crate::pages::{self, State};
use crate::question::{NoAnswer, Question, Signature};
use crate::request::{Answer, Page, Request};
use crate::settings::{Settings, SettingsError};
use crate::stats::Stats;
use crate::{json, upgrade};

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
    drain: Option<Drain>,
    stats: Stats,
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
}

#[derive(Debug)]
enum Stage {
    /// The host has a question to answer about this request.
    Judging(Vec<u8>),
    Upgrading(Grant),
    Open,
    Closing,
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
            drain: None,
            stats: Stats::default(),
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

    /// The keys of tokens that the host verifies with, as a list in JSON of JWKs, each in an
    /// object of its own.
    pub fn keys(&self) -> String {
        let tokens = self.settings.access.tokens.iter();
        json::list(tokens.flat_map(|tokens| tokens.host_keys().map(str::to_owned)))
    }

    /// What an operator should know of the keys, each a sentence.
    pub fn notices(&self) -> impl Iterator<Item = String> {
        let tokens = self.settings.access.tokens.iter();
        tokens.flat_map(|tokens| {
            tokens
                .notices()
                .iter()
                .map(|notice| format!("token_keys: {notice}"))
        })
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
        let answer = self.admit(now, unix_now, random, request);
        answer.unwrap_or_else(|refusal| self.refused(&refusal))
    }

    /// Goes on with a request, the host having verified the signatures that it was asked about: a
    /// bit for each, the lowest for the first, which is 1 if it is right.
    pub fn verified(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        peer: PeerId,
        right: u32,
    ) -> Answer {
        let Some((place, request)) = self.resume(peer) else {
            return gone();
        };
        let request = Request::from_bytes(&request);
        let mut position = 0;
        let judged = self
            .settings
            .access
            .judge_with(&request.parts(), unix_now, &mut |_| {
                let is_right = right.checked_shr(position).unwrap_or_default() & 1 == 1;
                position += 1;
                is_right
            });
        let judged = judged.map_err(Refusal::from);
        let permit = judged.map(|admitted| admitted.permit(unix_now, now));
        let answer = self.judged(now, random, peer, place, &request, permit);
        answer.unwrap_or_else(|refusal| self.refused(&refusal))
    }

    /// Goes on with a request about which the host's authorizer has said this, a JSON of a grant
    /// or of a refusal. What cannot be read lets nobody in.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the log, beside the answer.
    pub fn authorized(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        peer: PeerId,
        answer: &str,
    ) -> (Answer, Option<String>) {
        let decision = match decision::read(answer, unix_now, now) {
            Ok(decision) => decision,
            Err(problem) => {
                let answer = self.not_judged(now, random, peer, NoAnswer::Failed);
                return (answer, Some(problem));
            }
        };
        let Some((place, request)) = self.resume(peer) else {
            return (gone(), None);
        };
        let request = Request::from_bytes(&request);
        let offers = |name: &str| {
            let mut offered = request.protocols.unwrap_or_default().split(',');
            offered.any(|offered| offered.trim() == name)
        };
        let problem = match &decision {
            Ok(Permit {
                protocol: Some(name),
                ..
            }) if !offers(name) => Some(format!("the client does not offer the protocol {name:?}")),
            Ok(_) | Err(_) => None,
        };
        let decision = match &problem {
            Some(_) => Err(failed()),
            None => decision,
        };
        let answer = self.judged(now, random, peer, place, &request, decision);
        let answer = answer.unwrap_or_else(|refusal| self.refused(&refusal));
        (answer, problem)
    }

    /// Goes on with a request about which there is no answer: the door stays shut.
    pub fn not_judged(&mut self, now: Instant, random: u64, peer: PeerId, why: NoAnswer) -> Answer {
        let Some((place, request)) = self.resume(peer) else {
            return gone();
        };
        let refusal = match why {
            NoAnswer::Late => Refusal::not_judged(random),
            NoAnswer::Failed => failed(),
        };
        let request = Request::from_bytes(&request);
        let answer = self.judged(now, random, peer, place, &request, Err(refusal));
        answer.unwrap_or_else(|refusal| self.refused(&refusal))
    }

    /// Begins a connection whose request was answered with an upgrade.
    pub fn connect(&mut self, now: Instant, peer: PeerId, out: &mut Output) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        let Stage::Upgrading(grant) = &connection.stage else {
            return;
        };
        self.room.connect(now, peer, grant.clone());
        connection.stage = Stage::Open;
        connection.place.set_silent(true);
        self.stats.connects = self.stats.connects.saturating_add(1);
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
    }

    /// Handles a ping or pong frame with so many bytes in it.
    pub fn receive_frame(&mut self, now: Instant, peer: PeerId, bytes: usize, out: &mut Output) {
        self.heard(peer);
        let outcome = self.room.receive_frame(now, peer, bytes);
        self.note(now, peer, outcome, None, out);
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
            if let Stage::Open = connection.stage {
                self.stats.by_peer = self.stats.by_peer.saturating_add(1);
            }
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
    ) -> Result<Answer, Refusal> {
        if self.drain.is_some() {
            return Err(Refusal::because(RefusalCause::Draining, random));
        }
        if self.connections.len() >= self.settings.peers_max as usize {
            return Err(Refusal::because(RefusalCause::PeersMax, random));
        }
        // What an authorizer looks up costs more than a signature.
        let judging = match self.host.authorizes {
            true => Judging::Costly,
            false => Judging::Cheap,
        };
        let place = self.door.enter(now, self.address(request), judging)?;
        let peer = self.name();
        match self.judge(unix_now, request) {
            Judged::Asks(question) => {
                let stage = Stage::Judging(request.to_bytes());
                self.connections.insert(peer, Connection { place, stage });
                Ok(Answer::Ask { peer, question })
            }
            Judged::At(judged) => {
                let judged = judged.map_err(Refusal::from);
                let permit = judged.map(|admitted| admitted.permit(unix_now, now));
                self.judged(now, random, peer, place, request, permit)
            }
        }
    }

    /// Judges a request as far as that can be done here.
    fn judge(&self, unix_now: UnixTime, request: &Request<'_>) -> Judged {
        let mut signatures = Vec::new();
        let judged = self
            .settings
            .access
            .judge_with(&request.parts(), unix_now, &mut |check| {
                signatures.push(Signature::from(check));
                false
            });
        if !signatures.is_empty() {
            return Judged::Asks(Question::Signatures(signatures));
        }
        match judged {
            Ok(_) if self.host.authorizes => Judged::Asks(Question::Authorizer),
            judged => Judged::At(judged),
        }
    }

    /// Takes up a request whose question is answered.
    fn resume(&mut self, peer: PeerId) -> Option<(Place, Vec<u8>)> {
        let connection = self.connections.remove(&peer)?;
        match connection.stage {
            Stage::Judging(request) => Some((connection.place, request)),
            Stage::Upgrading(_) | Stage::Open | Stage::Closing => {
                // Asked twice, which changes nothing.
                self.connections.insert(peer, connection);
                None
            }
        }
    }

    /// Lets a client in, or gives its place back.
    fn judged(
        &mut self,
        now: Instant,
        random: u64,
        peer: PeerId,
        mut place: Place,
        request: &Request<'_>,
        judged: Result<Permit, Refusal>,
    ) -> Result<Answer, Refusal> {
        let permit = match self.permit(random, &mut place, judged) {
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
        let stage = Stage::Upgrading(permit.grant);
        self.connections.insert(peer, Connection { place, stage });
        Ok(Answer::Upgrade { peer, protocol })
    }

    fn permit(
        &mut self,
        random: u64,
        place: &mut Place,
        judged: Result<Permit, Refusal>,
    ) -> Result<Permit, Refusal> {
        let mut permit = judged.inspect_err(|refusal| {
            self.stats.auth(refusal.auth());
            if refusal.is_denial() {
                place.deny();
            }
        })?;
        // It may have begun while the request was judged.
        if self.drain.is_some() {
            return Err(Refusal::because(RefusalCause::Draining, random));
        }
        self.door.admit(place, permit.subject.take())?;
        self.stats.auth(AuthResult::Granted);
        Ok(permit)
    }

    fn refused(&mut self, refusal: &Refusal) -> Answer {
        self.stats.refusal(refusal);
        Answer::Page(Page::from(refusal))
    }

    /// Notes that something was said on a connection.
    fn heard(&mut self, peer: PeerId) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.place.set_silent(false);
        }
    }

    /// The address that a connection counts for; none for one that is left alone.
    fn address(&self, request: &Request<'_>) -> Option<AddressKey> {
        let remote = request.remote_ip()?;
        let forwarded = request.forwarded_for.as_slice().iter().copied();
        let client = self.settings.trusted_proxies.client(remote, forwarded);
        let address = AddressKey::new(client);
        (self.settings.addresses.limit_private_ips || !address.is_private()).then_some(address)
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
            out.notice(&format!(
                "a subscribe was past {limit}: its peer is not in that room and gets nothing of it; \
                 raise the setting if your app needs more"
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

/// What the relay itself can say of a request.
enum Judged {
    At(Result<Admitted, Denied>),
    Asks(Question),
}

/// Whoever was asked has failed, which the client cannot help.
fn failed() -> Refusal {
    Refusal::new(500, "your access could not be checked")
}

/// An answer for a client that has gone away in the meantime, or has one already.
fn gone() -> Answer {
    Answer::Page(Page::text(400, "this request is over"))
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

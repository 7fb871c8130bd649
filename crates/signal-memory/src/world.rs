use std::time::Duration;

use signal_core::{CloseReason, Instant, Message, PeerId, Room};

use crate::clock::Jump;
use crate::config::{Config, PeerOptions, RoomId};
use crate::faulty;
use crate::frame::{End, Up};
use crate::host::Host;
use crate::link::{Client, Link};
use crate::net::Net;
use crate::rng::Rng;
use crate::transcript::{Transcript, What};
use crate::wire::Wire;

/// Rooms, peers, the links between them, and the time, all in memory and all from one seed.
///
/// Nothing happens by itself. [`send`](Self::send) and its like only put something on its way;
/// [`advance`](Self::advance), [`run_until_quiet`](Self::run_until_quiet) and [`step`](Self::step)
/// move the time, and what is due happens. The same calls on the same seed give the same world, to
/// the last byte of its [`transcript`](Self::transcript).
///
/// Calls on a peer that this world never connected do nothing.
#[derive(Clone, Debug)]
pub struct World {
    config: Config,
    hosts: Vec<Host>,
    net: Net,
    connected: u64,
}

impl World {
    /// A world with one room, the default limits, and links like those between homes.
    pub fn new(seed: u64) -> Self {
        Self::with_config(Config::new(seed))
    }

    /// A world with these settings.
    pub fn with_config(config: Config) -> Self {
        let hosts = (0..config.rooms)
            .map(|room| Host::new(RoomId(room), &config))
            .collect();
        let transcript = Transcript::new(config.transcript_lines_max);
        let net = Net::new(Rng::new(config.seed), config.jitter_max, transcript);
        Self {
            config,
            hosts,
            net,
            connected: 0,
        }
    }

    /// Connects a peer that may do everything to the first room.
    pub fn connect(&mut self) -> PeerId {
        self.connect_with(PeerOptions::new())
    }

    /// Connects a peer. A room that [drains](Self::drain) closes it at once.
    ///
    /// # Panics
    ///
    /// If the world has no such room.
    pub fn connect_with(&mut self, options: PeerOptions) -> PeerId {
        self.connected += 1;
        let peer = PeerId::new(self.connected);
        let drawn = self
            .net
            .rng
            .duration(Duration::from_millis(1), self.config.delay_max);
        let link = Link {
            room: options.room,
            delay: options.delay.unwrap_or(drawn),
            pace: options.pace,
            is_stalled: false,
            is_severed: false,
            up: faulty::Wire::new(self.config.fault),
            queue: faulty::Queue::new(self.config.fault),
            down: Wire::default(),
            reads_at: Instant::ZERO,
            is_read_planned: false,
            is_over_at_host: false,
            client: Client::default(),
        };
        self.net.links.insert(peer, link);
        let host = &mut self.hosts[options.room.0];
        host.connect(&mut self.net, peer, options.grant);
        if host.is_draining {
            host.close(&mut self.net, peer, CloseReason::Draining);
        }
        peer
    }

    /// Connects a client again, as a new peer, and resets its old connection if that is still open.
    pub fn reconnect(&mut self, before: PeerId, options: PeerOptions) -> PeerId {
        self.abort(before);
        let room = options.room;
        let peer = self.connect_with(options);
        self.net
            .transcript
            .add(self.net.now, room, What::Reconnected { before, peer });
        peer
    }

    /// Sends a text message.
    pub fn send(&mut self, peer: PeerId, text: impl Into<String>) {
        self.send_up(peer, Up::Text(text.into().into()));
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, peer: PeerId, bytes: &[u8]) {
        self.send_up(peer, Up::Binary(bytes.into()));
    }

    /// Closes a connection from the client's side; what was sent before arrives before.
    pub fn disconnect(&mut self, peer: PeerId) {
        self.close(peer, None);
    }

    /// As [`disconnect`](Self::disconnect), with a close code.
    pub fn close(&mut self, peer: PeerId, code: Option<u16>) {
        self.send_up(peer, Up::Close(code));
        if let Some(link) = self.net.links.get_mut(&peer) {
            link.client.is_closing = true;
        }
    }

    /// Tears a connection down from the client's side without a close. The host sees it when it
    /// arrives.
    pub fn abort(&mut self, peer: PeerId) {
        if self.end(peer).is_none() {
            self.net.send_up(peer, Up::Reset);
            self.net.end_client(peer, End::without_close());
        }
    }

    /// Cuts a connection without telling either side: nothing gets through any more, and only a
    /// missing pong shows it.
    pub fn drop_silently(&mut self, peer: PeerId) {
        self.on_link(peer, What::Vanished { peer }, |link| {
            !std::mem::replace(&mut link.is_severed, true)
        });
    }

    /// Lets a client stop reading. It answers no pings either, and what is sent to it waits in its
    /// queue.
    pub fn stall(&mut self, peer: PeerId) {
        self.on_link(peer, What::Stalled { peer }, |link| {
            !std::mem::replace(&mut link.is_stalled, true)
        });
    }

    /// Lets a client read again.
    pub fn resume(&mut self, peer: PeerId) {
        let is_changed = self.on_link(peer, What::Resumed { peer }, |link| {
            std::mem::replace(&mut link.is_stalled, false)
        });
        if is_changed {
            self.net.resume(peer);
        }
    }

    /// Has a room refuse a peer, as a host does for what only it can see.
    pub fn refuse(&mut self, peer: PeerId, reason: CloseReason) {
        if let Some(link) = self.net.links.get(&peer) {
            let room = link.room;
            self.hosts[room.0].refuse(&mut self.net, peer, reason);
        }
    }

    /// Reduces a room to the bytes of its snapshots, drops it, and restores it from them.
    /// Connections stay open.
    ///
    /// # Panics
    ///
    /// If the world has no such room, here and below.
    pub fn hibernate(&mut self, room: RoomId) {
        self.hosts[room.0].hibernate(&mut self.net);
    }

    /// Ends a room's host without a close and starts it again: all connections end, all state is
    /// lost.
    pub fn restart(&mut self, room: RoomId) {
        self.hosts[room.0].restart(&mut self.net);
    }

    /// Closes all peers of a room with [`CloseReason::Draining`], and every later one, until it is
    /// [restarted](Self::restart).
    pub fn drain(&mut self, room: RoomId) {
        self.hosts[room.0].drain(&mut self.net);
    }

    /// Whether a room accepts no more peers.
    pub fn is_draining(&self, room: RoomId) -> bool {
        self.hosts[room.0].is_draining
    }

    /// Sets a room's clock. The time of the world goes on as before.
    pub fn jump_clock(&mut self, room: RoomId, jump: Jump) {
        self.hosts[room.0].clock.jump(jump);
        self.net
            .transcript
            .add(self.net.now, room, What::Jumped { jump });
    }

    /// Lets time pass. Everything due until then happens, in order.
    pub fn advance(&mut self, time: Duration) {
        let end = self.net.now.saturating_add(time);
        while self.next_due().is_some_and(|due| due <= end) {
            self.step();
        }
        self.net.now = end;
    }

    /// Lets time pass until nothing is under way any more but pings, pongs and what waits for a
    /// client that does not read.
    pub fn run_until_quiet(&mut self) {
        while self.is_busy() {
            self.step();
        }
    }

    /// Whether anything is under way but pings, pongs and what waits for a client that does not
    /// read.
    pub const fn is_busy(&self) -> bool {
        !self.net.is_quiet()
    }

    /// Whether a client can still send: it has not closed, and has not seen its connection end.
    pub fn can_send(&self, peer: PeerId) -> bool {
        let client = self.net.links.get(&peer).map(|link| &link.client);
        client.is_some_and(|client| !client.is_closing && client.end.is_none())
    }

    /// Moves the time to the next thing that is due and lets it happen. False if there is none.
    pub fn step(&mut self) -> bool {
        let deadline = self.next_deadline();
        // What has arrived by a deadline is read before the deadline is acted on.
        match (self.net.due(), deadline) {
            (None, None) => return false,
            (Some(due), Some((at, room))) if at < due => self.act_on_deadlines(at, room),
            (None, Some((at, room))) => self.act_on_deadlines(at, room),
            (Some(_), _) => {
                if let Some((peer, frame)) = self.net.step() {
                    let room = self.net.links[&peer].room;
                    self.hosts[room.0].receive(&mut self.net, peer, frame);
                }
            }
        }
        true
    }

    /// When something is due next, if ever.
    pub fn next_due(&self) -> Option<Instant> {
        let deadline = self.next_deadline().map(|(at, _)| at);
        self.net.due().into_iter().chain(deadline).min()
    }

    /// The messages a client has received and nobody has [taken](Self::take_received), oldest
    /// first.
    pub fn received(&self, peer: PeerId) -> Vec<&str> {
        let link = self.net.links.get(&peer);
        link.map_or_else(Vec::new, |link| {
            link.client.received.iter().map(Message::as_str).collect()
        })
    }

    /// Takes the oldest message a client has received.
    pub fn take_received(&mut self, peer: PeerId) -> Option<Message> {
        self.net.links.get_mut(&peer)?.client.received.pop_front()
    }

    /// How a connection ended, if it has, as its client sees it.
    pub fn end(&self, peer: PeerId) -> Option<&End> {
        self.net.links.get(&peer)?.client.end.as_ref()
    }

    /// How many messages, and how many bytes, wait at the host for this peer to read.
    pub fn waiting(&self, peer: PeerId) -> (usize, usize) {
        let link = self.net.links.get(&peer);
        link.map_or((0, 0), |link| (link.queue.len(), link.queue.bytes()))
    }

    /// The time of the world. It begins at zero and never goes back.
    pub const fn now(&self) -> Instant {
        self.net.now
    }

    /// What the clock of a room shows. It begins at one day, so that it can be set back.
    pub fn clock(&self, room: RoomId) -> Instant {
        self.hosts[room.0].clock.at(self.net.now)
    }

    /// The state machine of a room.
    pub fn room(&self, room: RoomId) -> &Room {
        &self.hosts[room.0].room
    }

    /// How the world was made.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What has happened.
    pub const fn transcript(&self) -> &Transcript {
        &self.net.transcript
    }

    fn send_up(&mut self, peer: PeerId, frame: Up) {
        if self.can_send(peer) {
            self.net.send_up(peer, frame);
        }
    }

    /// Changes a link and notes it, if that was a change.
    fn on_link(
        &mut self,
        peer: PeerId,
        what: What,
        change: impl FnOnce(&mut Link) -> bool,
    ) -> bool {
        let Some(link) = self.net.links.get_mut(&peer) else {
            return false;
        };
        let is_changed = change(link);
        if is_changed {
            self.net.transcript.add(self.net.now, link.room, what);
        }
        is_changed
    }

    fn next_deadline(&self) -> Option<(Instant, RoomId)> {
        let dues = self
            .hosts
            .iter()
            .filter_map(|host| Some((host.due()?.max(self.net.now), host.id)));
        dues.min()
    }

    fn act_on_deadlines(&mut self, at: Instant, room: RoomId) {
        self.net.now = at;
        self.hosts[room.0].handle_timeout(&mut self.net);
    }
}

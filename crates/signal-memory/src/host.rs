use std::collections::BTreeSet;

use signal_core::{CloseReason, Grant, Instant, Message, Outcome, PeerId, PeerSnapshot, Sink};

use crate::clock::Clock;
use crate::config::{Config, RoomId};
// `signal_core::Room`, but in worlds with a fault.
use crate::faulty::Room;
use crate::frame::{Down, End, Up};
use crate::net::Net;
use crate::outbox::Outbox;
use crate::transcript::What;

/// What an adapter is: it owns a room, its clock and its queues, moves messages and time, and
/// decides nothing.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) id: RoomId,
    pub(crate) room: Room,
    pub(crate) clock: Clock,
    pub(crate) is_draining: bool,
    frames_max: usize,
    bytes_max: usize,
}

impl Host {
    pub(crate) fn new(id: RoomId, config: &Config) -> Self {
        Self {
            id,
            room: Room::new(config.limits.clone(), config.fault),
            clock: Clock::default(),
            is_draining: false,
            frames_max: config.outbound_frames_max,
            bytes_max: config.outbound_bytes_max,
        }
    }

    /// When the room has something to do next, in the time of the world.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.room.poll_timeout().map(|due| self.clock.when(due))
    }

    pub(crate) fn connect(&mut self, net: &mut Net, peer: PeerId, grant: Grant) {
        let clock = self.clock.at(net.now);
        self.note(
            net,
            What::Connected {
                peer,
                grant: grant.clone(),
                clock,
            },
        );
        self.room.connect(clock, peer, grant);
    }

    /// Handles what has come from a client.
    pub(crate) fn receive(&mut self, net: &mut Net, peer: PeerId, frame: Up) {
        match frame {
            Up::Text(text) => self.message(net, peer, text.clone(), |room, clock, sink| {
                room.receive(clock, peer, text.as_str(), sink)
            }),
            Up::Binary(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned().into();
                self.message(net, peer, text, |room, clock, sink| {
                    room.receive_binary(clock, peer, &bytes, sink)
                });
            }
            Up::Pong => {
                let clock = self.clock.at(net.now);
                self.note(net, What::Pong { peer, clock });
                self.room.receive_frame(clock, peer, 0);
            }
            Up::Close(code) => {
                let end = End {
                    code: code.unwrap_or(1005),
                    reason: String::new(),
                };
                self.leave(net, peer, Some(end));
            }
            Up::Reset => self.leave(net, peer, None),
        }
    }

    /// Acts on the deadlines that have come.
    pub(crate) fn handle_timeout(&mut self, net: &mut Net) {
        let clock = self.clock.at(net.now);
        self.note(net, What::Deadline { clock });
        self.call(net, |room, sink| room.handle_timeout(clock, sink));
    }

    /// Refuses a peer for what the host has seen.
    pub(crate) fn refuse(&mut self, net: &mut Net, peer: PeerId, reason: CloseReason) {
        let clock = self.clock.at(net.now);
        self.note(
            net,
            What::Refused {
                peer,
                reason,
                clock,
            },
        );
        self.room.refuse(clock, peer, reason);
    }

    /// Forgets everything but bytes, and wakes up from them. The sockets and what waits in them
    /// stay.
    pub(crate) fn hibernate(&mut self, net: &mut Net) {
        let mut stored: Vec<(PeerId, Vec<u8>)> = self
            .room
            .peers()
            .filter_map(|peer| Some((peer, self.room.snapshot(peer)?.to_bytes())))
            .collect();
        let bytes = stored.iter().map(|(_, bytes)| bytes.len()).sum();
        self.note(
            net,
            What::Hibernated {
                peers: stored.len(),
                bytes,
            },
        );
        net.rng.shuffle(&mut stored);
        self.room.start_over();
        for (peer, bytes) in stored {
            let snapshot = PeerSnapshot::from_bytes(&bytes).expect("the room wrote these bytes");
            let restored = self.room.restore(peer, snapshot);
            restored.expect("each peer is stored once");
        }
    }

    /// The process ends and is started again.
    pub(crate) fn restart(&mut self, net: &mut Net) {
        self.note(net, What::Restarted);
        for peer in self.peers_connected(net) {
            self.end(net, peer, End::without_close());
        }
        self.room.start_over();
        self.is_draining = false;
    }

    /// Closes every peer and takes no more.
    pub(crate) fn drain(&mut self, net: &mut Net) {
        self.is_draining = true;
        for peer in self.peers_connected(net) {
            self.close(net, peer, CloseReason::Draining);
        }
    }

    /// Ends a peer for a reason of the host's own.
    pub(crate) fn close(&mut self, net: &mut Net, peer: PeerId, reason: CloseReason) {
        self.room.disconnect(peer);
        let Some(link) = net.links.get_mut(&peer) else {
            return;
        };
        let waiting = link.queue.len();
        if reason.drops_queue() {
            link.queue.clear();
        }
        self.note(
            net,
            What::Closed {
                peer,
                reason,
                waiting,
            },
        );
        self.end(net, peer, reason.into());
    }

    /// The connection of a peer has ended; its close is answered, a reset is not.
    fn leave(&mut self, net: &mut Net, peer: PeerId, answer: Option<End>) {
        let clock = self.clock.at(net.now);
        let was_reset = answer.is_none();
        self.note(
            net,
            What::Left {
                peer,
                was_reset,
                clock,
            },
        );
        self.room.disconnect(peer);
        match answer {
            Some(end) => self.end(net, peer, end),
            None => {
                if let Some(link) = net.links.get_mut(&peer) {
                    link.is_over_at_host = true;
                    link.queue.clear();
                }
            }
        }
    }

    /// Sends a close after what is queued, and nothing more.
    fn end(&mut self, net: &mut Net, peer: PeerId, end: End) {
        let Some(link) = net.links.get_mut(&peer) else {
            return;
        };
        if std::mem::replace(&mut link.is_over_at_host, true) {
            return;
        }
        link.queue.push(Down::End(end));
        net.pump(peer);
    }

    fn note(&self, net: &mut Net, what: What) -> usize {
        net.transcript.add(net.now, self.id, what)
    }

    fn peers_connected(&self, net: &Net) -> Vec<PeerId> {
        let here = net.links.iter().filter(|(_, link)| link.room == self.id);
        here.filter(|(_, link)| !link.is_over_at_host)
            .map(|(peer, _)| *peer)
            .collect()
    }

    fn message(
        &mut self,
        net: &mut Net,
        peer: PeerId,
        text: Message,
        receive: impl FnOnce(&mut Room, Instant, &mut dyn Sink) -> Option<Outcome>,
    ) {
        let clock = self.clock.at(net.now);
        let line = self.note(
            net,
            What::Message {
                peer,
                text,
                outcome: None,
                clock,
            },
        );
        let outcome = self.call(net, |room, sink| receive(room, clock, sink));
        net.transcript.set_outcome(line, outcome);
    }

    /// Calls the room, carries out what it asks for, and ends those whose queues have run full.
    fn call<T>(&mut self, net: &mut Net, call: impl FnOnce(&mut Room, &mut dyn Sink) -> T) -> T {
        let mut outbox = Outbox {
            net,
            room: self.id,
            frames_max: self.frames_max,
            bytes_max: self.bytes_max,
            full: BTreeSet::new(),
        };
        let result = call(&mut self.room, &mut outbox);
        let full = outbox.full;
        for peer in full {
            self.close(net, peer, CloseReason::SlowConsumer);
        }
        result
    }
}

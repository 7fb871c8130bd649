use std::ops::Deref;

use signal_core::{
    CloseReason, Grant, Instant, Limits, Outcome, PeerId, PeerSnapshot, RestoreError, Sink, client,
};

use super::sink::FaultySink;
use crate::Fault;

/// The room of `signal-core`, wrong where the fault is in what a host does with it.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    sound: signal_core::Room,
    fault: Option<Fault>,
    /// Calls of the sink, most of which go well.
    calls: u64,
    /// The latest time that the room was told.
    clock: Instant,
}

impl Room {
    pub(crate) fn new(limits: Limits, fault: Option<Fault>) -> Self {
        Self {
            sound: signal_core::Room::new(distorted(limits, fault)),
            fault,
            calls: 0,
            clock: Instant::ZERO,
        }
    }

    /// Forgets everything but the limits.
    pub(crate) fn start_over(&mut self) {
        self.sound = signal_core::Room::new(self.sound.limits().clone());
    }

    pub(crate) fn connect(&mut self, now: Instant, peer: PeerId, grant: Grant) {
        self.clock = now;
        self.sound.connect(now, peer, grant);
    }

    pub(crate) fn receive(
        &mut self,
        now: Instant,
        peer: PeerId,
        text: &str,
        out: &mut dyn Sink,
    ) -> Option<Outcome> {
        self.call(now, out, |room, out| room.receive(now, peer, text, out))
    }

    pub(crate) fn receive_binary(
        &mut self,
        now: Instant,
        peer: PeerId,
        bytes: &[u8],
        out: &mut dyn Sink,
    ) -> Option<Outcome> {
        self.call(now, out, |room, out| {
            room.receive_binary(now, peer, bytes, out)
        })
    }

    pub(crate) fn receive_frame(&mut self, now: Instant, peer: PeerId, bytes: usize) {
        self.sound.receive_frame(now, peer, bytes);
    }

    pub(crate) fn refuse(&mut self, now: Instant, peer: PeerId, reason: CloseReason) {
        self.sound.refuse(now, peer, reason);
    }

    pub(crate) fn disconnect(&mut self, peer: PeerId) {
        if self.fault != Some(Fault::KeepGhost) {
            self.sound.disconnect(peer);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.fault {
            Some(Fault::MissDeadlines) => None,
            _ => self.sound.poll_timeout(),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut dyn Sink) {
        self.call(now, out, |room, out| room.handle_timeout(now, out));
    }

    /// Restores a peer, or what the fault leaves of it.
    pub(crate) fn restore(
        &mut self,
        peer: PeerId,
        snapshot: PeerSnapshot,
    ) -> Result<(), RestoreError> {
        let is_first = self.sound.peers().next().is_none();
        self.sound.restore(peer, snapshot)?;
        match self.fault {
            Some(Fault::ForgetPeer) if is_first => self.sound.disconnect(peer),
            Some(Fault::ForgetTopics) => self.sound.connect(self.clock, peer, Grant::open()),
            Some(Fault::ForgetBudgets) => {
                let restored = self.sound.peer(peer).into_iter();
                let topics = restored
                    .flat_map(signal_core::Peer::topics)
                    .map(str::to_owned);
                let topics: Vec<String> = topics.collect();
                self.sound.connect(self.clock, peer, Grant::open());
                for topic in &topics {
                    let text = client::subscribe([topic.as_str()]);
                    self.sound.receive(self.clock, peer, &text, &mut Vec::new());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn call<T>(
        &mut self,
        now: Instant,
        out: &mut dyn Sink,
        call: impl FnOnce(&mut signal_core::Room, &mut dyn Sink) -> T,
    ) -> T {
        self.clock = now;
        let Some(fault) = self.fault else {
            return call(&mut self.sound, out);
        };
        let peers: Vec<PeerId> = self.sound.peers().collect();
        let mut sink = FaultySink {
            fault,
            calls: &mut self.calls,
            peers: &peers,
            inner: out,
        };
        call(&mut self.sound, &mut sink)
    }
}

/// For all that is only looked at.
impl Deref for Room {
    type Target = signal_core::Room;

    fn deref(&self) -> &signal_core::Room {
        &self.sound
    }
}

/// How a host reads its limits.
fn distorted(mut limits: Limits, fault: Option<Fault>) -> Limits {
    let budgets = [
        &mut limits.messages_burst,
        &mut limits.pings_burst,
        &mut limits.strikes_burst,
        &mut limits.topics_per_peer_max,
    ];
    for budget in budgets {
        match fault {
            Some(Fault::LaxLimits) => *budget *= 2,
            Some(Fault::StrictLimits) => *budget /= 2,
            _ => {}
        }
    }
    limits
}

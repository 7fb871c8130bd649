use std::collections::BTreeMap;
use std::fmt;

use signal_core::{CloseReason, Ignored, Outcome};

use crate::{Line, What};

/// What happened in some explored worlds: what a good result of them is worth.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Worlds.
    pub worlds: u64,
    /// Peers that connected.
    pub peers: u64,
    /// Messages that rooms handled.
    pub messages: u64,
    /// Messages that clients received.
    pub received: u64,
    /// Pings sent.
    pub pings: u64,
    /// Peers that vanished without a sign.
    pub vanished: u64,
    /// Clients that stopped reading.
    pub stalled: u64,
    /// Rooms that hibernated.
    pub hibernations: u64,
    /// Clocks that jumped.
    pub jumps: u64,
    /// Messages without effect, by reason.
    pub ignored: BTreeMap<Ignored, u64>,
    /// Peers closed, by reason.
    pub closed: BTreeMap<CloseReason, u64>,
}

impl Stats {
    /// Adds those of other worlds.
    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.peers += other.peers;
        self.messages += other.messages;
        self.received += other.received;
        self.pings += other.pings;
        self.vanished += other.vanished;
        self.stalled += other.stalled;
        self.hibernations += other.hibernations;
        self.jumps += other.jumps;
        for (why, count) in &other.ignored {
            *self.ignored.entry(*why).or_default() += count;
        }
        for (why, count) in &other.closed {
            *self.closed.entry(*why).or_default() += count;
        }
    }

    pub(super) fn count(&mut self, line: &Line) {
        match &line.what {
            What::Connected { .. } => self.peers += 1,
            What::Message { outcome, .. } => {
                self.messages += 1;
                if let Some(Outcome::Ignored(why)) = outcome {
                    *self.ignored.entry(*why).or_default() += 1;
                }
            }
            What::Received { .. } => self.received += 1,
            What::Pinged { .. } => self.pings += 1,
            What::Vanished { .. } => self.vanished += 1,
            What::Stalled { .. } => self.stalled += 1,
            What::Hibernated { .. } => self.hibernations += 1,
            What::Jumped { .. } => self.jumps += 1,
            What::Closed { reason, .. } => *self.closed.entry(*reason).or_default() += 1,
            What::Pong { .. }
            | What::Left { .. }
            | What::Deadline { .. }
            | What::Refused { .. }
            | What::Sent { .. }
            | What::Ended { .. }
            | What::Resumed { .. }
            | What::Reconnected { .. }
            | What::Restarted => {}
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            worlds,
            peers,
            messages,
            received,
            pings,
            ..
        } = self;
        writeln!(
            f,
            "worlds {worlds}, peers {peers}, messages {messages}, received {received}, pings {pings}"
        )?;
        let Self {
            vanished,
            stalled,
            hibernations,
            jumps,
            ..
        } = self;
        writeln!(
            f,
            "vanished {vanished}, stalled {stalled}, hibernations {hibernations}, clock jumps {jumps}"
        )?;
        write!(f, "ignored:")?;
        self.ignored
            .iter()
            .try_for_each(|(why, count)| write!(f, " {} {count}", why.name()))?;
        write!(f, "\nclosed: ")?;
        self.closed
            .iter()
            .try_for_each(|(why, count)| write!(f, " {} {count}", why.name()))
    }
}

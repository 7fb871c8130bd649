//! The machine: what comes in, what goes out, and the state between.

mod alone;
mod edge;
mod frames;
mod home;
mod membership;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use signal_core::{Instant, Message};

use crate::clock::Clock;
use crate::directory::Directory;
use crate::edge::Edge;
use crate::effect::Effect;
use crate::homes::{Homes, topic_hash};
use crate::host::{Bus, Local};
use crate::members::Members;
use crate::mix::mix;
use crate::nudges::Nudges;
use crate::reach::Reach;
use crate::retained::{Entry, Retained};
use crate::windows::Windows;
use crate::wire::{self, Frame, WireError};
use crate::{Config, Node, NodeId, Parts, Payer, Stats};

/// One node's part of a cluster.
///
/// Inputs are [`local`](Self::local), [`publish`](Self::publish), [`receive`](Self::receive),
/// [`handle_timeout`](Self::handle_timeout) and [`drain`](Self::drain); they change the state and
/// put what is for other nodes aside, until [`flush`](Self::flush) sends it, many frames to a
/// batch. The page of the crate has the loop.
#[derive(Clone, Debug)]
pub struct Cluster {
    config: Config,
    parts: Parts,
    clock: Clock,
    me: Node,
    /// Who this node was before, if it had to begin another life.
    former: VecDeque<Node>,
    /// A life of which nobody knows yet that it is over.
    farewell: Option<Node>,
    /// A life that is not heard any more, and of which somebody may not know that.
    unheard: Option<Node>,
    born: Instant,
    /// The uptime in the last beat.
    said_uptime: Duration,
    is_draining: bool,
    is_bus_up: bool,
    is_alone: bool,
    /// When there were others to expect for the last time, or the beginning.
    expected_at: Instant,
    members: Members,
    /// The last session that this node has named.
    session: u32,
    homes: Homes,
    /// What local peers are subscribed to.
    edge: Edge,
    /// What nodes are subscribed to whose home is here.
    directory: Directory,
    /// What is known of topics that local peers publish to from outside.
    reach: Reach,
    /// What local peers have published lately.
    keep: Retained,
    /// What has been published lately of topics whose home is here.
    recent: Retained,
    windows: Windows,
    nudges: Nudges,
    /// The number of the last publish of a local peer.
    number: u64,
    next_beat: Instant,
    wants_beat: bool,
    next_report: Option<Instant>,
    effects: VecDeque<Effect>,
    stats: Stats,
}

impl Cluster {
    /// A node that knows nobody yet. The host chooses its id and draws the seed, at random.
    pub fn new(now: Instant, id: NodeId, seed: u64, config: Config) -> Self {
        Self::with_parts(now, id, seed, config, Parts::default())
    }

    /// As [`new`](Self::new), with parts taken out.
    #[doc(hidden)]
    pub fn with_parts(now: Instant, id: NodeId, seed: u64, config: Config, parts: Parts) -> Self {
        let clock = Clock::new(now, config.cluster_beat);
        let life = mix(seed ^ mix(id.get())) as u32;
        let me = Node { id, life };
        Self {
            parts,
            me,
            former: VecDeque::new(),
            farewell: None,
            unheard: None,
            born: clock.now(),
            said_uptime: Duration::ZERO,
            is_draining: false,
            is_bus_up: true,
            is_alone: false,
            expected_at: clock.now(),
            members: Members::new(config.cluster_nodes_max),
            session: 0,
            homes: Homes::new(me, [].into_iter()),
            edge: Edge::default(),
            directory: Directory::new(config.cluster_directory_bytes_max),
            reach: Reach::new(config.cluster_reach_bytes_max),
            keep: Retained::new(config.cluster_keep_bytes_max),
            recent: Retained::new(config.cluster_keep_bytes_max),
            windows: Windows::new(config.cluster_window, config.cluster_nodes_max * 2),
            nudges: Nudges::default(),
            number: 0,
            next_beat: clock.now(),
            wants_beat: false,
            next_report: None,
            effects: VecDeque::new(),
            stats: Stats::default(),
            clock,
            config,
        }
    }

    /// Takes how many local subscribers a topic has, whenever that has changed.
    ///
    /// Of two calls, this one and [`publish`](Self::publish), the order counts: it has to be the
    /// one in which the peers did what they report.
    pub fn local(&mut self, now: Instant, topic: &str, subscribers: u32) {
        if self.is_alone {
            return;
        }
        let now = self.clock.advance(now);
        let elsewhere = self.edge.get(topic).map_or(0, |(_, known)| known.elsewhere);
        if let Some((topic, home)) = self.edge.set(topic, subscribers, &self.homes) {
            if subscribers == 0 && elsewhere > 0 {
                self.remember(now, &topic, elsewhere);
            }
            let frame = Frame::Subscribe {
                topic,
                subscribers,
                moved: false,
            };
            self.send(home, frame);
        }
    }

    /// Takes a publish of a local peer, whose local subscribers the host has served: a message as
    /// [`Publish::encode`](signal_core::Publish::encode) writes it. Whatever `clients` says in it
    /// is written anew elsewhere.
    ///
    /// Whoever pays for it is charged by [`Local::owe`] if it causes more on other nodes than its
    /// host could know.
    pub fn publish(&mut self, now: Instant, topic: &str, message: &Message, payer: Option<Payer>) {
        if self.is_alone {
            return;
        }
        let now = self.clock.advance(now);
        if topic.len() + message.as_bytes().len() > self.config.message_bytes_max() {
            self.stats.too_long += 1;
            return;
        }
        self.number += 1;
        let number = self.number;
        let (topic, home) = match self.edge.get_mut(topic) {
            Some(known) => {
                known.published = Some(now);
                let home = known.home;
                let name = self.edge.get(topic).map(|(name, _)| name.clone());
                (name.unwrap_or_else(|| topic.into()), home)
            }
            None => {
                let until = now.saturating_add(self.config.cluster_keep);
                self.reach.keep(topic, until);
                (Arc::from(topic), self.homes.of(topic_hash(topic)))
            }
        };
        let entry = Entry {
            at: now,
            origin: self.me,
            number,
            message: message.clone(),
        };
        self.stats.keep_overflows += self.keep.push(&topic, home, entry);
        let message = message.clone();
        let frame = Frame::Publish {
            topic,
            number,
            again: false,
            payer,
            message,
        };
        self.send(home, frame);
    }

    /// Takes what came from the bus, to all or to this node.
    pub fn receive(&mut self, now: Instant, message: &[u8], local: &mut dyn Local) {
        let now = self.clock.advance(now);
        let was_alone = self.is_alone;
        self.stats.bytes_received += message.len() as u64;
        if message.len() > self.config.cluster_batch_bytes_max + wire::OVERHEAD {
            self.stats.oversized += 1;
            return;
        }
        let versions = wire::OLDEST_VERSION..=self.parts.newest_version;
        match wire::Message::decode(message, versions) {
            Ok(wire::Message::Beat(beat)) => self.receive_beat(now, &beat),
            Ok(wire::Message::Batch(batch)) => self.receive_batch(now, batch),
            Err(WireError::Malformed) => self.stats.malformed += 1,
            Err(WireError::Version(_)) => self.stats.unknown_version += 1,
        }
        // Before the next message, which may be about topics that are not known yet.
        self.meet(was_alone, local);
        self.carry_out(local);
    }

    /// Does what is due. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant, local: &mut dyn Local) {
        let now = self.clock.advance(now);
        self.meet(self.is_alone, local);
        while let Some(node) = self.members.silent(now, self.config.cluster_dead_after) {
            self.lose(now, node, false);
        }
        if now >= self.next_beat {
            self.next_beat = now.saturating_add(self.config.cluster_beat);
            self.wants_beat = true;
            self.keep.expire(now, self.config.cluster_keep);
            self.recent.expire(now, self.config.cluster_keep);
            let forgotten = self.reach.expire(now);
            self.reach_changed(forgotten);
            self.wait_alone(now);
        }
        self.rehome(now, None, None);
        if self.next_report.is_some_and(|due| due <= now) {
            self.next_report = None;
            for (node, topic, elsewhere) in self.directory.reports() {
                self.send(node, Frame::Count { topic, elsewhere });
            }
        }
        let is_settled = self.members.are_settled(now, self.config.carried_after());
        if let Some(since) = self.nudges.take_open(is_settled) {
            self.end_gap(now, since);
        }
        let dead_after = self.config.cluster_dead_after;
        if let Some(since) = self.nudges.take_due(now, dead_after, is_settled) {
            self.nudge_all(since);
        }
        self.carry_out(local);
    }

    /// Has this node leave: it is home of nothing any more, and the others know at once. It serves
    /// its peers until the host has moved them elsewhere; then the host calls
    /// [`leave`](Self::leave).
    pub fn drain(&mut self, now: Instant) {
        self.clock.advance(now);
        self.is_draining = true;
        self.next_beat = self.clock.now();
    }

    /// Sends all that waits, and the last beat. The others count this node as gone at once.
    pub fn leave(&mut self, bus: &mut dyn Bus) {
        self.flush(bus);
        self.send_beat(bus, None, true);
    }

    /// Sends what waits for other nodes. To be called after each turn of inputs: the more of them a
    /// turn has, the fewer batches there are.
    pub fn flush(&mut self, bus: &mut dyn Bus) {
        if let Some(former) = self.farewell.take() {
            self.send_farewell(bus, former, true);
        }
        if let Some(unheard) = self.unheard.take() {
            self.send_farewell(bus, unheard, false);
        }
        let mut batch = Vec::new();
        let mut beats = Vec::new();
        let newest = self.parts.newest_version;
        for (node, member) in self.members.iter_mut() {
            let version = newest.min(member.newest_version);
            while member.link.has_batch() {
                let ends = (self.me, node);
                let stats = &mut self.stats;
                member
                    .link
                    .write_batch(ends, version, &self.config, &mut batch, stats);
                bus.to(node.id, &batch);
            }
            if core::mem::take(&mut member.link.wants_beat) {
                beats.push(node);
            }
        }
        // After the batches, whose last numbers they say.
        if core::mem::take(&mut self.wants_beat) {
            self.send_beat(bus, None, false);
        } else {
            beats
                .into_iter()
                .for_each(|node| self.send_beat(bus, Some(node), false));
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.effects.is_empty() {
            return Some(self.clock.to_host(self.clock.now()));
        }
        let silence = self.members.poll_timeout(self.config.cluster_dead_after);
        let times = [silence, self.next_report, self.nudges.poll_timeout()];
        let first = times
            .into_iter()
            .flatten()
            .fold(self.next_beat, Instant::min);
        Some(self.clock.to_host(first))
    }

    /// Whether [`flush`](Self::flush) would send something.
    pub fn wants_flush(&self) -> bool {
        let mut links = self.members.iter().map(|(_, member)| &member.link);
        let has_beat = self.wants_beat || self.farewell.is_some() || self.unheard.is_some();
        has_beat || links.any(|link| link.wants_beat || link.has_batch())
    }

    /// Which node this is.
    pub const fn node(&self) -> Node {
        self.me
    }

    /// The other nodes that are heard.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Node> {
        self.members.iter().map(|(node, _)| node)
    }

    /// Whether the node has been there long enough to know the others. Until then no load balancer
    /// should send peers to it; from then on it stays so, whatever becomes of the others. Only a
    /// node that finds another under its own id begins a new life, and is young again.
    pub fn is_ready(&self) -> bool {
        self.age() >= self.config.grown_after()
    }

    /// Whether nodes do not agree who is there.
    pub const fn do_views_differ(&self) -> bool {
        self.nudges.do_views_differ()
    }

    /// The home of a topic.
    pub fn home(&self, topic: &str) -> Node {
        let known = self.edge.get(topic).map(|(_, topic)| topic.home);
        known.unwrap_or_else(|| self.homes.of(topic_hash(topic)))
    }

    /// How many topics have their home here. A node that [is alone](Self::is_alone) is home of
    /// everything, and counts nothing.
    pub fn homed(&self) -> usize {
        self.directory.len()
    }

    /// How long the oldest frame has waited for an acknowledgement.
    pub fn waiting_for(&self) -> Option<Duration> {
        let oldest = self
            .members
            .iter()
            .filter_map(|(_, member)| member.link.waits_since())
            .min();
        oldest.map(|oldest| self.clock.now().saturating_since(oldest))
    }

    /// What has been counted.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    fn age(&self) -> Duration {
        self.clock.now().saturating_since(self.born)
    }
}

use alloc::vec::Vec;
use core::time::Duration;

use signal_core::Instant;

use super::Cluster;
use crate::Node;
use crate::clock::before;
use crate::host::Bus;
use crate::link::Link;
use crate::members::Member;
use crate::mix::mix;
use crate::reach::Reach;
use crate::windows::Windows;
use crate::wire::{self, Beat, LinkState};

/// Earlier lives that are remembered: more than a process should have.
const FORMER_MAX: usize = 16;

/// Who is there.
///
/// ```text
///  unknown ──beat──▶ member ──silent for dead_after──▶ past ──beat──▶ member, and a nudge
///                      │ bye                            (what was said in between is lost)
///                      ▼
///                    unknown, but for the uptime that it had
/// ```
impl Cluster {
    pub(super) fn receive_beat(&mut self, now: Instant, beat: &Beat) {
        self.stats.beats_received += 1;
        let from = beat.from;
        if from == self.me {
            // Whoever says so again and again is no twin, and of the lives that were, all are known
            // for as long as what was said in them may come back.
            let life_min = self.config.cluster_keep.saturating_mul(2) / FORMER_MAX as u32;
            if self.former.is_empty() || self.age() >= life_min {
                self.be_reborn(beat.uptime);
            }
            return;
        }
        if self.former.contains(&from) {
            // A third one, or the second has not heard yet.
            if !beat.leaves {
                self.farewell = Some(from);
            }
            return;
        }
        let last = self.members.last_uptime(from);
        if last.is_some_and(|last| beat.uptime <= last) {
            // No beat after the last one: the bus is repeating itself, or somebody is. Or another
            // node has this identity, and the one with more uptime is gone.
            self.stats.stale += 1;
            if self.members.get(from).is_none() && !beat.leaves {
                self.unheard = Some(from);
            }
            return;
        }
        if beat.leaves {
            return self.lose(now, from, true);
        }
        let said = beat.links.iter().find(|link| link.node == self.me).copied();
        if self.members.get(from).is_none() {
            if self.members.iter().len() + 1 >= self.config.cluster_nodes_max {
                self.stats.crowded += 1;
                return;
            }
            self.find(now, beat, session(said));
        }
        let (mut gap, apart) = (None, self.apart(now, beat));
        if let Some(member) = self.members.get_mut(from) {
            if said.is_some() && !member.knows_us {
                member.knows_us = true;
                gap = member.gap.take().or(apart);
            }
            member.heard = now;
            member.uptime = beat.uptime;
            member.may_be_home = !beat.is_draining && !beat.is_young;
            member.view = Some(beat.view);
            member.newest_version = beat.newest;
        }
        if let Some(gap) = gap {
            self.end_gap(now, gap);
        }
        if self.agree_on_session(now, from, said) {
            self.rehome(now, None, None);
        } else {
            self.begin_anew(now, from, session(said));
        }
        if let Some(said) = said {
            self.compare_link(now, from, said);
        }
        self.compare_views(now);
    }

    /// A node that was not there.
    fn find(&mut self, now: Instant, beat: &Beat, theirs: Option<u32>) {
        let from = beat.from;
        let past = self.members.recall(from);
        let gap = past.and_then(|past| past.gap);
        let gap = gap.or_else(|| self.members.earlier_life_gap(from));
        let gap = gap.or_else(|| self.apart(now, beat));
        let highest = past.map_or(0, |past| past.session);
        let link = self.new_link(now, from, theirs, highest);
        let member = Member {
            heard: now,
            link,
            uptime: beat.uptime,
            knows_us: false,
            gap,
            may_be_home: false,
            view: None,
            newest_version: beat.newest,
        };
        self.members.insert(from, member);
        self.stats.view_changes += 1;
    }

    /// Since when two nodes were apart that were there for some time and have not heard each other.
    /// The beat may have taken its time.
    fn apart(&self, now: Instant, beat: &Beat) -> Option<Instant> {
        let both = self.age().min(beat.uptime);
        let were_apart = both > self.config.cluster_beat * 2;
        were_apart.then(|| before(now, both + self.config.cluster_dead_after))
    }

    /// The lower node of two names their session. The higher one takes what it is told unless it
    /// was told before: then the lower one has not noticed yet that it was forgotten.
    fn new_link(&mut self, now: Instant, node: Node, theirs: Option<u32>, highest: u32) -> Link {
        let session = if self.me < node {
            self.session = self.session.saturating_add(1);
            Some(self.session)
        } else {
            theirs.filter(|session| *session > highest)
        };
        Link::new(now, session, highest.max(session.unwrap_or(0)))
    }

    /// Compares the session of a link with what the other end says. False if that has forgotten
    /// this node, which has to forget it then.
    fn agree_on_session(&mut self, now: Instant, node: Node, said: Option<LinkState>) -> bool {
        let theirs = session(said);
        let Some(member) = self.members.get_mut(node) else {
            return true;
        };
        let link = &mut member.link;
        if self.me < node {
            if theirs == link.session {
                link.is_confirmed = true;
            } else if link.is_confirmed {
                return !self.parts.pairs;
            } else if link.session.is_some_and(|name| is_refused(name, said)) {
                // Nothing was heard in it, so a new name is enough.
                self.session = self.session.saturating_add(1);
                link.rename(now, self.session);
            }
            return true;
        }
        // Not by a batch alone: where nothing is said, there is none.
        link.is_confirmed |= theirs.is_some() && theirs == link.session;
        let Some(theirs) = theirs.filter(|theirs| *theirs > link.highest) else {
            return true;
        };
        if link.session.is_some() && self.parts.pairs {
            return false;
        }
        if link.session.is_some() {
            *link = Link::new(now, None, theirs);
        }
        link.adopt(theirs);
        true
    }

    /// A node has missed what is forgotten here, so the two begin anew. It is not sent what was
    /// kept besides, which would only overflow again; peers announce again instead.
    pub(super) fn overflow(&mut self, now: Instant, node: Node) {
        let begun = self.members.get(node).map(|member| member.link.begun);
        let is_new = begun.is_none_or(|at| now.saturating_since(at) < self.config.cluster_beat);
        if is_new {
            // It asks again after the next beat.
            return;
        }
        self.stats.overflows += 1;
        self.forget_link(now, node, None);
        self.rehome(now, Some(node), None);
    }

    /// Forgets what this node and a living one know of each other, and begins anew.
    fn begin_anew(&mut self, now: Instant, node: Node, theirs: Option<u32>) {
        // What was passed on may be older than what is kept, and those who said it know of no gap.
        let passed = self.forget_link(now, node, theirs).map(Link::into_passes);
        let passed = passed.into_iter().flatten();
        passed.for_each(|pass| self.send(node, pass));
        self.rehome(now, Some(node), Some(node));
    }

    /// Begins a link anew, and returns what it was.
    fn forget_link(&mut self, now: Instant, node: Node, theirs: Option<u32>) -> Option<Link> {
        let highest = self.members.get(node)?.link.highest;
        let link = self.new_link(now, node, theirs, highest);
        let link = core::mem::replace(&mut self.members.get_mut(node)?.link, link);
        self.stats.sessions += 1;
        self.forget_counts(now, node);
        let since = before(now, self.config.margin() + self.config.cluster_dead_after);
        // What it has not carried for longer is missed as well.
        let unsettled = [link.waits_since(), self.nudges.unsettled_since(now)];
        let since = unsettled.into_iter().flatten().fold(since, Instant::min);
        self.end_gap(now, since);
        Some(link)
    }

    /// A node is gone: for good, or for all that is known.
    pub(super) fn lose(&mut self, now: Instant, node: Node, for_good: bool) {
        let Some(member) = self.members.get(node) else {
            return;
        };
        // Another life of it may be there before it has known this node.
        let never_ended = member.gap;
        let margin = self.config.margin() + self.config.cluster_dead_after;
        let gap = before(before(now, margin), self.config.cluster_beat);
        // Whom a gap of before has kept apart may not have been told yet, and now is not.
        let unsettled = [
            self.nudges.unsettled_since(now),
            self.members.unknown_since(),
            member.link.waits_since(),
        ];
        let gap = unsettled.into_iter().flatten().fold(gap, Instant::min);
        let gap = if for_good { never_ended } else { Some(gap) };
        self.members.remove(now, node, gap);
        self.stats.silent += u64::from(!for_good);
        self.stats.view_changes += 1;
        self.forget_counts(now, node);
        self.rehome(now, None, None);
    }

    fn forget_counts(&mut self, now: Instant, node: Node) {
        self.directory.forget(node);
        if self.directory.has_changed() && self.next_report.is_none() {
            self.next_report = Some(now.saturating_add(self.config.cluster_gather));
        }
    }

    /// What the other end has heard is forgotten, and what it has sent is missed.
    fn compare_link(&mut self, now: Instant, node: Node, said: LinkState) {
        let Some(member) = self.members.get_mut(node) else {
            return;
        };
        let link = &mut member.link;
        if link.session.is_some() && link.session == session(Some(said)) {
            link.acknowledge(said.heard);
            if self.parts.nack {
                link.expect(now, said.last, &mut self.stats);
            }
            if link.was_deceived(said.heard) {
                self.overflow(now, node);
            }
        }
    }

    fn compare_views(&mut self, now: Instant) {
        let mine = self.members.view(self.me, self.may_be_home());
        let differ = self
            .members
            .iter()
            .filter(|(_, member)| member.knows_us)
            .any(|(_, member)| member.view.is_some_and(|view| view != mine));
        let (settled_after, margin) = (self.config.settled_after(), self.config.margin());
        let since = self.nudges.views_differ(now, differ, settled_after, margin);
        if let Some(since) = since {
            self.end_gap(now, since);
        }
    }

    pub(super) fn end_gap(&mut self, now: Instant, since: Instant) {
        self.stats.gaps += 1;
        self.nudges.plan(now, since, self.config.settled_after());
    }

    /// Another node has the identity of this one. To the others the two were one, which nothing can
    /// be made of; so this one begins another life, and ends the old one for all. The other node
    /// hears that too, and does the same.
    fn be_reborn(&mut self, uptime: Duration) {
        let since = self.unsettled_since(uptime);
        // Even on one machine the two have hardly heard the same.
        let heard = self.stats.bytes_received ^ mix(self.clock.host().as_millis());
        let seed = mix(u64::from(self.me.life) ^ mix(heard));
        let host = self.clock.host();
        let id = self.me.id;
        let mut reborn = Self::with_parts(host, id, seed, self.config.clone(), self.parts);
        reborn.stats = self.stats;
        reborn.stats.twins += 1;
        reborn.is_draining = self.is_draining;
        reborn.is_bus_up = self.is_bus_up;
        // What was said in earlier lives was heard here.
        reborn.windows = core::mem::replace(&mut self.windows, Windows::new(0, 0));
        reborn.reach = core::mem::replace(&mut self.reach, Reach::new(0));
        reborn.former = core::mem::take(&mut self.former);
        reborn.former.push_back(self.me);
        reborn.farewell = Some(self.me);
        if reborn.former.len() > FORMER_MAX {
            reborn.former.pop_front();
        }
        for (topic, known) in self.edge.iter() {
            reborn.local(host, topic, known.subscribers);
            if let Some(topic) = reborn.edge.get_mut(topic) {
                topic.published = Some(reborn.clock.now());
                topic.elsewhere = known.elsewhere;
            }
        }
        reborn.effects = core::mem::take(&mut self.effects);
        let now = reborn.clock.now();
        reborn.end_gap(now, before(now, host.saturating_since(since)));
        *self = reborn;
    }

    /// Since when, by the host's clock, this node may have missed what others said without having
    /// made up for it. One of the same identity, with so much uptime, was never heard.
    fn unsettled_since(&self, uptime: Duration) -> Instant {
        let now = self.clock.now();
        let times = [
            self.members.missing_since(self.born),
            self.nudges.unsettled_since(now),
        ];
        let together = before(now, self.age().min(uptime));
        let recent = before(now, self.config.margin()).min(together);
        let since = times.into_iter().flatten().fold(recent, Instant::min);
        self.clock.past_to_host(since)
    }

    /// Ends the life that this node had before, for all who can read anything.
    pub(super) fn send_farewell(&mut self, bus: &mut dyn Bus, former: Node, is_for_all: bool) {
        let beat = Beat {
            from: former,
            newest: wire::OLDEST_VERSION,
            is_draining: true,
            is_young: true,
            leaves: true,
            view: 0,
            uptime: Duration::MAX,
            links: Vec::new(),
        };
        let beat = wire::Message::Beat(beat).encode(wire::OLDEST_VERSION);
        self.stats.beats_sent += 1;
        self.stats.bytes_sent += beat.len() as u64;
        if is_for_all {
            bus.to_all(&beat);
        } else {
            bus.to(former.id, &beat);
        }
    }

    /// Sends a beat to one node or to all, in the newest version that all of them speak.
    pub(super) fn send_beat(&mut self, bus: &mut dyn Bus, to: Option<Node>, leaves: bool) {
        let newest = self.parts.newest_version;
        let spoken = self.members.iter().map(|(_, member)| member.newest_version);
        let version = spoken.fold(newest, u8::min).max(wire::OLDEST_VERSION);
        let links = self
            .members
            .iter()
            .map(|(node, member)| member.link.state(node));
        // Each one has more than the one before, also within a millisecond.
        self.said_uptime = self.age().max(self.said_uptime + Duration::from_millis(1));
        let beat = Beat {
            from: self.me,
            newest,
            is_draining: self.is_draining,
            is_young: !self.is_ready(),
            leaves,
            view: self.members.view(self.me, self.may_be_home()),
            uptime: self.said_uptime,
            links: links.collect(),
        };
        let beat = wire::Message::Beat(beat).encode(version);
        self.stats.beats_sent += 1;
        self.stats.bytes_sent += beat.len() as u64;
        match to {
            Some(node) => bus.to(node.id, &beat),
            None => bus.to_all(&beat),
        }
    }
}

/// Whether the other end has had a session of this name or a later one, and will not take it again.
fn is_refused(name: u32, said: Option<LinkState>) -> bool {
    said.is_some_and(|said| said.session == 0 && said.heard >= u64::from(name))
}

fn session(said: Option<LinkState>) -> Option<u32> {
    said.map(|link| link.session)
        .filter(|session| *session != 0)
}

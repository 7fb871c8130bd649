use alloc::sync::Arc;
use alloc::vec::Vec;

use signal_core::Instant;

use super::Cluster;
use crate::Node;
use crate::edge::Move;
use crate::effect::Effect;
use crate::homes::{Homes, topic_hash};
use crate::wire::Frame;

/// As an edge: with peers that are subscribed to topics.
impl Cluster {
    /// Compares homes with the members, and moves what has another home now. `fresh` is a node that
    /// knows nothing of its topics, `missed` one that has missed what was published to them.
    pub(super) fn rehome(&mut self, now: Instant, fresh: Option<Node>, missed: Option<Node>) {
        let members = self.members.iter();
        let members = members.filter(|(_, member)| member.knows_us && member.may_be_home);
        let own = self.may_be_home().then_some(self.me);
        // In the order of nodes, so that equal sets are equal.
        let mut nodes: Vec<_> = members.map(|(node, _)| node).chain(own).collect();
        nodes.sort_unstable();
        let homes = Homes::new(self.me, nodes.into_iter());
        if homes == self.homes && fresh.is_none() {
            return;
        }
        self.homes = homes;
        let moves: Vec<_> = self.edge.rehome(&self.homes, fresh).collect();
        moves.into_iter().for_each(|one| self.subscribe_anew(one));
        self.publish_again(now, missed);
    }

    pub(super) fn may_be_home(&self) -> bool {
        !self.is_draining && self.is_ready()
    }

    fn subscribe_anew(&mut self, one: Move) {
        let Move {
            topic,
            subscribers,
            old,
            new,
        } = one;
        let subscribe = |subscribers, moved| Frame::Subscribe {
            topic: topic.clone(),
            subscribers,
            moved,
        };
        self.send(new, subscribe(subscribers, true));
        if old != new {
            self.send(old, subscribe(0, false));
        }
    }

    /// Sends to homes what their predecessors may have taken with them.
    fn publish_again(&mut self, now: Instant, missed: Option<Node>) {
        if !self.parts.keep {
            return;
        }
        let mut frames = Vec::new();
        for (topic, kept) in self.keep.topics() {
            let home = self.homes.of(topic_hash(topic));
            let old = core::mem::replace(&mut kept.home, home);
            if home == old && Some(home) != missed {
                continue;
            }
            let entries = kept.entries.iter();
            let young =
                entries.filter(|entry| now.saturating_since(entry.at) <= self.config.cluster_keep);
            frames.extend(young.map(|entry| {
                let frame = Frame::Publish {
                    topic: topic.clone(),
                    number: entry.number,
                    again: true,
                    // Whoever pays has been asked to by the home before.
                    payer: None,
                    message: entry.message.clone(),
                };
                (home, frame)
            }));
        }
        frames
            .into_iter()
            .for_each(|(home, frame)| self.send(home, frame));
    }

    /// A home says how many there are elsewhere; one that is not the home any more is not heard.
    pub(super) fn be_told(&mut self, now: Instant, from: Node, topic: Arc<str>, elsewhere: u32) {
        let Some(known) = self.edge.get_mut(&topic) else {
            if self.homes.of(topic_hash(&topic)) == from {
                self.remember(now, &topic, elsewhere);
            }
            return;
        };
        if known.home != from {
            return;
        }
        let has_changed = core::mem::replace(&mut known.elsewhere, elsewhere) != elsewhere;
        let forgotten = self.reach.set(&topic, 0, now);
        self.reach_changed(forgotten);
        if !has_changed {
            return;
        }
        let known = self.edge.get_mut(&topic);
        let is_late = known.is_some_and(|known| core::mem::take(&mut known.may_be_nudged));
        let late = self.nudges.late(now).filter(|_| is_late);
        self.effects.push_back(Effect::Elsewhere {
            topic: topic.clone(),
            subscribers: elsewhere,
        });
        if let Some(since) = late {
            self.nudge(topic, since);
        }
    }

    /// Notes how many there are elsewhere of a topic that nobody here is subscribed to.
    pub(super) fn remember(&mut self, now: Instant, topic: &Arc<str>, elsewhere: u32) {
        let until = now.saturating_add(self.config.cluster_keep);
        let changed = self.reach.set(topic, elsewhere, until);
        self.reach_changed(changed);
    }

    pub(super) fn reach_changed(&mut self, topics: Vec<(Arc<str>, u32)>) {
        let effects = topics
            .into_iter()
            .map(|(topic, subscribers)| Effect::Reach { topic, subscribers });
        self.effects.extend(effects);
    }

    /// Has those announce again who may have been missed. Where nobody is elsewhere, nobody has
    /// missed anything.
    pub(super) fn nudge_all(&mut self, since: Instant) {
        let mut shared = Vec::new();
        for (name, topic) in self.edge.iter_mut() {
            let is_meant = topic.has_published_since(since);
            topic.may_be_nudged = is_meant && topic.elsewhere == 0;
            if is_meant && topic.elsewhere > 0 {
                shared.push(name.clone());
            }
        }
        shared
            .into_iter()
            .for_each(|topic| self.nudge(topic, since));
    }

    fn nudge(&mut self, topic: Arc<str>, since: Instant) {
        if self.parts.nudge && self.config.cluster_reannounce {
            let since = self.clock.past_to_host(since);
            self.stats.announced_again += 1;
            self.effects
                .push_back(Effect::AnnounceAgain { topic, since });
        }
    }
}

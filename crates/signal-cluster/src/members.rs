use alloc::collections::BTreeMap;
use core::time::Duration;

use signal_core::Instant;

use crate::link::Link;
use crate::mix::mix;
use crate::node::Node;

/// The other nodes that are heard, and what is remembered of those that were.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    present: BTreeMap<Node, Member>,
    past: BTreeMap<Node, Past>,
    past_max: usize,
}

/// Another node.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) heard: Instant,
    /// How long it had been there then.
    pub(crate) uptime: Duration,
    /// Whether it has named this life of this node in a beat. Until then what is heard may be a
    /// copy of what it said to others long ago, and nothing is made of it.
    pub(crate) knows_us: bool,
    /// Since when the two may have missed what the other said, until it knows us.
    pub(crate) gap: Option<Instant>,
    pub(crate) link: Link,
    /// Whether topics may have their home there.
    pub(crate) may_be_home: bool,
    /// The hash of its view, once it has said so.
    pub(crate) view: Option<u64>,
    /// The newest version of the wire that it speaks.
    pub(crate) newest_version: u8,
}

/// What is remembered of a node that is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    /// The highest session that there was, if it fell silent.
    pub(crate) session: u32,
    /// Since when the two may have missed what the other said. Nothing if it has left.
    pub(crate) gap: Option<Instant>,
    /// How long it had been there when it was heard last.
    uptime: Duration,
    at: Instant,
}

impl Members {
    pub(crate) const fn new(nodes_max: usize) -> Self {
        Self {
            present: BTreeMap::new(),
            past: BTreeMap::new(),
            past_max: nodes_max.saturating_mul(4),
        }
    }

    pub(crate) fn get(&self, node: Node) -> Option<&Member> {
        self.present.get(&node)
    }

    pub(crate) fn get_mut(&mut self, node: Node) -> Option<&mut Member> {
        self.present.get_mut(&node)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (Node, &Member)> {
        self.present.iter().map(|(node, member)| (*node, member))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Node, &mut Member)> {
        self.present
            .iter_mut()
            .map(|(node, member)| (*node, member))
    }

    /// Whether nobody is heard, and nobody has fallen silent who may come back.
    pub(crate) fn are_none(&self) -> bool {
        self.present.is_empty() && self.past.values().all(|past| past.gap.is_none())
    }

    pub(crate) fn insert(&mut self, node: Node, member: Member) {
        self.present.insert(node, member);
    }

    /// How long a node had been there when it was heard last: what says less is a copy of an older
    /// beat.
    pub(crate) fn last_uptime(&self, node: Node) -> Option<Duration> {
        let present = self.present.get(&node).map(|member| member.uptime);
        present.or_else(|| self.past.get(&node).map(|past| past.uptime))
    }

    /// What is remembered of a node that comes back.
    pub(crate) fn recall(&mut self, node: Node) -> Option<Past> {
        self.past.remove(&node)
    }

    /// Since when an earlier life of a node has not been heard, if it fell silent. Two nodes may
    /// have begun another life instead of it, so it stays remembered.
    pub(crate) fn earlier_life_gap(&self, node: Node) -> Option<Instant> {
        let lives = self.past.iter().filter(|(past, _)| past.id == node.id);
        lives.filter_map(|(_, past)| past.gap).min()
    }

    /// Since when this node and one that does not know it yet may have missed each other.
    pub(crate) fn unknown_since(&self) -> Option<Instant> {
        self.present.values().filter_map(|member| member.gap).min()
    }

    /// Since when this node may have missed what others said that it does not hear: of those that
    /// were heard the one lost first, and all if none ever was.
    pub(crate) fn missing_since(&self, born: Instant) -> Option<Instant> {
        let past = self.past.values().filter_map(|past| past.gap);
        let first = past.chain(self.unknown_since()).min();
        first.or_else(|| self.present.is_empty().then_some(born))
    }

    /// Removes a node, and remembers it; with a gap unless it has gone for good. One that is not
    /// remembered any more counts as one that was never heard, which is safe.
    pub(crate) fn remove(&mut self, now: Instant, node: Node, gap: Option<Instant>) {
        let Some(member) = self.present.remove(&node) else {
            return;
        };
        if self.past.len() >= self.past_max {
            let oldest = self.past.iter().min_by_key(|(_, past)| past.at);
            if let Some(oldest) = oldest.map(|(node, _)| *node) {
                self.past.remove(&oldest);
            }
        }
        let past = Past {
            session: gap.map_or(0, |_| member.link.highest),
            gap,
            uptime: member.uptime,
            at: now,
        };
        self.past.insert(node, past);
    }

    /// Whether all links carry what is said, of nodes that know this one.
    pub(crate) fn are_settled(&self, now: Instant, patience: Duration) -> bool {
        let mut known = self.iter().filter(|(_, member)| member.knows_us);
        known.all(|(_, member)| member.link.is_settled(now, patience))
    }

    /// A node that has been silent for so long, if there is one.
    pub(crate) fn silent(&self, now: Instant, dead_after: Duration) -> Option<Node> {
        let mut members = self.iter();
        let silent = members.find(|(_, member)| now >= member.heard.saturating_add(dead_after));
        silent.map(|(node, _)| node)
    }

    /// When the next one has been silent for so long.
    pub(crate) fn poll_timeout(&self, dead_after: Duration) -> Option<Instant> {
        let heard = self.iter().map(|(_, member)| member.heard).min()?;
        Some(heard.saturating_add(dead_after))
    }

    /// A hash of the view: who hears us and is heard, this node included, and who may be a home.
    pub(crate) fn view(&self, me: Node, may_be_home: bool) -> u64 {
        let own = word(me, may_be_home);
        let known = self.iter().filter(|(_, member)| member.knows_us);
        // A sum, so that the order does not matter.
        known.fold(own, |sum, (node, member)| {
            sum.wrapping_add(word(node, member.may_be_home))
        })
    }
}

fn word(node: Node, may_be_home: bool) -> u64 {
    mix(node.salt() ^ u64::from(may_be_home))
}

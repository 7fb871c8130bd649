use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use signal_core::Instant;

use crate::homes::{Homes, topic_hash};
use crate::node::Node;

/// The topics that local peers are subscribed to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    topics: BTreeMap<Arc<str>, Topic>,
}

/// A topic, as this node's peers see it.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    hash: u64,
    /// Never 0.
    pub(crate) subscribers: u32,
    /// Where the node is subscribed.
    pub(crate) home: Node,
    /// What the home said last.
    pub(crate) elsewhere: u32,
    /// When a local peer published last.
    pub(crate) published: Option<Instant>,
    /// Whether its peers announce again if there turns out to be somebody elsewhere.
    pub(crate) may_be_nudged: bool,
}

/// A topic whose home has to hear of it.
#[derive(Debug)]
pub(crate) struct Move {
    pub(crate) topic: Arc<str>,
    pub(crate) subscribers: u32,
    pub(crate) old: Node,
    pub(crate) new: Node,
}

impl Topic {
    pub(crate) fn has_published_since(&self, since: Instant) -> bool {
        self.published.is_some_and(|at| at >= since)
    }
}

impl Edge {
    /// Takes the number of local subscribers, and returns the topic's home if it has changed.
    pub(crate) fn set(
        &mut self,
        topic: &str,
        subscribers: u32,
        homes: &Homes,
    ) -> Option<(Arc<str>, Node)> {
        let known = self.topics.get_key_value(topic);
        let name = known.map_or_else(|| Arc::from(topic), |(name, _)| name.clone());
        match (self.topics.get_mut(topic), subscribers) {
            (None, 0) => None,
            (Some(known), 0) => {
                let home = known.home;
                self.topics.remove(topic);
                Some((name, home))
            }
            (Some(known), _) => {
                let has_changed = known.subscribers != subscribers;
                known.subscribers = subscribers;
                has_changed.then_some((name, known.home))
            }
            (None, _) => {
                let hash = topic_hash(topic);
                let home = homes.of(hash);
                let new = Topic {
                    hash,
                    subscribers,
                    home,
                    elsewhere: 0,
                    published: None,
                    may_be_nudged: false,
                };
                self.topics.insert(name.clone(), new);
                Some((name, home))
            }
        }
    }

    pub(crate) fn get(&self, topic: &str) -> Option<(&Arc<str>, &Topic)> {
        self.topics.get_key_value(topic)
    }

    pub(crate) fn get_mut(&mut self, topic: &str) -> Option<&mut Topic> {
        self.topics.get_mut(topic)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Topic)> {
        self.topics.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Topic)> {
        self.topics.iter_mut()
    }

    /// Moves the topics that have another home now, and those with their home on `fresh`, a node
    /// that knows nothing of them.
    pub(crate) fn rehome<'e>(
        &'e mut self,
        homes: &'e Homes,
        fresh: Option<Node>,
    ) -> impl Iterator<Item = Move> + 'e {
        self.topics.iter_mut().filter_map(move |(name, topic)| {
            let new = homes.of(topic.hash);
            let old = core::mem::replace(&mut topic.home, new);
            (new != old || Some(new) == fresh).then(|| Move {
                topic: name.clone(),
                subscribers: topic.subscribers,
                old,
                new,
            })
        })
    }
}

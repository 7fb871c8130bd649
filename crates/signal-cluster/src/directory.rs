use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::node::Node;

/// What a home knows of its topics: which nodes have subscribers, and how many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    /// No topic is without shares.
    topics: BTreeMap<Arc<str>, Vec<Share>>,
    /// Topics whose counts have changed since they were reported.
    changed: BTreeSet<Arc<str>>,
}

/// What one node has of a topic.
#[derive(Clone, Copy, Debug)]
struct Share {
    node: Node,
    /// Never 0.
    subscribers: u32,
    /// What the node was told last that there is elsewhere.
    told: Option<u32>,
}

impl Directory {
    /// Takes the number of a node's subscribers. `anew` if the node may know nothing of what it was
    /// told.
    pub(crate) fn set(&mut self, topic: &Arc<str>, node: Node, subscribers: u32, anew: bool) {
        let shares = self.topics.entry(topic.clone()).or_default();
        let place = shares.binary_search_by_key(&node, |share| share.node);
        let told = None;
        match (place, subscribers) {
            (Ok(place), 0) => {
                shares.remove(place);
            }
            (Err(_), 0) => {}
            (Ok(place), _) => {
                if let Some(share) = shares.get_mut(place) {
                    share.subscribers = subscribers;
                    share.told = share.told.filter(|_| !anew);
                }
            }
            (Err(place), _) => shares.insert(
                place,
                Share {
                    node,
                    subscribers,
                    told,
                },
            ),
        }
        if shares.is_empty() {
            self.topics.remove(topic);
            self.changed.remove(topic);
        } else {
            self.changed.insert(topic.clone());
        }
    }

    /// Forgets a node.
    pub(crate) fn forget(&mut self, node: Node) {
        let changed = &mut self.changed;
        self.topics.retain(|topic, shares| {
            if let Ok(place) = shares.binary_search_by_key(&node, |share| share.node) {
                shares.remove(place);
                changed.insert(topic.clone());
            }
            !shares.is_empty()
        });
    }

    /// The nodes with subscribers of a topic, each with how many there are elsewhere.
    pub(crate) fn of(&self, topic: &str) -> impl Iterator<Item = (Node, u32)> {
        let shares = self.topics.get(topic).map_or(&[][..], Vec::as_slice);
        let total = total(shares);
        let rest = move |share: &Share| total.saturating_sub(share.subscribers);
        shares.iter().map(move |share| (share.node, rest(share)))
    }

    /// How many subscribers other nodes than this one have.
    pub(crate) fn elsewhere(&self, topic: &str, node: Node) -> u32 {
        let others = self.topics.get(topic).into_iter().flatten();
        let others = others.filter(|share| share.node != node);
        others.fold(0, |sum, share| sum.saturating_add(share.subscribers))
    }

    /// How many subscribers other nodes than this one have, unless it has been told so. Who has no
    /// share of the topic is told nothing otherwise.
    pub(crate) fn tell(&mut self, topic: &str, node: Node) -> Option<u32> {
        let elsewhere = self.elsewhere(topic, node);
        let mut shares = self.topics.get_mut(topic).into_iter().flatten();
        match shares.find(|share| share.node == node) {
            Some(share) => (share.told.replace(elsewhere) != Some(elsewhere)).then_some(elsewhere),
            None => Some(elsewhere),
        }
    }

    /// Whether there is something to report.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Whom to tell what, since the last time.
    pub(crate) fn reports(&mut self) -> Vec<(Node, Arc<str>, u32)> {
        let mut reports = Vec::new();
        for topic in core::mem::take(&mut self.changed) {
            let Some(shares) = self.topics.get_mut(&topic) else {
                continue;
            };
            let total = total(shares);
            for share in shares {
                let elsewhere = total.saturating_sub(share.subscribers);
                if share.told.replace(elsewhere) != Some(elsewhere) {
                    reports.push((share.node, topic.clone(), elsewhere));
                }
            }
        }
        reports
    }

    /// How many topics have their home here.
    pub(crate) fn len(&self) -> usize {
        self.topics.len()
    }
}

fn total(shares: &[Share]) -> u32 {
    shares
        .iter()
        .fold(0, |sum, share| sum.saturating_add(share.subscribers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;

    fn node(number: u64) -> Node {
        Node {
            id: NodeId::new(number),
            life: 0,
        }
    }

    #[test]
    fn a_node_hears_of_others_and_only_what_has_changed() {
        let (mut directory, topic) = (Directory::default(), Arc::from("t"));
        directory.set(&topic, node(1), 2, false);
        assert_eq!(directory.reports(), [(node(1), topic.clone(), 0)]);
        directory.set(&topic, node(1), 3, false);
        assert_eq!(directory.reports(), []);
        directory.set(&topic, node(2), 1, false);
        let both = [(node(1), topic.clone(), 1), (node(2), topic.clone(), 3)];
        assert_eq!(directory.reports(), both);
        assert!(directory.of("t").eq([(node(1), 1), (node(2), 3)]));
        directory.set(&topic, node(1), 3, true);
        assert_eq!(directory.reports(), [(node(1), topic.clone(), 1)]);
        directory.forget(node(1));
        assert_eq!(directory.reports(), [(node(2), topic.clone(), 0)]);
        directory.set(&topic, node(2), 0, false);
        assert!(!directory.has_changed() && directory.len() == 0);
    }
}

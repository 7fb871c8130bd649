use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::node::Node;

/// What a topic takes beside its name, and what each share of it takes.
const TOPIC_BYTES: usize = 160;
const SHARE_BYTES: usize = 48;

/// What a home knows of its topics: which nodes have subscribers, and how many. In bounded memory.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    bytes_max: usize,
    bytes: usize,
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
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            topics: BTreeMap::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Takes the number of a node's subscribers. `anew` if the node may know nothing of what it was
    /// told. False if there is no memory for a share that is new.
    pub(crate) fn set(
        &mut self,
        topic: &Arc<str>,
        node: Node,
        subscribers: u32,
        anew: bool,
    ) -> bool {
        let known = self.topics.get(topic);
        let shares = known.map_or(&[][..], Vec::as_slice);
        let place = shares.binary_search_by_key(&node, |share| share.node);
        let more = match known {
            None => topic_bytes(topic) + SHARE_BYTES,
            Some(_) => SHARE_BYTES,
        };
        match (place, subscribers) {
            (Err(_), 0) => return true,
            (Err(_), _) if self.bytes + more > self.bytes_max => return false,
            (Err(_), _) => self.bytes += more,
            (Ok(_), 0) => self.bytes = self.bytes.saturating_sub(SHARE_BYTES),
            (Ok(_), _) => {}
        }
        let shares = self.topics.entry(topic.clone()).or_default();
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
            self.bytes = self.bytes.saturating_sub(topic_bytes(topic));
            self.topics.remove(topic);
            self.changed.remove(topic);
        } else {
            self.changed.insert(topic.clone());
        }
        true
    }

    /// Forgets a node.
    pub(crate) fn forget(&mut self, node: Node) {
        let (changed, bytes) = (&mut self.changed, &mut self.bytes);
        self.topics.retain(|topic, shares| {
            if let Ok(place) = shares.binary_search_by_key(&node, |share| share.node) {
                shares.remove(place);
                *bytes = bytes.saturating_sub(SHARE_BYTES);
                changed.insert(topic.clone());
            }
            if shares.is_empty() {
                *bytes = bytes.saturating_sub(topic_bytes(topic));
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

fn topic_bytes(topic: &str) -> usize {
    TOPIC_BYTES + topic.len()
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
        let (mut directory, topic) = (Directory::new(1 << 20), Arc::from("t"));
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

    #[test]
    fn memory_is_bounded_and_what_leaves_makes_room() {
        let mut directory = Directory::new(10_000);
        let topic = |number: u32| -> Arc<str> { alloc::format!("t{number:03}").into() };
        let taken = (0..100).filter(|number| directory.set(&topic(*number), node(1), 1, false));
        let taken = taken.count();
        assert_eq!(taken, 10_000 / (TOPIC_BYTES + 4 + SHARE_BYTES));
        assert_eq!(directory.len(), taken);
        // Numbers change, and nodes go, whatever there is.
        assert!(directory.set(&topic(0), node(1), 7, false));
        assert!(directory.set(&topic(0), node(1), 0, false));
        assert!(directory.set(&topic(99), node(2), 0, false));
        assert!(directory.set(&topic(99), node(2), 1, false));
        directory.forget(node(1));
        directory.forget(node(2));
        assert_eq!((directory.bytes, directory.len()), (0, 0));
    }
}

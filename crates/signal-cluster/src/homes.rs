use alloc::vec::Vec;

use crate::mix::{hash, mix};
use crate::node::Node;

/// The hash of a topic, by which its home is found.
pub(crate) fn topic_hash(topic: &str) -> u64 {
    hash(topic.as_bytes())
}

/// The nodes that topics may have their home on.
///
/// The home of a topic is the node with the highest weight for it (rendezvous hashing): when one
/// node goes, only its own topics move, evenly to all others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Homes {
    first: Node,
    others: Vec<Node>,
}

impl Homes {
    /// Homes of these nodes; `alone` is the home of everything if there are none.
    pub(crate) fn new(alone: Node, nodes: impl Iterator<Item = Node>) -> Self {
        let mut others: Vec<_> = nodes.collect();
        let first = others.pop().unwrap_or(alone);
        Self { first, others }
    }

    /// The home of a topic of this hash.
    pub(crate) fn of(&self, topic: u64) -> Node {
        let weight = |node: Node| mix(topic ^ node.salt());
        let (mut home, mut highest) = (self.first, weight(self.first));
        for node in &self.others {
            let weight = weight(*node);
            if (weight, *node) > (highest, home) {
                (home, highest) = (*node, weight);
            }
        }
        home
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;

    use super::*;
    use crate::NodeId;

    fn node(number: u64) -> Node {
        Node {
            id: NodeId::new(number),
            life: 1,
        }
    }

    #[test]
    fn topics_are_spread_evenly_and_only_those_of_a_lost_node_move() {
        let all = Homes::new(node(0), (0..5).map(node));
        let fewer = Homes::new(node(0), (0..4).map(node));
        let mut loads = BTreeMap::new();
        for number in 0..10_000 {
            let topic = topic_hash(&format!("room-{number}"));
            let home = all.of(topic);
            *loads.entry(home).or_insert(0) += 1;
            assert!(fewer.of(topic) == home || home == node(4));
        }
        assert!(
            loads.values().all(|load| (1_850..2_150).contains(load)),
            "{loads:?}"
        );
    }

    #[test]
    fn a_node_without_others_is_home_of_everything() {
        assert_eq!(
            Homes::new(node(7), [].into_iter()).of(topic_hash("t")),
            node(7)
        );
    }
}

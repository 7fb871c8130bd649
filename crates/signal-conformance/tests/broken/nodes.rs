//! Several nodes of one service, and how they come apart.

use std::collections::BTreeSet;

use crate::fault::Fault;
use crate::relay::{PeerId, Relay};

#[derive(Default)]
pub(crate) struct Nodes {
    gone: BTreeSet<usize>,
    bus_is_down: bool,
    /// For good, by a fault.
    is_torn: bool,
}

impl Relay {
    pub(crate) fn is_gone(&self, node: usize) -> bool {
        self.nodes.gone.contains(&node)
    }

    pub(crate) fn kill_node(&mut self, node: usize) {
        self.nodes.gone.insert(node);
        self.nodes.is_torn |= self.has(Fault::NodeEndTearsTheRest);
        self.end_node(node, 1006);
    }

    pub(crate) fn drain_node(&mut self, node: usize) {
        self.nodes.gone.insert(node);
        if !self.has(Fault::DrainedNodeKeepsPeers) {
            self.end_node(node, 1012);
        }
    }

    pub(crate) fn start_node(&mut self, node: usize) {
        self.nodes.gone.remove(&node);
    }

    pub(crate) fn stop_bus(&mut self) {
        self.nodes.bus_is_down = true;
    }

    pub(crate) fn start_bus(&mut self) {
        self.nodes.bus_is_down = self.has(Fault::BusIsNotFoundAgain);
    }

    /// Whether what a peer publishes reaches another.
    pub(crate) fn reaches(&self, publisher: PeerId, subscriber: PeerId, topic: &str) -> bool {
        let (from, to) = (self.peers[&publisher].node, &self.peers[&subscriber]);
        let is_apart = self.has(Fault::NodesServeApart)
            || self.nodes.bus_is_down
            || self.nodes.is_torn
            || self.is_gone(from)
            || self.is_gone(to.node);
        let is_late = self.has(Fault::InterestTravelsLate) && to.fresh.contains(topic);
        from == to.node || !is_apart && !is_late
    }

    /// What is subscribed is known on every node once anybody has waited for anything.
    pub(crate) fn tell_nodes(&mut self) {
        self.peers.values_mut().for_each(|peer| peer.fresh.clear());
    }

    fn end_node(&mut self, node: usize, code: u16) {
        let there = self.peers.iter().filter(|(_, peer)| peer.node == node);
        let there: Vec<_> = there.map(|(id, _)| *id).collect();
        there.into_iter().for_each(|id| self.end(id, code));
    }
}

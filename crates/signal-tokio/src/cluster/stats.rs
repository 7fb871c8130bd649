use std::time::Duration;

use signal_cluster::Node;

use super::BusHealth;

/// How a relay is as a node of a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClusterStats {
    /// Which node it is.
    pub node: Node,
    /// The other nodes that it hears, sorted.
    pub nodes: Vec<Node>,
    /// Whether it has been there long enough to know the others; see
    /// [`Cluster::is_ready`](signal_cluster::Cluster::is_ready).
    pub is_ready: bool,
    /// Whether it has heard nobody for long and waits for nobody; see
    /// [`Cluster::is_alone`](signal_cluster::Cluster::is_alone).
    pub is_alone: bool,
    /// Whether nodes do not agree who is there.
    pub do_views_differ: bool,
    /// Topics that have their home here. A node alone is home of everything, and counts nothing.
    pub homed: u64,
    /// How long the oldest frame has waited for its acknowledgement.
    pub waiting_for: Duration,
    /// How the bus is. Down if it has ended.
    pub bus: BusHealth,
    /// What the node has counted.
    pub counts: signal_cluster::Stats,
    /// Publishes that stayed on this node because the mailbox was full:
    /// [`cluster_mailbox_bytes_max`](super::ClusterConfig::cluster_mailbox_bytes_max).
    pub mailbox_overflows: u64,
    /// Peers that were closed so that they announce again.
    pub nudged: u64,
}

impl ClusterStats {
    /// Those of a node that has just begun.
    pub(super) fn new(node: Node, bus: BusHealth) -> Self {
        Self {
            node,
            nodes: Vec::new(),
            is_ready: false,
            is_alone: false,
            do_views_differ: false,
            homed: 0,
            waiting_for: Duration::ZERO,
            bus,
            counts: signal_cluster::Stats::default(),
            mailbox_overflows: 0,
            nudged: 0,
        }
    }
}

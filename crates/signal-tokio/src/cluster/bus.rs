use std::task::{Context, Poll};

use bytes::Bytes;
use signal_cluster::NodeId;

/// What carries messages between nodes: NATS, Redis, a mesh of TCP, channels in a test.
///
/// It carries bytes of at most
/// [`cluster_batch_bytes_max`](signal_cluster::Config::cluster_batch_bytes_max) and a few more, and
/// may lose, delay and repeat them: the nodes notice and repair that. What one node sends to
/// another should keep its order, and a node must not be brought what it sent itself. Nobody but
/// the nodes of this cluster may write to it.
///
/// One task owns a bus and calls it, on the runtime on which the relay was built. No topic is part
/// of an address: a bus needs one for each node, and one for all.
pub trait Bus: Send + 'static {
    /// Sends to one node. Never waits: what cannot be taken now is dropped, and counted in
    /// [`health`](Self::health).
    fn to(&mut self, node: NodeId, message: &[u8]);

    /// Sends to all other nodes, as [`to`](Self::to).
    fn to_all(&mut self, message: &[u8]);

    /// The next message for this node or for all. `None` is the end: the bus will bring nothing any
    /// more, and is dropped. One that may come back is pending until then.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>>;

    /// Completes when what was taken is on its way, or lost: when the process may end. A relay that
    /// drains waits for it, for a second at most.
    ///
    /// It is called before that too, whenever something was sent, and need not complete then.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// How it is, for metrics and for
    /// [`cluster_required`](super::ClusterConfig::cluster_required). Asked often.
    fn health(&self) -> BusHealth {
        BusHealth::default()
    }
}

/// How a [`Bus`] is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BusHealth {
    /// Whether it can carry something at the moment, as far as it knows.
    pub is_up: bool,
    /// How often it has come up since its start.
    pub connects: u64,
    /// Messages that it could not take, or has lost and knows of.
    pub dropped: u64,
}

impl BusHealth {
    /// There is none any more.
    pub(super) const ENDED: Self = Self {
        is_up: false,
        connects: 0,
        dropped: 0,
    };
}

/// Up, with nothing counted: what never goes down says this.
impl Default for BusHealth {
    fn default() -> Self {
        Self {
            is_up: true,
            connects: 0,
            dropped: 0,
        }
    }
}

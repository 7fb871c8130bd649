use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use signal_cluster::{Cluster, NodeId};
use tokio::time::sleep_until;

use super::board::Board;
use super::nudges::Nudges;
use super::task::Task;
use super::{Bus, ClusterConfig, ClusterStats};
use crate::clock::{Clock, first_timer};
use crate::config::{Config, ConfigError};
use crate::hub::rooms::Rooms;
use crate::hub::uplink::{Notes, Order, Uplink};
use crate::stats::readiness::{Obstacle, Readiness};

/// A node that has not begun: what it is made of.
pub(crate) struct Joining {
    config: ClusterConfig,
    bus: Box<dyn FnOnce(NodeId) -> Box<dyn Bus> + Send>,
}

impl Joining {
    pub(crate) fn new<B: Bus>(
        config: ClusterConfig,
        bus: impl FnOnce(NodeId) -> B + Send + 'static,
    ) -> Self {
        Self {
            config,
            bus: Box::new(|id| Box::new(bus(id))),
        }
    }

    /// Checks the settings, also beside those of the relay.
    pub(crate) fn check(&self, relay: &Config) -> Result<(), ConfigError> {
        Ok(self.config.check_beside(&relay.core)?)
    }

    /// The mailbox that the node will read.
    pub(crate) fn uplink(&self, clock: Clock) -> Arc<Uplink> {
        let bytes_max = self.config.cluster_mailbox_bytes_max;
        Arc::new(Uplink::new(clock, bytes_max))
    }

    /// Begins the node, as a task of the current runtime.
    pub(crate) fn join(
        self,
        clock: Clock,
        uplink: Arc<Uplink>,
        rooms: &Arc<Rooms>,
        readiness: Arc<Readiness>,
        drain_seconds: u32,
    ) -> Arc<Board> {
        let Self { config, bus } = self;
        let id = NodeId::new(random());
        let cluster = Cluster::new(clock.now(), id, random(), config.nodes.clone());
        let bus = bus(id);
        // Shorter than what the promise to meet leaves after a gap.
        let drain = Duration::from_secs(drain_seconds.into());
        let spread = drain.min(config.nodes.cluster_dead_after);
        let stats = ClusterStats::new(cluster.node(), bus.health());
        let board = Arc::new(Board::new(Arc::clone(&uplink), stats));
        readiness.set(Some(Obstacle::Young));
        tracing::info!(node = %id, "this relay is a node of a cluster");
        tokio::spawn(Task {
            clock,
            views: cluster.stats().view_changes,
            cluster,
            bus: Some(bus),
            uplink,
            rooms: Arc::downgrade(rooms),
            board: Arc::clone(&board),
            readiness,
            is_bus_required: config.cluster_required,
            reannounces: config.nodes.cluster_reannounce,
            nudges: Nudges::new(spread),
            notes: Notes::default(),
            overflows: 0,
            is_lazy: false,
            is_hushed: false,
            order: Order::Serve,
            leaves_by: None,
            timer: Box::pin(sleep_until(first_timer())),
        });
        board
    }
}

impl fmt::Debug for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, bus: _ } = self;
        f.debug_struct("Joining")
            .field("config", config)
            .finish_non_exhaustive()
    }
}

/// A number that no other process has: the keys of the standard library's hashers are from the
/// system's randomness.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

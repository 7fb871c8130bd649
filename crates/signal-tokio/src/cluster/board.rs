use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::ClusterStats;
use crate::hub::uplink::{Order, Uplink};
use crate::lock::Lock;

/// Longer than the task takes to leave.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// The relay's end of the task that runs its node.
#[derive(Debug)]
pub(crate) struct Board {
    uplink: Arc<Uplink>,
    stats: Lock<ClusterStats>,
    has_left: watch::Sender<bool>,
}

impl Board {
    pub(super) fn new(uplink: Arc<Uplink>, stats: ClusterStats) -> Self {
        Self {
            uplink,
            stats: Lock::new(stats),
            has_left: watch::Sender::new(false),
        }
    }

    /// Has the node be home of nothing any more, before its peers are moved elsewhere.
    pub(crate) fn drain(&self) {
        self.uplink.order(Order::Drain);
    }

    /// Says good-bye to the other nodes. Completes when that is on its way.
    pub(crate) async fn leave(&self) {
        self.uplink.order(Order::Leave);
        let mut has_left = self.has_left.subscribe();
        // The sender is here. The task may be on a runtime that has no turns any more.
        let _ = timeout(LEAVE_TIMEOUT, has_left.wait_for(|has_left| *has_left)).await;
    }

    pub(crate) fn stats(&self) -> ClusterStats {
        self.stats.lock().clone()
    }

    /// Whatever the task has to report.
    pub(super) fn change(&self, change: impl FnOnce(&mut ClusterStats)) {
        change(&mut self.stats.lock());
    }

    pub(super) fn set_left(&self) {
        self.has_left.send_replace(true);
    }
}

//! Whether a relay should be sent peers, where that is not for its peers to say.

use crate::lock::Lock;

/// What stands in the way of readiness, if something does.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Lock<Option<Obstacle>>);

/// Why peers should not be sent to a relay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(
    not(feature = "cluster"),
    expect(dead_code, reason = "only a node of a cluster has any")
)]
pub(crate) enum Obstacle {
    /// As a node of a cluster it does not know the others yet.
    Young,
    /// The bus to the other nodes is down, and the relay is not to serve without it.
    BusDown,
}

impl Readiness {
    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        *self.0.lock()
    }

    #[cfg_attr(
        not(feature = "cluster"),
        expect(dead_code, reason = "only a node of a cluster has any")
    )]
    pub(crate) fn set(&self, obstacle: Option<Obstacle>) {
        *self.0.lock() = obstacle;
    }
}

impl Obstacle {
    /// As `/readyz` reports it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Young => "joining_cluster",
            Self::BusDown => "cluster_bus_down",
        }
    }
}

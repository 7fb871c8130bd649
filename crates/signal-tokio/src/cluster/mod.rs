//! Several relays that serve as one. Feature `cluster`.
//!
//! A relay that is given a [`Bus`] is a node of a cluster: its peers meet those of the other nodes
//! that are on the same bus. What the nodes say to each other, what they promise and what happens
//! when one of them or the bus fails is [specified](signal_cluster::specification) by
//! [`signal_cluster`], which decides all of it; here are the task that runs it and the way to the
//! peers.

mod board;
mod bus;
mod config;
mod joining;
#[cfg(feature = "metrics")]
mod metrics;
mod nudges;
mod peers;
mod stats;
mod task;

pub(crate) use board::Board;
pub use bus::{Bus, BusHealth};
pub use config::ClusterConfig;
pub(crate) use joining::Joining;
#[cfg(feature = "metrics")]
pub use metrics::METRICS;
pub use signal_cluster::{self, Node, NodeId};
pub use stats::ClusterStats;

//! Several relays that serve as one. Feature `cluster`.
//!
//! A relay that is given a [`Bus`] is a node of a cluster: its peers meet those of the other nodes
//! that are on the same bus. What the nodes say to each other, what they promise and what happens
//! when one of them or the bus fails is [specified](signal_cluster::specification) by
//! [`signal_cluster`], which decides all of it; here are the task that runs it and the way to the
//! peers.
//!
//! `signal-nats` has a bus for NATS. One of your own is this long; it joins the relays of a
//! process:
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//! use std::task::{Context, Poll};
//!
//! use signal_tokio::bytes::Bytes;
//! use signal_tokio::cluster::{Bus, BusHealth, ClusterConfig, NodeId};
//! use signal_tokio::{Config, Relay};
//! use tokio::sync::mpsc;
//!
//! type Nodes = Arc<Mutex<BTreeMap<NodeId, mpsc::Sender<Bytes>>>>;
//!
//! struct Channels {
//!     me: NodeId,
//!     nodes: Nodes,
//!     inbox: mpsc::Receiver<Bytes>,
//!     health: BusHealth,
//! }
//!
//! impl Channels {
//!     fn join(me: NodeId, nodes: Nodes) -> Self {
//!         let (sender, inbox) = mpsc::channel(1_024);
//!         nodes.lock().expect("no panic").insert(me, sender);
//!         Self { me, nodes, inbox, health: BusHealth::default() }
//!     }
//! }
//!
//! impl Bus for Channels {
//!     fn to(&mut self, node: NodeId, message: &[u8]) {
//!         if let Some(inbox) = self.nodes.lock().expect("no panic").get(&node) {
//!             // What is full does not wait: the nodes find out and repair it.
//!             let sent = inbox.try_send(Bytes::copy_from_slice(message));
//!             self.health.dropped += u64::from(sent.is_err());
//!         }
//!     }
//!
//!     fn to_all(&mut self, message: &[u8]) {
//!         let nodes: Vec<_> = self.nodes.lock().expect("no panic").keys().copied().collect();
//!         for node in nodes {
//!             if node != self.me {
//!                 self.to(node, message);
//!             }
//!         }
//!     }
//!
//!     fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
//!         self.inbox.poll_recv(cx)
//!     }
//!
//!     fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
//!         Poll::Ready(())
//!     }
//!
//!     fn health(&self) -> BusHealth {
//!         self.health
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), signal_tokio::ConfigError> {
//! let nodes = Nodes::default();
//! let relay = || {
//!     let nodes = nodes.clone();
//!     let join = |me| Channels::join(me, nodes);
//!     Relay::builder(Config::default()).cluster(ClusterConfig::default(), join).build()
//! };
//! let (one, two) = (relay()?, relay()?);
//! # assert!(one.cluster_stats().is_some() && two.cluster_stats().is_some());
//! # Ok(())
//! # }
//! ```

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

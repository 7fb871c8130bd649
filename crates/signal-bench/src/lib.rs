//! A load generator for [y-webrtc](https://github.com/yjs/y-webrtc) signaling servers, of this
//! project or any other, that checks every delivery.
//!
//! It opens rooms full of subscribed connections, publishes in them, and looks at each delivery:
//! did it come, once, in order, and how long did it take? It measures its own cost and,
//! given the server's process, the server's.
//!
//! ```no_run
//! use signal_bench::{Plan, Scenario, Server, run};
//!
//! let server = Server::at("127.0.0.1:4444".parse()?);
//! let mut plan = Plan::new(Scenario::Fanout);
//! plan.rooms = 20;
//! plan.window = 8;
//! let report = run(&server, &plan, &mut |_| {})?;
//! println!("{:.0} deliveries/s, p99 {:.2} ms", report.deliveries_per_second, report.latency.p99_ms);
//! assert!(report.is_sound(), "{:?}", report.faults);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! Each thread is a loop around an epoll (or kqueue): it reads every socket that has something,
//! judges what came, and only then writes, once for each connection, whatever that has to send.
//! Messages are encoded and masked before the run; sending one is a copy. Deliveries are not
//! parsed: each message carries a marker of twenty characters, which says who sent it and which of
//! their messages it is, and is found by its place. So a delivery costs the generator far less than
//! the server, mostly the `read`.
//!
//! # Several nodes
//!
//! [`run_cluster`] puts several addresses under load as one service. The members of each room are
//! spread over its nodes, in turn; deliveries are checked as with one, and the report says which
//! share of them went from one node to another, and how long those took. Before anything is
//! measured, a member on each node of a room publishes until all members have heard it: a node
//! learns some time after a subscription that a room has members elsewhere. Nodes that are no
//! cluster are found by that.
//!
//! # What is not here
//!
//! A relay drops what exceeds its rates, so a load needs a server whose rates were raised;
//! [`Report::rates`] says how far. Only what goes through the server's sockets is measured, not
//! browsers, WebRTC or clocks on other machines.

mod cluster;
mod compare;
mod error;
mod explain;
mod load;
mod net;
mod plan;
mod progress;
mod report;
mod run;
mod server;
mod worker;

pub use cluster::{Cluster, Node};
pub use compare::{Compared, Comparison, Contestant, Figure, Spread, compare};
pub use error::BenchError;
pub use load::flows::Faults;
pub use plan::{Plan, Scenario};
pub use progress::{Phase, Progress};
pub use report::cluster::{ClusterReport, Crossed, NodeReport};
pub use report::process_report::ProcessReport;
pub use report::threshold::{Metric, Threshold};
pub use report::{Bar, Generator, Latency, Rates, Report, SlowReport};
pub use run::{run, run_cluster};
pub use server::Server;

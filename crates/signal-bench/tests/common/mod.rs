//! Servers for the load generator: the real relay, and some that are wrong on purpose.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

mod faulty;
mod real_cluster;

use std::net::SocketAddr;
use std::time::Duration;

use signal_bench::{BenchError, Cluster, Node, Plan, Report, Scenario, Server};
use signal_tokio::{Config, Relay};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub use faulty::{Fault, Faulty};
pub use real_cluster::RealCluster;

/// The relay, in this process, with rates that no load reaches.
#[derive(Debug)]
pub struct RealRelay {
    pub address: SocketAddr,
    _runtime: Runtime,
}

impl RealRelay {
    pub fn start() -> Self {
        Self::with(Self::config())
    }

    pub fn config() -> Config {
        let mut config = Config::default();
        config.core.messages_per_second = 1_000_000;
        config.core.messages_burst = u32::MAX;
        config.core.fan_out_per_second = 1_000_000_000;
        config.core.fan_out_burst = u32::MAX;
        config.core.bytes_per_second = u32::MAX;
        config.core.bytes_burst = u32::MAX;
        config.core.fan_out_bytes_per_second = 1 << 40;
        config.core.fan_out_bytes_burst = 1 << 40;
        config
    }

    pub fn with(config: Config) -> Self {
        let runtime = runtime();
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let relay = Relay::new(config).expect("settings");
        runtime.spawn(async move { relay.serve(listener).await });
        Self {
            address,
            _runtime: runtime,
        }
    }
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A small load: long enough to see every kind of message, far too short to measure anything.
pub fn small(scenario: Scenario) -> Plan {
    let mut plan = Plan::new(scenario);
    plan.rooms = 3;
    plan.members = 4;
    plan.connections = 30;
    plan.ping_interval = Duration::from_millis(100);
    plan.warmup = Duration::from_millis(50);
    plan.duration = Duration::from_millis(200);
    // A busy machine delivers late, too.
    plan.timeout = Duration::from_secs(20);
    plan
}

pub fn load(address: SocketAddr, plan: &Plan) -> Report {
    signal_bench::run(&Server::at(address), plan, &mut |_| {}).expect("the load runs")
}

/// The same on several nodes.
pub fn load_nodes(nodes: &[SocketAddr], plan: &Plan) -> Result<Report, BenchError> {
    signal_bench::run_cluster(&cluster(nodes), plan, &mut |_| {})
}

pub fn cluster(nodes: &[SocketAddr]) -> Cluster {
    let nodes = nodes.iter().map(|node| Node::new(Server::at(*node)));
    Cluster::new(nodes.collect())
}

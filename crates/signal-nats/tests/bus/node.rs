//! Buses of nodes, and what tests ask of them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use signal_cluster::NodeId;
use signal_nats::{Config, Handle, Nats, Stats};

use signal_testwire::PATIENCE;

pub(crate) const ANN: NodeId = NodeId::new(1);
pub(crate) const BOB: NodeId = NodeId::new(2);

/// The settings with these servers and nothing else.
pub(crate) fn config(servers: &[&str]) -> Config {
    let read = |url: &&str| url.parse().expect("an address");
    let mut config = Config::default();
    config.cluster_nats = servers.iter().map(read).collect();
    config
}

/// A bus with its other end.
pub(crate) struct Node {
    pub(crate) bus: Nats,
    pub(crate) handle: Handle,
}

impl Node {
    pub(crate) fn start(node: NodeId, config: Config) -> Self {
        let bus = Nats::start(node, config).expect("settings that can be used");
        let handle = bus.handle();
        Self { bus, handle }
    }

    /// One that has a server.
    pub(crate) async fn connected(node: NodeId, config: Config) -> Self {
        let node = Self::start(node, config);
        node.is_connected().await;
        node
    }

    pub(crate) async fn is_connected(&self) {
        let status = || format!("{:?}", self.handle.status());
        until(|| self.handle.status().is_connected(), status).await;
    }

    pub(crate) async fn has_problem(&self) -> String {
        let status = || format!("{:?}", self.handle.status());
        until(|| self.handle.status().problem.is_some(), status).await;
        let problem = self.handle.status().problem;
        problem
            .map(|(_, problem)| problem.to_string())
            .expect("it has one")
    }

    pub(crate) fn stats(&self) -> Stats {
        self.handle.stats()
    }

    pub(crate) async fn counts(&self, is_so: impl Fn(&Stats) -> bool) {
        until(|| is_so(&self.stats()), || format!("{:?}", self.stats())).await;
    }

    pub(crate) async fn receive(&mut self) -> Bytes {
        let received = std::future::poll_fn(|cx| self.bus.poll_receive(cx));
        let message = tokio::time::timeout(PATIENCE, received).await;
        let message = message.unwrap_or_else(|_| panic!("no message: {:?}", self.handle));
        message.expect("the bus goes on")
    }

    /// What arrives up to this message, which is left out. For what must not arrive: what is sent
    /// later arrives later.
    pub(crate) async fn receive_until(&mut self, last: &[u8]) -> Vec<Bytes> {
        let mut messages = Vec::new();
        loop {
            let message = self.receive().await;
            if message == last {
                return messages;
            }
            messages.push(message);
        }
    }
}

/// Waits for something to be so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool, what: impl Fn() -> String) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{}", what());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends from one to the other, again and again, until something arrives: what is sent before both
/// are connected is lost.
pub(crate) async fn meet(from: &mut Node, to: &mut Node, to_id: NodeId) {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let text = format!("hello {count}");
    let start = Instant::now();
    loop {
        from.bus.to(to_id, text.as_bytes());
        let wait = Duration::from_millis(50);
        let arrived = tokio::time::timeout(wait, to.receive_until(text.as_bytes())).await;
        if arrived.is_ok() {
            break;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{:?} {:?}",
            from.handle,
            to.handle
        );
    }
    // The copies that were not lost.
    from.bus.to(to_id, b"enough");
    to.receive_until(b"enough").await;
}

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use signal_tokio::Relay;
use signal_tokio::bytes::Bytes;
use signal_tokio::cluster::{Bus, ClusterConfig, NodeId};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const BEAT: Duration = Duration::from_millis(100);
/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(60);

type Inboxes = Arc<Mutex<BTreeMap<NodeId, UnboundedSender<Bytes>>>>;

/// Nodes of a cluster, in this process, with rates that no load reaches.
#[derive(Debug)]
pub struct RealCluster {
    pub nodes: Vec<SocketAddr>,
    _runtime: Runtime,
}

impl RealCluster {
    /// So many nodes, once they know each other.
    pub fn start(count: usize) -> Self {
        let runtime = super::runtime();
        let _inside = runtime.enter();
        let inboxes = Inboxes::default();
        let mut relays = Vec::new();
        let nodes = (0..count).map(|_| {
            let listener = runtime
                .block_on(TcpListener::bind("127.0.0.1:0"))
                .expect("a port");
            let address = listener.local_addr().expect("an address");
            let relay = node(Arc::clone(&inboxes));
            relays.push(relay.clone());
            runtime.spawn(async move { relay.serve(listener).await });
            address
        });
        let nodes = nodes.collect();
        know_each_other(&relays);
        drop(_inside);
        Self {
            nodes,
            _runtime: runtime,
        }
    }
}

fn node(inboxes: Inboxes) -> Relay {
    let mut config = ClusterConfig::default();
    config.nodes.cluster_beat = BEAT;
    let mut relay = super::RealRelay::config();
    relay.core.pings_per_second = 1_000;
    let builder = Relay::builder(relay);
    let builder = builder.cluster(config, move |id| {
        let (sender, inbox) = unbounded_channel();
        let mut all = inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(id, sender);
        let inboxes = Arc::clone(&inboxes);
        Channels { id, inboxes, inbox }
    });
    builder.build().expect("settings")
}

/// Waits until no topic will get another home: all have agreed for some beats who is there.
fn know_each_other(relays: &[Relay]) {
    let start = Instant::now();
    let mut agreed = 0;
    while agreed < 5 {
        let do_agree = relays.iter().all(|relay| {
            let stats = relay.cluster_stats().expect("a node");
            stats.is_ready && stats.nodes.len() == relays.len() - 1 && !stats.do_views_differ
        });
        agreed = if do_agree { agreed + 1 } else { 0 };
        assert!(start.elapsed() < PATIENCE, "the nodes do not agree");
        std::thread::sleep(BEAT);
    }
}

struct Channels {
    id: NodeId,
    inboxes: Inboxes,
    inbox: UnboundedReceiver<Bytes>,
}

impl Bus for Channels {
    fn to(&mut self, node: NodeId, message: &[u8]) {
        let inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inbox) = inboxes.get(&node) {
            // A node that has ended hears nothing.
            let _ = inbox.send(Bytes::copy_from_slice(message));
        }
    }

    fn to_all(&mut self, message: &[u8]) {
        let inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        for (node, inbox) in &*inboxes {
            if *node != self.id {
                let _ = inbox.send(Bytes::copy_from_slice(message));
            }
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.inbox.poll_recv(cx)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

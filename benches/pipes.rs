//! The whole relay in one thread, with pipes in memory for sockets: all its code, and nothing of
//! the kernel's.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use signal_core::{Message, client};
use signal_testwire::{TEXT, frame_masked, upgrade};
use signal_tokio::cluster::{Bus, ClusterConfig, NodeId};
use signal_tokio::{Config, Grant, Relay};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;

use crate::rooms::{TOPIC, endless_limits, publish_text};

const PIPE_BYTES: usize = 256 * 1024;

/// What a browser sends in addition.
const HEADERS: [(&str, &str); 3] = [
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
    ),
    ("Accept-Encoding", "gzip, deflate"),
    ("Origin", "http://localhost"),
];

const PONG_BYTES: usize = 15;

/// A relay with the peers of one room.
pub struct Pipes {
    runtime: Runtime,
    relay: Relay,
    peers: Vec<DuplexStream>,
    input: Vec<u8>,
    request: String,
}

impl Pipes {
    /// A room of this many peers, who are in it already.
    pub fn open(peers: usize) -> Self {
        Self::open_on(peers, |config| {
            Relay::new(config).expect("the settings are in their ranges")
        })
    }

    /// The same on a node of a cluster that has no other, and knows it.
    pub fn open_in_a_cluster(peers: usize) -> Self {
        let pipes = Self::open_on(peers, |config| {
            let mut cluster = ClusterConfig::default();
            // Or it would be alone after fifteen seconds.
            cluster.nodes.cluster_dead_after = Duration::from_millis(2_100);
            cluster.nodes.cluster_keep = Duration::from_secs(1);
            let builder = Relay::builder(config);
            let builder = builder.cluster(cluster, |_| Nobody);
            builder.build().expect("the settings are in their ranges")
        });
        let is_alone = || {
            pipes
                .relay
                .cluster_stats()
                .is_some_and(|stats| stats.is_alone)
        };
        pipes.runtime.block_on(async {
            while !is_alone() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        pipes
    }

    fn open_on(peers: usize, relay: impl FnOnce(Config) -> Relay) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime needs nothing from the system but memory");
        let mut config = Config::default();
        config.core = endless_limits();
        let relay = {
            let _inside = runtime.enter();
            relay(config)
        };
        let mut pipes = Self {
            runtime,
            relay,
            peers: Vec::new(),
            input: vec![0; PIPE_BYTES],
            request: upgrade("/", &HEADERS),
        };
        for _ in 0..peers {
            let (client, server) = tokio::io::duplex(PIPE_BYTES);
            let relay = pipes.relay.clone();
            pipes.runtime.spawn(async move {
                let admission = relay.admit(Grant::open(), None).expect("there is room");
                relay.accept(server, Bytes::new(), admission).await;
            });
            pipes.peers.push(client);
        }
        let subscribe = frame(&client::subscribe([TOPIC]));
        let ping = frame(client::PING);
        pipes.send_each(&[subscribe, ping].concat());
        pipes.expect_each(header_bytes(PONG_BYTES) + PONG_BYTES);
        pipes
    }

    /// Each peer publishes `window` messages of `bytes` bytes at once and reads what all have
    /// published.
    pub fn exchange(&mut self, window: usize, bytes: usize) {
        let text = publish_text(bytes);
        let clients = format!(r#","clients":{}"#, self.peers.len()).len();
        let delivered = header_bytes(text.len() + clients) + text.len() + clients;
        self.send_each(&frame(&text).repeat(window));
        self.expect_each(delivered * window * self.peers.len());
    }

    /// A client comes, asks for an upgrade, subscribes, has its ping answered, and goes without a
    /// word.
    pub fn visit(&mut self) {
        let (mut client, server) = tokio::io::duplex(PIPE_BYTES);
        let relay = self.relay.clone();
        let visit = self
            .runtime
            .spawn(async move { relay.serve_stream(server, None).await });
        let (input, request) = (&mut self.input, self.request.as_bytes());
        self.runtime.block_on(async {
            client.write_all(request).await.expect("the relay reads");
            let answer = client.read(input).await.expect("the relay answers");
            assert!(input[..answer].starts_with(b"HTTP/1.1 101"));
            let subscribe = frame(&client::subscribe([TOPIC]));
            let ping = frame(client::PING);
            client
                .write_all(&[subscribe, ping].concat())
                .await
                .expect("the relay reads");
            let pong = client.read(input).await.expect("the relay answers");
            assert_eq!(&input[2..pong], Message::PONG.as_bytes());
            drop(client);
            visit.await.expect("the relay does not panic");
        });
    }

    fn send_each(&mut self, bytes: &[u8]) {
        let peers = &mut self.peers;
        self.runtime.block_on(async {
            for peer in peers {
                peer.write_all(bytes).await.expect("the relay reads");
            }
        });
    }

    fn expect_each(&mut self, bytes: usize) {
        let (peers, input) = (&mut self.peers, &mut self.input);
        self.runtime.block_on(async {
            for peer in peers {
                let mut left = bytes;
                while left > 0 {
                    let read = peer.read(input).await.expect("the relay writes");
                    assert!(read > 0, "the relay closed a connection");
                    left = left.checked_sub(read).expect("no more than was published");
                }
            }
        });
    }
}

/// A bus on which there is nobody else.
#[derive(Debug)]
struct Nobody;

impl Bus for Nobody {
    fn to(&mut self, _: NodeId, _: &[u8]) {}

    fn to_all(&mut self, _: &[u8]) {}

    fn poll_receive(&mut self, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
        Poll::Pending
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl fmt::Debug for Pipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipes")
            .field("peers", &self.peers.len())
            .finish_non_exhaustive()
    }
}

/// A client's text frame, with a mask that leaves the text as it is.
fn frame(text: &str) -> Vec<u8> {
    frame_masked([0; 4], TEXT, text.as_bytes())
}

/// The header of a server's frame of this many bytes.
const fn header_bytes(payload: usize) -> usize {
    if payload <= 125 { 2 } else { 4 }
}

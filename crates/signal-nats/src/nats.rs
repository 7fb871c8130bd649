use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use signal_cluster::NodeId;

use crate::config::{Config, ConfigError};
use crate::queue::{self, Receiver, Sender};
use crate::secrets::Secrets;
use crate::shared::Shared;
use crate::stats::Stats;
use crate::status::Status;
use crate::task::{self, Outgoing};

/// The bus of one node: sends to others, and receives what they send.
///
/// Dropped, it lets out what waits, and disconnects.
pub struct Nats {
    shared: Arc<Shared>,
    outgoing: Sender<Outgoing>,
    incoming: Receiver<Bytes>,
}

/// What others than the node want of a bus: to look at it, and to have its files read again.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// A bus whose settings and files are good. What it costs to find out is done, and nothing has
/// begun.
#[derive(Debug)]
pub struct Prepared {
    config: Config,
    secrets: Secrets,
}

impl Prepared {
    /// Checks the settings, and reads the files that they name.
    ///
    /// # Errors
    ///
    /// The first that cannot be used.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let secrets = Secrets::read(&config)?;
        Ok(Self { config, secrets })
    }

    /// Begins to connect, in a task of its own, and does not wait for it. Without a server it tries
    /// again without end, and what is to be sent meanwhile is dropped and counted.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub fn start(self, node: NodeId) -> Nats {
        // The client would choose the only one that is compiled in, and panic where two are.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let Self { config, secrets } = self;
        let bytes_max = config.cluster_queue_bytes_max;
        let shared = Arc::new(Shared::new(node, config, secrets));
        let (outgoing, to_send) = queue::queue(bytes_max);
        let (received, incoming) = queue::queue(bytes_max);
        tokio::spawn(task::run(Arc::clone(&shared), to_send, received));
        Nats {
            shared,
            outgoing,
            incoming,
        }
    }
}

impl Nats {
    /// [Prepares](Prepared::new) a bus and [starts](Prepared::start) it.
    ///
    /// # Errors
    ///
    /// The settings cannot be used, or a file that they name.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub fn start(node: NodeId, config: Config) -> Result<Self, ConfigError> {
        Ok(Prepared::new(config)?.start(node))
    }

    /// Sends to one node. What cannot be taken now is dropped and counted.
    pub fn to(&mut self, node: NodeId, message: &[u8]) {
        self.send(self.shared.config.cluster_prefix.node(node), message);
    }

    /// Sends to all other nodes. What cannot be taken now is dropped and counted.
    pub fn to_all(&mut self, message: &[u8]) {
        self.send(self.shared.all.clone(), message);
    }

    /// The next message for this node or for all, other than its own. Nothing once the task has
    /// ended, with its runtime.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.incoming.poll_pop(cx)
    }

    /// Completes when what was sent is in the hands of the system, or lost with its connection.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.waiting.poll_none(cx)
    }

    /// The other end for those who look at it.
    pub fn handle(&self) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
        }
    }

    fn send(&self, subject: String, message: &[u8]) {
        let counters = &self.shared.counters;
        if !self.shared.is_connected() {
            counters.unconnected.add(1);
        } else if message.len() > self.shared.config.message_bytes_max {
            counters.too_long.add(1);
        } else {
            let payload = self.shared.seal(&subject, message);
            let bytes = payload.len();
            let outgoing = Outgoing {
                subject,
                message_len: message.len(),
                payload,
            };
            self.shared.waiting.add();
            if !self.outgoing.push(bytes, outgoing) {
                self.shared.waiting.remove(1);
                counters.unsent.add(1);
            }
        }
    }
}

impl signal_cluster::Bus for Nats {
    fn to(&mut self, node: NodeId, message: &[u8]) {
        Nats::to(self, node, message);
    }

    fn to_all(&mut self, message: &[u8]) {
        Nats::to_all(self, message);
    }
}

impl Handle {
    /// Whether messages get through now.
    pub fn is_connected(&self) -> bool {
        self.shared.is_connected()
    }

    /// How it is doing now.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// What it has counted.
    pub fn stats(&self) -> Stats {
        self.shared.counters.stats()
    }

    /// Reads the files again. A connection with what they say now is made, and takes the place of
    /// the one in use once it is there; until then, and if it never comes about, the old one stays.
    /// Messages are signed with the new key at once.
    ///
    /// # Errors
    ///
    /// A file cannot be used: everything stays as it is.
    pub fn reload(&self) -> Result<(), ConfigError> {
        self.shared.reload()
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Nats").field(&self.shared.status()).finish()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle")
            .field(&self.shared.status())
            .finish()
    }
}

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use signal_cluster::NodeId;
use tokio::sync::Notify;

use crate::config::{Config, ConfigError};
use crate::problem::Problem;
use crate::queue::Waiting;
use crate::seal::{self, Fault, OVERHEAD};
use crate::secrets::Secrets;
use crate::servers::Servers;
use crate::stats::Counters;
use crate::status::Status;

/// What the handles and the task have in common.
pub(crate) struct Shared {
    pub(crate) node: NodeId,
    pub(crate) config: Config,
    /// The subjects of all nodes, and of this one.
    pub(crate) all: String,
    pub(crate) own: String,
    pub(crate) counters: Counters,
    /// What was to be sent and is not out.
    pub(crate) waiting: Waiting,
    /// Wakes the task when there are new secrets.
    pub(crate) reload: Notify,
    /// By what a message of this process is known.
    instance: u64,
    is_connected: AtomicBool,
    secrets: RwLock<Arc<Secrets>>,
    servers: Mutex<Servers>,
    status: Mutex<Status>,
}

impl Shared {
    pub(crate) fn new(node: NodeId, config: Config, secrets: Secrets) -> Self {
        Self {
            node,
            all: config.cluster_prefix.all(),
            own: config.cluster_prefix.node(node),
            counters: Counters::default(),
            waiting: Waiting::default(),
            reload: Notify::new(),
            instance: fastrand::u64(..),
            is_connected: AtomicBool::new(false),
            secrets: RwLock::new(Arc::new(secrets)),
            servers: Mutex::new(Servers::new(&config.cluster_nats)),
            status: Mutex::new(Status {
                server: None,
                server_name: None,
                since: Instant::now(),
                problem: None,
            }),
            config,
        }
    }

    /// Reads the files again; what was read before stays if one cannot be used.
    pub(crate) fn reload(&self) -> Result<(), ConfigError> {
        let secrets = Arc::new(Secrets::read(&self.config)?);
        *self.secrets.write().unwrap_or_else(PoisonError::into_inner) = secrets;
        self.servers().forgive();
        self.reload.notify_one();
        Ok(())
    }

    pub(crate) fn secrets(&self) -> Arc<Secrets> {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&secrets)
    }

    pub(crate) fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    pub(crate) fn status(&self) -> Status {
        self.lock_status().clone()
    }

    /// Notes that this server is in use.
    pub(crate) fn connected(&self, server: String, name: String) {
        *self.lock_status() = Status {
            server: Some(server),
            server_name: Some(name),
            since: Instant::now(),
            problem: None,
        };
        self.is_connected.store(true, Ordering::Relaxed);
    }

    /// Notes what is wrong with a server, and whether there is none now.
    pub(crate) fn trouble(&self, server: String, problem: Problem) {
        let mut status = self.lock_status();
        status.problem = Some((server, problem));
    }

    /// Notes that no server is in use.
    pub(crate) fn disconnected(&self) {
        self.is_connected.store(false, Ordering::Relaxed);
        let mut status = self.lock_status();
        if status.server.take().is_some() {
            status.server_name = None;
            status.since = Instant::now();
        }
    }

    fn lock_status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seal(&self, subject: &str, message: &[u8]) -> Bytes {
        seal::seal(
            self.secrets().keys.as_ref(),
            self.instance,
            subject,
            message,
        )
    }

    /// What is in a message from the bus. What is not for the node is counted, unless it is its
    /// own.
    pub(crate) fn open(&self, subject: &str, sealed: Bytes) -> Option<Bytes> {
        let counters = &self.counters;
        if sealed.len() > self.config.message_bytes_max + OVERHEAD {
            counters.too_long.add(1);
            return None;
        }
        let opened = seal::open(self.secrets().keys.as_ref(), self.instance, subject, sealed);
        match opened {
            Ok(message) => return Some(message),
            Err(Fault::Own) => {}
            Err(Fault::Mac) => counters.bad_mac.add(1),
            Err(Fault::Malformed) => counters.malformed.add(1),
        }
        None
    }
}

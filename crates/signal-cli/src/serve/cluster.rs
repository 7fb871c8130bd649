//! The relay as a node of a cluster, if `cluster_nats` says so.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use signal_nats::{ConfigError, Handle, Nats, Prepared};
use signal_tokio::cluster::{Bus, BusHealth, NodeId};
use signal_tokio::{ConfigError as RelayError, Relay, RelayBuilder};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::settings::{Mistake, Resolved};

/// One for the node, and one for its connection.
const THREADS: usize = 2;

/// A cluster to join, whose settings and files are good.
#[derive(Debug)]
pub(crate) struct Cluster(Prepared);

/// Reads what the settings say of it, with the files; nothing if the relay is to be by itself.
///
/// # Errors
///
/// A file cannot be used; the mistake says why, and nothing of what is in it.
pub(crate) fn load(resolved: &Resolved) -> Result<Option<Cluster>, Mistake> {
    if !resolved.settings.cluster.is_on() {
        return Ok(None);
    }
    let prepared = Prepared::new(resolved.settings.cluster.nats.clone());
    let prepared = prepared.map_err(|error| explain(resolved, &error))?;
    Ok(Some(Cluster(prepared)))
}

fn explain(resolved: &Resolved, error: &ConfigError) -> Mistake {
    match error {
        ConfigError::File {
            setting, problem, ..
        } => {
            let fix = "check the path, what is in the file, and that the user the relay runs as may read it";
            resolved.mistake(setting, problem, fix)
        }
        // They were found with the settings.
        ConfigError::NoServer | ConfigError::TwoCredentials | ConfigError::Limit(_) | _ => {
            resolved.mistake("cluster_nats", error.to_string(), "correct the setting")
        }
    }
}

/// A relay that is a node: what it needs while it serves.
#[derive(Debug)]
pub(crate) struct Joined {
    resolved: Arc<Resolved>,
    nats: Handle,
    /// The node's own, so that nothing else the process does holds it up.
    _runtime: Runtime,
}

/// Makes the relay, and has it join if there is a cluster.
///
/// # Errors
///
/// A setting is out of its range, or there are no threads.
pub(crate) fn build(
    resolved: &Arc<Resolved>,
    builder: RelayBuilder,
    cluster: Option<Cluster>,
) -> Result<(Relay, Option<Joined>), Failure> {
    let wrong = |error: RelayError| Failure::other(error, "correct the setting");
    let Some(Cluster(prepared)) = cluster else {
        return Ok((builder.build().map_err(wrong)?, None));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("signal-cluster")
        .enable_all()
        .build()
        .map_err(|error| Failure::other(error, "this should not happen, please report it"))?;
    let handle = Arc::new(OnceLock::new());
    let config = resolved.settings.cluster.relay.clone();
    let guard = runtime.enter();
    let start = {
        let handle = Arc::clone(&handle);
        move |node| NatsBus::start(prepared, node, &handle)
    };
    let relay = builder.cluster(config, start).build().map_err(wrong)?;
    drop(guard);
    let joined = handle.get().map(|nats| Joined {
        resolved: Arc::clone(resolved),
        nats: nats.clone(),
        _runtime: runtime,
    });
    Ok((relay, joined))
}

impl Joined {
    /// The other end of the bus.
    pub(crate) fn nats(&self) -> &Handle {
        &self.nats
    }

    /// Reads the files again.
    ///
    /// # Errors
    ///
    /// One cannot be used: everything stays as it is.
    pub(crate) fn reload(&self) -> Result<(), Mistake> {
        let reloaded = self.nats.reload();
        reloaded.map_err(|error| explain(&self.resolved, &error))?;
        tracing::info!("the files of the cluster were read again");
        Ok(())
    }
}

/// NATS as the relay wants its bus.
struct NatsBus {
    nats: Nats,
    handle: Handle,
}

impl NatsBus {
    fn start(prepared: Prepared, node: NodeId, place: &OnceLock<Handle>) -> Self {
        let nats = prepared.start(node);
        let handle = nats.handle();
        let _ = place.set(handle.clone());
        Self { nats, handle }
    }
}

impl Bus for NatsBus {
    fn to(&mut self, node: NodeId, message: &[u8]) {
        self.nats.to(node, message);
    }

    fn to_all(&mut self, message: &[u8]) {
        self.nats.to_all(message);
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.nats.poll_receive(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.nats.poll_flush(cx)
    }

    fn health(&self) -> BusHealth {
        let stats = self.handle.stats();
        let mut health = BusHealth::default();
        health.is_up = self.handle.is_connected();
        health.connects = stats.connects;
        health.dropped = stats
            .dropped
            .by_reason()
            .iter()
            .map(|(_, count)| count)
            .sum();
        health
    }
}

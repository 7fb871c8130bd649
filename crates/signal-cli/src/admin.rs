//! `--admin-listen`: metrics, health and a page for people, apart from what clients reach.
//!
//! ```text
//!  GET /             a page with live numbers
//!      /status.json  what the page shows
//!      /metrics      OpenMetrics text
//!      /healthz      the process turns
//!      /readyz       the relay takes new peers
//!
//!  With the key of `admin_key_file`, as `Authorization: Bearer KEY`:
//!
//!  GET    /api/topics             topics and how many subscribe to each
//!  GET    /api/topics/TOPIC       one of them
//!  POST   /api/topics/TOPIC       publishes what is in the body
//!  DELETE /api/topics/TOPIC       closes the connections of those who subscribe to it
//!  DELETE /api/subjects/SUBJECT   closes the connections of a subject
//! ```
//!
//! A thread and a runtime of its own, so that nothing here can slow down a peer.

mod answer;
mod api;
mod certificate;
#[cfg_attr(not(feature = "cluster"), path = "admin/cluster_none.rs")]
mod cluster;
mod history;
mod key;
mod page;
mod process;
mod request;
mod requests;
mod server;
mod status;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use signal_tokio::{LocalAddress, Relay};

use crate::admin::history::History;
pub(crate) use crate::admin::key::ApiKey;
use crate::admin::requests::Requests;
use crate::serve::cluster::Joined;
use crate::serve::tls::Shown;
use crate::settings::{Resolved, SETTINGS, Settings};
use crate::webhook;

/// All that an answer is made of.
#[derive(Debug)]
struct Admin {
    relay: Relay,
    beside: Beside,
    requests: Arc<Requests>,
    started: Instant,
    /// Which machine this is, if that has a name, and where the relay listens.
    host: Option<String>,
    listens: Vec<String>,
    /// The names by which it may be called, beside `localhost`.
    hosts: Vec<String>,
    limits: Vec<ShownLimit>,
    history: Mutex<History>,
}

/// What may be there beside the relay.
#[derive(Debug)]
pub(crate) struct Beside {
    /// By which the API is used; without, it is off.
    pub(crate) key: Option<Arc<ApiKey>>,
    /// The relay's own certificate.
    pub(crate) certificate: Option<Arc<Shown>>,
    /// The node of a cluster that the relay is.
    pub(crate) node: Option<Arc<Joined>>,
    /// What became of events.
    pub(crate) webhook: Option<Arc<webhook::Counts>>,
}

/// A limit in force, as the page shows it.
#[derive(Debug, serde::Serialize)]
struct ShownLimit {
    name: &'static str,
    value: String,
    what: &'static str,
    past: &'static str,
}

/// Serves these listeners, which do not block, until the process ends. Returns their addresses.
///
/// # Errors
///
/// If there is no thread for them.
pub(crate) fn start(
    resolved: &Resolved,
    relay: &Relay,
    listens: &[LocalAddress],
    beside: Beside,
    listeners: Vec<TcpListener>,
) -> io::Result<Vec<SocketAddr>> {
    let addresses = listeners.iter().map(TcpListener::local_addr);
    let addresses = addresses.collect::<io::Result<_>>()?;
    let admin = Arc::new(Admin {
        relay: relay.clone(),
        beside,
        requests: Arc::default(),
        started: Instant::now(),
        host: process::host(),
        listens: listens.iter().map(LocalAddress::to_string).collect(),
        hosts: resolved.settings.admin_hosts.clone(),
        limits: limits(&resolved.settings),
        history: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("signal-admin".to_owned())
        .spawn(move || runtime.block_on(server::serve(admin, listeners)))?;
    Ok(addresses)
}

/// Warns of an admin address that the world may reach.
pub(crate) fn warn_if_open(settings: &Settings, addresses: &[SocketAddr]) {
    let open = |address: &&SocketAddr| !address.ip().is_loopback();
    let has_key = settings.admin_key_file.is_some();
    match addresses.iter().find(open) {
        Some(address) if has_key => tracing::warn!(
            %address,
            "the admin address can be reached from other machines: numbers are shown without the key, and the key is sent \
             unencrypted; let a firewall guard it, put a proxy with TLS before it, or use localhost"
        ),
        Some(address) => tracing::warn!(
            %address,
            "the admin address can be reached from other machines and asks for no password: let a firewall guard it, or use \
             localhost"
        ),
        None if has_key && addresses.is_empty() => tracing::warn!(
            "admin_key_file has no effect, because the relay has no admin address; set admin_listen too"
        ),
        None => {}
    }
}

impl Admin {
    fn history(&self) -> MutexGuard<'_, History> {
        // No code that runs under this lock can panic half-way through a change.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limits(settings: &Settings) -> Vec<ShownLimit> {
    let limits = SETTINGS.iter().filter_map(|setting| {
        Some(ShownLimit {
            name: setting.name,
            value: setting.show(settings),
            what: setting.what,
            past: setting.limit?.past,
        })
    });
    limits.collect()
}

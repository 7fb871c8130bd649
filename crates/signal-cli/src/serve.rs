//! `signal serve`: a relay until somebody ends it.

pub(crate) mod access;
#[cfg_attr(not(feature = "cluster"), path = "serve/cluster_none.rs")]
pub(crate) mod cluster;
pub(crate) mod descriptors;
mod greeting;
mod inherited;
pub(crate) mod log;
#[cfg_attr(not(unix), path = "serve/notify_none.rs")]
mod notify;
mod pem;
mod port;
mod reload;
mod shutdown;
pub(crate) mod tls;
pub(crate) mod turn;
mod watch;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use signal_tokio::{LocalAddress, Relay};

use crate::admin::{self, ApiKey};
use crate::failure::Failure;
use crate::serve::access::Keys;
use crate::serve::descriptors::Descriptors;
use crate::serve::inherited::Inherited;
use crate::serve::reload::{Files, Reload, Watch};
use crate::serve::shutdown::{Ending, Shutdown};
use crate::serve::tls::Tls;
use crate::serve::turn::Turn;
use crate::settings::{Environment, Given, Resolved, meant_by, resolve};
use crate::webhook::{self, Webhook};

/// Serves until Ctrl-C or SIGTERM, then drains.
///
/// # Errors
///
/// The settings are wrong, or the address cannot be listened on.
pub(crate) fn run(given: &Given) -> Result<ExitCode, Failure> {
    // Before there are threads: it changes the environment.
    let inherited = Inherited::take()?;
    let is_activated = inherited.relay.is_some();
    // Before the settings, because the default of `peers_max` follows from it.
    let descriptors = Descriptors::raise();
    let resolved = Arc::new(resolve(given, &Environment::read()).map_err(Failure::Settings)?);
    let settings = &resolved.settings;
    let files = Files::of(settings);
    let watch = Watch::new(&files);
    let tls = Tls::load(&resolved).map_err(|mistake| Failure::Settings(vec![mistake]))?;
    let access = access::load(&resolved).map_err(|mistake| Failure::Settings(vec![mistake]))?;
    let turn = turn::load(&resolved).map_err(|mistake| Failure::Settings(vec![mistake]))?;
    let admin_key = ApiKey::load(&resolved).map_err(|mistake| Failure::Settings(vec![mistake]))?;
    let cluster = cluster::load(&resolved).map_err(|mistake| Failure::Settings(vec![mistake]))?;
    let webhook = Webhook::load(&resolved).map_err(|mistake| Failure::Settings(vec![mistake]))?;
    let log = log::start(settings);

    let mut builder = Relay::builder(settings.relay.clone());
    if let Some(webhook) = &webhook {
        builder = builder.observer(webhook.inbox.clone());
    }
    let (relay, cluster) = cluster::build(&resolved, builder, cluster)?;
    let fetcher = match &settings.token_jwks_url {
        Some(url) => Some(access::set_published(&relay, access.clone(), url)?),
        None => {
            access::set(&relay, access.clone());
            None
        }
    };
    relay.set_turn_servers(turn);
    let keys = Keys::new(&resolved, &relay);
    let turn = Turn::new(&resolved, &relay);
    let cluster = cluster.map(Arc::new);
    let reload = Reload {
        files,
        tls,
        keys,
        turn,
        admin_key,
        cluster,
        webhook: webhook.as_ref().map(|webhook| Arc::clone(&webhook.secret)),
    };
    let shutdown = Shutdown::listen(&reload)?;
    let (place, threads) = (settings.place(), settings.threads);
    let listeners = inherited.relay.unwrap_or_else(|| place.clone().into());
    let serving = match &reload.tls {
        Some(tls) => relay.serve_tls_per_core(listeners, threads, tls.server_config()?),
        None => relay.serve_per_core(listeners, threads),
    };
    let serving = serving.map_err(|error| port::explain(&resolved, "listen", &place, &error))?;
    must_know_its_proxies(&resolved, serving.local_addresses())?;
    log.watch(&relay);
    let admin = start_admin(
        &resolved,
        &relay,
        serving.local_addresses(),
        &reload,
        webhook
            .as_ref()
            .map(|webhook| Arc::clone(webhook.inbox.counts())),
        inherited.admin,
    )?;
    greeting::greet(
        &resolved,
        &access,
        serving.local_addresses(),
        &admin,
        &descriptors,
    );
    admin::warn_if_open(settings, &admin);
    if let Some(why) = inherited.unheeded {
        tracing::warn!("{why}");
    }
    if is_activated && !resolved.origin("listen").is_default() {
        tracing::warn!("listen has no effect, because systemd has opened the sockets");
    }
    warn_of_strangers(&resolved);
    warn_of_few_descriptors(&resolved, &descriptors);
    access::tell_notices(&access);
    access::warn_of_plain_tokens(settings);
    access::warn_of_any_issuer(settings);
    access::warn_of_dotted_claim(settings);
    if let Some(tls) = &reload.tls {
        tls.tell_validity();
    }

    if let Some(fetcher) = fetcher {
        shutdown.beside(fetcher.run());
    }
    let webhook = webhook.map(|webhook| webhook.start(&relay)).transpose();
    let webhook = webhook
        .map_err(|error| Failure::other(error, "this should not happen, please report it"))?;
    let ending = shutdown.wait_and_drain(&relay, &serving, &reload, watch);
    log.finish(&relay);
    let Ending::Drained(began) = ending else {
        return Ok(ExitCode::FAILURE);
    };
    serving.join();
    if let Some(webhook) = webhook {
        webhook.finish(relay.config(), began.elapsed());
    }
    Ok(ExitCode::SUCCESS)
}

/// Serves the admin address, if one is set.
fn start_admin(
    resolved: &Resolved,
    relay: &Relay,
    listens: &[LocalAddress],
    reload: &Reload,
    webhook: Option<Arc<webhook::Counts>>,
    inherited: Vec<TcpListener>,
) -> Result<Vec<SocketAddr>, Failure> {
    const NAME: &str = "admin_listen";
    let listeners = match &resolved.settings.admin_listen {
        _ if !inherited.is_empty() => inherited,
        Some(listen) => listen
            .open_tcp()
            .map_err(|error| port::explain(resolved, NAME, listen, &error))?,
        None => return Ok(Vec::new()),
    };
    let (key, certificate) = (
        reload.admin_key.clone(),
        reload.tls.as_ref().map(Tls::shown),
    );
    let beside = admin::Beside {
        key,
        certificate,
        node: reload.cluster.clone(),
        webhook,
    };
    admin::start(resolved, relay, listens, beside, listeners)
        .map_err(|error| Failure::other(error, "this should not happen, please report it"))
}

/// A PROXY header is read from a proxy that was named, and from anyone at a Unix socket.
fn must_know_its_proxies(resolved: &Resolved, addresses: &[LocalAddress]) -> Result<(), Failure> {
    let config = &resolved.settings.relay;
    let is_reached_by_tcp = addresses.iter().any(|address| address.tcp().is_some());
    if !config.proxy_protocol || !config.trusted_proxies.is_empty() || !is_reached_by_tcp {
        return Ok(());
    }
    let problem = "is read from the proxies in trusted_proxies alone, and there are none";
    let example = resolved.example("trusted_proxies", "proxy_protocol");
    let fix = format!("name the proxy too, for example {example}");
    let mistake = resolved.mistake("proxy_protocol", problem, fix);
    Err(Failure::Settings(vec![mistake]))
}

/// What was meant for this relay has no effect; what was not is harmless.
fn warn_of_strangers(resolved: &Resolved) {
    for variable in &resolved.strangers {
        tracing::warn!(
            variable,
            meant = meant_by(variable),
            "there is no setting of this name, so the environment variable has no effect; \
             `signal config print --env` shows all that are read, and `PORT`"
        );
    }
}

fn warn_of_few_descriptors(resolved: &Resolved, descriptors: &Descriptors) {
    let peers_max = resolved.settings.relay.peers_max as u64;
    if descriptors.limit.is_some_and(|limit| peers_max >= limit) {
        tracing::warn!(
            peers_max,
            open_files = descriptors.limit,
            "peers_max cannot be reached with so few open files; raise the limit (ulimit -n, or \
             LimitNOFILE= of the systemd unit)"
        );
    }
}

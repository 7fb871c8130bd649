//! The settings of `serve`: one table, from which flags, environment variables, keys of the file,
//! help and README follow.

#[cfg_attr(not(feature = "cluster"), path = "settings/cluster_none.rs")]
mod cluster;
mod events;
mod given;
mod listen;
mod mistake;
mod origin;
mod resolve;
mod resolved;
mod setting;
mod sources;
mod table;
mod text;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use signal_access::{Carriers, DefaultTopics, JwksUrl, Origins, TurnUrls};
use signal_tokio::Listen;

pub(crate) use cluster::ClusterSettings;
pub(crate) use events::{Kind, Kinds};
pub(crate) use given::Given;
pub(crate) use mistake::Mistake;
pub(crate) use origin::Origin;
pub(crate) use resolve::resolve;
pub(crate) use resolved::Resolved;
pub(crate) use setting::{Consequence, Setting, toml_value};
pub(crate) use sources::{Environment, meant_by};
pub(crate) use table::SETTINGS;

/// The port of y-webrtc's own server.
pub(crate) const PORT: u16 = 4444;
/// The port in examples of `admin_listen`. Not 9090, which is that of Prometheus itself.
pub(crate) const ADMIN_PORT: u16 = 9444;

/// As long as a page may be open that asks for credentials once, when it is loaded.
const TURN_TTL: Duration = Duration::from_secs(24 * 3_600);

/// Everything `serve` needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Listen,
    /// Who may use the Unix socket, if it is one.
    pub(crate) socket_mode: u32,
    /// Where metrics and the page for people are served, if anywhere.
    pub(crate) admin_listen: Option<Listen>,
    /// The names by which they may be called, beside addresses and `localhost`.
    pub(crate) admin_hosts: Vec<String>,
    /// The key of the admin API; without, it is off.
    pub(crate) admin_key_file: Option<PathBuf>,
    /// Where events are sent, which of them, and what they are signed with.
    pub(crate) webhook_url: Option<JwksUrl>,
    pub(crate) webhook_secret_file: Option<PathBuf>,
    pub(crate) webhook_events: Kinds,
    pub(crate) threads: usize,
    /// The certificate of `wss://`; both files or none.
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    /// The keys of tokens; without, nobody is asked for one.
    pub(crate) token_key_file: Option<PathBuf>,
    pub(crate) token_audience: Option<String>,
    pub(crate) token_in: Carriers,
    /// Where their keys are published, in place of a file.
    pub(crate) token_jwks_url: Option<JwksUrl>,
    /// The `iss` that tokens must have.
    pub(crate) token_issuer: Option<String>,
    /// Which claim names the topics of a token, if not `topics`.
    pub(crate) token_topics_claim: Option<String>,
    /// Those of a token that names none.
    pub(crate) token_topics_default: DefaultTopics,
    pub(crate) origins: Origins,
    /// The TURN servers for which credentials are given out.
    pub(crate) turn_urls: Option<TurnUrls>,
    /// What they share with the relay.
    pub(crate) turn_secret_file: Option<PathBuf>,
    pub(crate) turn_ttl: Duration,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) relay: signal_tokio::Config,
    pub(crate) cluster: ClusterSettings,
}

impl Settings {
    /// Where to listen, with all that is said of it.
    pub(crate) fn place(&self) -> Listen {
        let mut place = self.listen.clone();
        #[cfg(unix)]
        if let Listen::Unix { mode, .. } = &mut place {
            *mode = self.socket_mode;
        }
        place
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    Auto,
    Text,
    Json,
}

impl Settings {
    /// Whether a client must show a token.
    pub(crate) fn asks_for_tokens(&self) -> bool {
        self.token_key_file.is_some() || self.token_jwks_url.is_some()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Listen::Localhost(PORT),
            socket_mode: listen::SOCKET_MODE,
            admin_listen: None,
            admin_hosts: Vec::new(),
            admin_key_file: None,
            webhook_url: None,
            webhook_secret_file: None,
            webhook_events: Kinds::ALL,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            tls_cert: None,
            tls_key: None,
            token_key_file: None,
            token_audience: None,
            token_in: Carriers::default(),
            token_jwks_url: None,
            token_issuer: None,
            token_topics_claim: None,
            token_topics_default: DefaultTopics::default(),
            origins: Origins::default(),
            turn_urls: None,
            turn_secret_file: None,
            turn_ttl: TURN_TTL,
            log: "info".to_owned(),
            log_format: LogFormat::Auto,
            relay: signal_tokio::Config::default(),
            cluster: ClusterSettings::default(),
        }
    }
}

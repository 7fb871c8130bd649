//! The settings of a relay that is a node of a cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;

use signal_core::LimitError;
use signal_nats::{ConfigError, Server};
use signal_tokio::cluster::{ClusterConfig, signal_cluster};

use crate::settings::resolved::{Resolved, disagreement};
use crate::settings::setting::{Place, Setting, text};
use crate::settings::text::show_path;
use crate::settings::{Mistake, Settings};

const NATS: &str = "cluster_nats";

/// What there is to set.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterSettings {
    pub(crate) relay: ClusterConfig,
    pub(crate) nats: signal_nats::Config,
}

impl ClusterSettings {
    /// Whether the relay is to be a node.
    pub(crate) fn is_on(&self) -> bool {
        !self.nats.cluster_nats.is_empty()
    }

    /// The bus, for people, if there is one.
    pub(crate) fn shown(&self) -> Option<String> {
        self.is_on().then(|| show_servers(&self.nats.cluster_nats))
    }

    /// The files that may change while the relay runs.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let nats = &self.nats;
        let files = [
            &nats.cluster_creds_file,
            &nats.cluster_ca_file,
            &nats.cluster_key_file,
        ];
        files.into_iter().flatten().cloned().collect()
    }
}

/// The settings that are not limits.
pub(super) fn own() -> Vec<Setting> {
    vec![
        text(
            NATS,
            "URL,URL",
            "nats://nats-1:4222,nats://nats-2:4222",
            "NATS servers by which this relay and others serve as one, with commas between them: nats://HOST:PORT, or \
             tls:// where TLS is a must. USER:PASSWORD@ or TOKEN@ may stand before the host; a file keeps them out of \
             sight (cluster_creds_file)",
            |s| show_servers(&s.cluster.nats.cluster_nats),
            |s, text| parse_servers(text).map(|servers| s.cluster.nats.cluster_nats = servers),
        )
        .with_secrets()
        .guards("none: one relay by itself", "serve as one relay by itself"),
        text(
            "cluster_prefix",
            "SUBJECT",
            "signal",
            "What the cluster's subjects on NATS begin with; clusters with different ones share servers and hear \
             nothing of each other",
            |s| s.cluster.nats.cluster_prefix.to_string(),
            |s, text| {
                let prefix = text.parse().map_err(str::to_owned);
                prefix.map(|prefix| s.cluster.nats.cluster_prefix = prefix)
            },
        ),
        file(
            "cluster_creds_file",
            "/etc/signal/nats.creds",
            "File with what signs in to NATS: a .creds file, or a line with the seed of an nkey, USER:PASSWORD or a \
             token. Read again when it changes, and on SIGHUP",
            |s| show_path(s.cluster.nats.cluster_creds_file.as_deref()),
            |s, text| {
                s.cluster.nats.cluster_creds_file = Some(text.trim().into());
                Ok(())
            },
            "sign in with what cluster_nats says",
        ),
        file(
            "cluster_ca_file",
            "/etc/signal/nats-ca.pem",
            "PEM file with the certificates that those of the NATS servers are signed by, in place of the system's. Read \
             again when it changes, and on SIGHUP",
            |s| show_path(s.cluster.nats.cluster_ca_file.as_deref()),
            |s, text| {
                s.cluster.nats.cluster_ca_file = Some(text.trim().into());
                Ok(())
            },
            "believe the certificates of the operating system",
        ),
        file(
            "cluster_key_file",
            "/etc/signal/cluster.key",
            "File with the key of the cluster, as `openssl rand -base64 32` makes one: whatever comes without a MAC by it \
             is dropped. Further lines are keys that are good too, to exchange one. Read again when it changes, and on \
             SIGHUP",
            |s| show_path(s.cluster.nats.cluster_key_file.as_deref()),
            |s, text| {
                s.cluster.nats.cluster_key_file = Some(text.trim().into());
                Ok(())
            },
            "believe whoever may publish to the cluster's subjects",
        ),
    ]
}

/// Those that are, as the libraries declare them.
pub(super) fn limits() -> impl Iterator<Item = Setting> {
    let relay = ClusterConfig::LIMITS.iter();
    let nodes = signal_cluster::Config::LIMITS.iter();
    let bus = signal_nats::Config::LIMITS.iter();
    let relay = relay.map(|limit| Setting::limit(limit, Place::Cluster));
    relay
        .chain(nodes.map(|limit| Setting::limit(limit, Place::Nodes)))
        .chain(bus.map(|limit| Setting::limit(limit, Place::Bus)))
}

fn file(
    name: &'static str,
    example: &'static str,
    what: &'static str,
    read: fn(&Settings) -> String,
    write: fn(&mut Settings, &str) -> Result<(), String>,
    without: &'static str,
) -> Setting {
    text(name, "FILE", example, what, read, write).guards("none", without)
}

/// Reads addresses with commas between them.
fn parse_servers(text: &str) -> Result<Vec<Server>, String> {
    let servers = text.split(',').map(str::trim);
    let servers = servers.filter(|server| !server.is_empty());
    let read = |server: &str| {
        server
            .parse()
            .map_err(|error: signal_nats::ServerError| error.to_string())
    };
    servers.map(read).collect()
}

fn show_servers(servers: &[Server]) -> String {
    let servers = servers.iter().map(Server::masked);
    servers.collect::<Vec<_>>().join(",")
}

/// Brings together what only all settings say, and checks it.
pub(super) fn check(resolved: &mut Resolved, texts: &BTreeMap<&str, String>) -> Vec<Mistake> {
    let cluster = &mut resolved.settings.cluster;
    if !cluster.is_on() {
        return without_effect(resolved);
    }
    cluster.nats.message_bytes_max = cluster.relay.nodes.cluster_batch_bytes_max;
    let limits = cluster.relay.check_beside(&resolved.settings.relay.core);
    let mistake = |error: LimitError| disagreement(resolved, texts, &error);
    let limits = limits.err().map(mistake);
    let bus = cluster_bus(resolved).err().map(|error| match error {
        ConfigError::Limit(error) => mistake(error),
        error @ (ConfigError::NoServer
        | ConfigError::TwoCredentials
        | ConfigError::File { .. }
        | _) => {
            let fix = "leave out cluster_creds_file, or what stands before the @ in cluster_nats";
            resolved.mistake("cluster_creds_file", error.to_string(), fix)
        }
    });
    limits.into_iter().chain(bus).collect()
}

fn cluster_bus(resolved: &Resolved) -> Result<(), ConfigError> {
    resolved.settings.cluster.nats.check()
}

/// Who says how to join a cluster, and not which, means to join one.
fn without_effect(resolved: &Resolved) -> Vec<Mistake> {
    let cluster = &resolved.settings.cluster;
    let wants = [
        (
            "cluster_creds_file",
            cluster.nats.cluster_creds_file.is_some(),
        ),
        ("cluster_ca_file", cluster.nats.cluster_ca_file.is_some()),
        ("cluster_key_file", cluster.nats.cluster_key_file.is_some()),
        ("cluster_required", cluster.relay.cluster_required),
    ];
    let wants = wants.into_iter().filter(|(_, is_set)| *is_set);
    let mistakes = wants.map(|(name, _)| {
        let fix = format!(
            "name servers too, for example {}, or leave {name} out",
            resolved.example(NATS, name)
        );
        resolved.mistake(
            name,
            "without cluster_nats this relay joins no cluster",
            fix,
        )
    });
    mistakes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_commas_between_them_and_secrets_are_not_shown() {
        let servers = parse_servers("nats://ann:s3cret@a, tls://b:1,").expect("addresses");
        let masked: Vec<_> = servers.iter().map(Server::masked).collect();
        assert_eq!(masked, ["nats://***@a:4222", "tls://b:1"]);
        let error = parse_servers("nats://ann:s3cret@a,http://b").expect_err("no address");
        assert_eq!(error, "an address of NATS begins with nats:// or tls://");
    }
}

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use signal_core::{LimitError, limits};

use crate::server::Server;

limits! {
    /// How to reach the bus, under the names of the settings. All nodes of a cluster should have
    /// the same.
    #[derive(Clone, Debug)]
    #[non_exhaustive]
    pub struct Config {
        /// The servers, each of which will do. At least one.
        pub cluster_nats: Vec<Server> = Vec::new(),
        /// What the subjects of this cluster begin with. Clusters with different ones share a bus
        /// and know nothing of each other.
        pub cluster_prefix: Prefix = Prefix::default(),
        /// The file with what signs in: a `.creds` file, or a line with the seed of an nkey,
        /// `USER:PASSWORD` or a token. Not beside credentials in an address.
        pub cluster_creds_file: Option<PathBuf> = None,
        /// The PEM file with the certificates that the servers' are signed by, in place of those of
        /// the operating system.
        pub cluster_ca_file: Option<PathBuf> = None,
        /// The file with the key of the cluster: each message has a MAC by it, and one without is
        /// dropped. Further lines are keys by which messages are taken too, to exchange keys.
        pub cluster_key_file: Option<PathBuf> = None,
        /// The longest message that the nodes send: their `cluster_batch_bytes_max`. A server that
        /// does not take it is not used.
        pub message_bytes_max: usize = 256 * 1024,
    }

    /// The limits of the bus.
    pub const LIMITS = [
        cluster_queue_bytes_max: usize { default: 32 << 20, unit: Bytes, range: 1 << 20..=1 << 40, scope: Relay,
            what: "What may wait for the NATS server, and what has come from it and is not read yet",
            past: "dropped and counted; nodes ask each other again for what they miss",
            why: "four times what may wait for one node" },
    ];
}

impl Config {
    /// Checks what can be checked without a server and without the files.
    ///
    /// # Errors
    ///
    /// There is no server, two things sign in, or a limit is out of its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.cluster_nats.is_empty() {
            return Err(ConfigError::NoServer);
        }
        let has_own = self.cluster_nats.iter().any(Server::has_credentials);
        if has_own && self.cluster_creds_file.is_some() {
            return Err(ConfigError::TwoCredentials);
        }
        for limit in Self::LIMITS {
            limit.check(self)?;
            let message = u64::try_from(self.message_bytes_max).unwrap_or(u64::MAX);
            let range = message.saturating_mul(4).max(*limit.range.start())..=*limit.range.end();
            limit.check_in(range, Some("cluster_batch_bytes_max"), self)?;
        }
        Ok(())
    }
}

/// What is wrong with a [`Config`], or with a file that it names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No server is named.
    #[error("cluster_nats names no server")]
    NoServer,
    /// A file signs in, and an address in `cluster_nats` does too.
    #[error("cluster_creds_file signs in, and an address in cluster_nats does too")]
    TwoCredentials,
    /// A limit is out of its range.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A file cannot be used. What is in it is not repeated.
    #[error("{setting}: {} {problem}", .path.display())]
    #[non_exhaustive]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why.
        problem: String,
    },
}

/// What the subjects of a cluster begin with: names of letters, digits, `-` and `_`, with dots
/// between them. `signal`, if nothing else is said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prefix(String);

/// The longest prefix.
const PREFIX_LEN_MAX: usize = 128;

impl Prefix {
    /// The subject of all nodes.
    pub(crate) fn all(&self) -> String {
        format!("{self}.all")
    }

    /// The subject of one node.
    pub(crate) fn node(&self, node: impl fmt::Display) -> String {
        format!("{self}.n.{node}")
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("signal".to_owned())
    }
}

impl FromStr for Prefix {
    /// What it has to be.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let is_name = |name: &str| {
            let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            !name.is_empty() && name.chars().all(is_fine)
        };
        if text.len() <= PREFIX_LEN_MAX && text.split('.').all(is_name) {
            Ok(Self(text.to_owned()))
        } else {
            Err(
                "a prefix has letters, digits, - and _, with dots between names, and at most 128 of them",
            )
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(servers: &[&str]) -> Config {
        let read = |server: &&str| server.parse().expect("an address");
        Config {
            cluster_nats: servers.iter().map(read).collect(),
            ..Config::default()
        }
    }

    #[test]
    fn a_config_needs_a_server_and_one_way_to_sign_in() {
        let mut both = config(&["a", "nats://ann:secret@b"]);
        assert!(both.check().is_ok());
        both.cluster_creds_file = Some("nats.creds".into());
        let told = |config: &Config| config.check().expect_err("a mistake").to_string();
        assert_eq!(
            told(&both),
            "cluster_creds_file signs in, and an address in cluster_nats does too"
        );
        assert_eq!(told(&config(&[])), "cluster_nats names no server");
    }

    #[test]
    fn some_of_the_longest_messages_may_wait() {
        let mut config = config(&["a"]);
        config.message_bytes_max = 16 << 20;
        let error = config.check().expect_err("too small").to_string();
        assert_eq!(
            error,
            "cluster_queue_bytes_max is 32MiB, but must be from 64MiB to 1024GiB because of cluster_batch_bytes_max"
        );
    }

    #[test]
    fn a_prefix_is_names_with_dots_between_them() {
        for right in ["signal", "a.b-c.d_3", "X"] {
            assert_eq!(right.parse::<Prefix>().unwrap().to_string(), right);
        }
        for wrong in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "a.*",
            "a.>",
            "ä",
            &"a".repeat(129),
        ] {
            assert!(wrong.parse::<Prefix>().is_err(), "{wrong}");
        }
    }
}

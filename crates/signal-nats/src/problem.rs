use std::fmt;

/// Why a server is not used, or was left. Its text names the settings that it may be about.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// It does not answer, or it has ended the connection.
    Unreachable(String),
    /// TLS did not come about.
    Tls(String),
    /// It refuses what signs in.
    Credentials(String),
    /// The user may not publish or subscribe what a node has to.
    Rights(String),
    /// It takes only shorter messages.
    #[non_exhaustive]
    SmallPayload {
        /// Its `max_payload`.
        max_payload: usize,
        /// The longest message of a node.
        needed: usize,
    },
}

impl Problem {
    /// Whether waiting will not help: something is set wrong, here or at the server.
    pub const fn is_mistake(&self) -> bool {
        match self {
            Self::Unreachable(_) => false,
            Self::Tls(_) | Self::Credentials(_) | Self::Rights(_) | Self::SmallPayload { .. } => {
                true
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(what) => f.write_str(what),
            Self::Tls(what) => {
                write!(
                    f,
                    "{what} (see cluster_ca_file, and tls:// in cluster_nats)"
                )
            }
            Self::Credentials(what) => {
                write!(
                    f,
                    "it refuses the credentials: {what} (see cluster_creds_file, or the user in cluster_nats)"
                )
            }
            Self::Rights(what) => write!(
                f,
                "its user lacks a right: {what} (a node publishes PREFIX.> and subscribes PREFIX.all and PREFIX.n.*, with \
                 PREFIX as in cluster_prefix)"
            ),
            Self::SmallPayload {
                max_payload,
                needed,
            } => write!(
                f,
                "its max_payload is {max_payload} bytes, and a node's longest message has {needed} (raise max_payload in the \
                 server's configuration, or lower cluster_batch_bytes_max)"
            ),
        }
    }
}

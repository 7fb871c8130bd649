use signal_core::{LimitError, Limits};

/// How much longer than its message a publish may be: `,"clients":` and a number.
const CLIENTS_BYTES_MAX: usize = 32;

signal_core::limits! {
    /// What a relay needs to be a node of a cluster, beside its [`Bus`](super::Bus).
    ///
    /// ```
    /// use signal_tokio::cluster::ClusterConfig;
    ///
    /// let mut config = ClusterConfig::default();
    /// config.cluster_required = true;
    /// config.nodes.cluster_keep_bytes_max = 8 << 20;
    /// config.check()?;
    /// # Ok::<(), signal_tokio::signal_core::LimitError>(())
    /// ```
    #[derive(Clone, Debug, Eq, PartialEq)]
    #[non_exhaustive]
    pub struct ClusterConfig {
        /// What nodes hold each other to. All of a cluster should have the same.
        pub nodes: signal_cluster::Config = signal_cluster::Config::default(),
    }

    /// What only this relay has to know, in the order of help and tables.
    pub const LIMITS = [
        cluster_mailbox_bytes_max: usize { default: 16 << 20, unit: Bytes, range: 1 << 20..=1 << 40, scope: Relay,
            what: "What local peers have published and the task of the cluster has not taken yet",
            past: "stays on this node and is counted; those who published it announce again",
            why: "the traffic of a second at 50,000 publishes of 300 bytes; the task takes all in one turn" },
        cluster_required: bool { default: 0, unit: Switch, range: 0..=1, scope: Relay,
            what: "Whether the relay is ready only while its bus is up",
            past: "`/readyz` is 503 while it is down",
            why: "rooms on one node go on without the bus, and a load balancer would empty all nodes at once" },
    ];
}

impl ClusterConfig {
    /// Checks that each limit is in its range.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn check(&self) -> Result<(), LimitError> {
        self.nodes.check()?;
        Self::LIMITS.iter().try_for_each(|limit| limit.check(self))
    }

    /// Checks that each limit is in its range, and that what peers may publish fits between nodes.
    ///
    /// # Errors
    ///
    /// The first limit that is not.
    pub fn check_beside(&self, relay: &Limits) -> Result<(), LimitError> {
        self.check()?;
        let batch = self.nodes.cluster_batch_bytes_max;
        let overhead = batch - self.nodes.message_bytes_max();
        let topic = relay.topic_bytes_max as usize;
        let needed = relay.message_bytes_max as usize + CLIENTS_BYTES_MAX + topic + overhead;
        let limits = signal_cluster::Config::LIMITS.iter();
        let mut limits = limits.filter(|limit| limit.name == "cluster_batch_bytes_max");
        limits.try_for_each(|limit| {
            let range = needed as u64..=*limit.range.end();
            limit.check_in(range, Some("message_bytes_max"), &self.nodes)
        })
    }
}

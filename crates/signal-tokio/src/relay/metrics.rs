//! The relay for Prometheus.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use super::Relay;
use crate::stats::metrics;

/// Gives a registry the metrics of a relay; see [`Relay::collector`].
#[derive(Clone, Debug)]
pub struct RelayCollector {
    relay: Relay,
}

impl Collector for RelayCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        metrics::encode(metrics::RELAY, &self.relay.stats(), &mut encoder)?;
        #[cfg(feature = "cluster")]
        if let Some(stats) = self.relay.cluster_stats() {
            metrics::encode(crate::cluster::METRICS, &stats, &mut encoder)?;
        }
        Ok(())
    }
}

impl Relay {
    /// What the relay holds and has done, for Prometheus: the text of
    /// [`CONTENT_TYPE`](metrics::CONTENT_TYPE). Feature
    /// `metrics`.
    ///
    /// A program with metrics of its own registers [`collector`](Self::collector) instead.
    pub fn open_metrics(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.collector()));
        metrics::to_text(&registry)
    }

    /// The relay as a part of a program's own registry. Feature `metrics`.
    ///
    /// ```
    /// use signal_tokio::metrics::{prometheus_client::registry::Registry, to_text};
    /// use signal_tokio::{Config, Relay};
    ///
    /// let relay = Relay::new(Config::default())?;
    /// let mut registry = Registry::default();
    /// registry.register_collector(Box::new(relay.collector()));
    /// assert!(to_text(&registry).contains("signal_peers 0\n"));
    /// # Ok::<(), signal_tokio::ConfigError>(())
    /// ```
    pub fn collector(&self) -> RelayCollector {
        RelayCollector {
            relay: self.clone(),
        }
    }
}

//! The bus of a node of a cluster, and what the page shows of the node.

use std::fmt;

use serde_json::{Value, json};
use signal_nats::Handle;
use signal_tokio::Relay;
use signal_tokio::cluster::Node;
use signal_tokio::metrics::prometheus_client::collector::Collector;
use signal_tokio::metrics::prometheus_client::encoding::DescriptorEncoder;
use signal_tokio::metrics::{self, Metric, Read, Sample};

use crate::serve::cluster::Joined;

/// What is there only where NATS is the bus.
pub(super) static METRICS: &[Metric<signal_nats::Stats>] = &[
    Metric::new(
        "signal_nats_failures_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.failures)),
        "Attempts to connect to a NATS server that came to nothing; the log says why",
    ),
    Metric::new(
        "signal_nats_disconnects_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.disconnects)),
        "Connections to a NATS server that were lost",
    ),
    Metric::new(
        "signal_nats_lame_ducks_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.lame_ducks)),
        "NATS servers that announced their end and were left before it",
    ),
    Metric::new(
        "signal_nats_slow_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.slow)),
        "Times that this node did not keep up with a NATS server",
    ),
    Metric::new(
        "signal_nats_dropped_total",
        &["cause"],
        Read::Counter(|stats| {
            let causes = stats.dropped.by_reason().into_iter();
            causes
                .map(|(cause, count)| Sample::of([cause], count))
                .collect()
        }),
        "Messages of the bus that were dropped: no server (unconnected), too much waits to be sent (unsent) or read \
         (unread), too long, without a MAC by the cluster's key (bad_mac), in another form (malformed)",
    ),
];

/// Gives a registry the metrics of a bus.
#[derive(Debug)]
struct BusCollector(Handle);

impl Collector for BusCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        metrics::encode(METRICS, &self.0.stats(), &mut encoder)
    }
}

/// The collector for the page of metrics.
pub(super) fn collector(joined: &Joined) -> Box<dyn Collector> {
    Box::new(BusCollector(joined.nats().clone()))
}

/// What the page shows of the node; nothing where the relay is none.
pub(super) fn status(relay: &Relay, joined: Option<&Joined>) -> Option<Value> {
    let (stats, nats) = (relay.cluster_stats()?, joined?.nats());
    let status = nats.status();
    let id = |node: &Node| node.id.to_string();
    let problem = status
        .problem
        .map(|(server, problem)| format!("{server}: {problem}"));
    Some(json!({
        "node": id(&stats.node),
        "others": stats.nodes.iter().map(id).collect::<Vec<_>>(),
        "is_ready": stats.is_ready,
        "do_views_differ": stats.do_views_differ,
        "homed": stats.homed,
        "passed": stats.counts.passed,
        "nudged": stats.nudged,
        "server": status.server,
        "server_name": status.server_name,
        "since_ms": u64::try_from(status.since.elapsed().as_millis()).unwrap_or(u64::MAX),
        "problem": problem,
        "dropped": stats.bus.dropped,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_metrics_has_those_of_the_bus() {
        let page = include_str!("../../../signal-tokio/METRICS.md");
        let mut table = "| name | type | labels | what |\n|---|---|---|---|\n".to_owned();
        for metric in METRICS {
            let labels = metric.labels.iter().map(|label| format!("`{label}`"));
            table += &format!(
                "| `{}` | {} | {} | {} |\n",
                metric.name,
                metric.kind(),
                labels.collect::<Vec<_>>().join(", "),
                metric.help
            );
        }
        let shown = page
            .split_once("<!-- nats -->\n")
            .and_then(|(_, rest)| Some(rest.split_once("<!-- end -->")?.0));
        assert!(shown == Some(&table), "METRICS.md must show\n{table}");
    }
}

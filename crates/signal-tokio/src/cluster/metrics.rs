use signal_cluster::Frames;

use super::ClusterStats;
use crate::stats::metrics::{Metric, Read, Sample};

/// The metrics of a node of a cluster, in the order in which they are written. A relay that is none
/// does not have them.
pub static METRICS: &[Metric<ClusterStats>] = &[
    Metric::new(
        "signal_cluster_nodes",
        &[],
        Read::Gauge(|stats| Sample::only(stats.nodes.len() as u64 + 1)),
        "Nodes of the cluster that this one hears now, itself included",
    ),
    Metric::new(
        "signal_cluster_ready",
        &[],
        Read::Gauge(|stats| Sample::only(u64::from(stats.is_ready))),
        "1 once the node has been there long enough to know the others",
    ),
    Metric::new(
        "signal_cluster_views_differ",
        &[],
        Read::Gauge(|stats| Sample::only(u64::from(stats.do_views_differ))),
        "1 while nodes do not agree which of them are there",
    ),
    Metric::new(
        "signal_cluster_view_changes_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.counts.view_changes)),
        "Nodes that came or went",
    ),
    Metric::new(
        "signal_cluster_silent_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.counts.silent)),
        "Nodes that went without a word: silent for longer than cluster_dead_after",
    ),
    Metric::new(
        "signal_cluster_gaps_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.counts.gaps)),
        "Times in which nodes could not hear each other that have ended, so that peers announce again",
    ),
    Metric::new(
        "signal_cluster_nudged_peers_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.nudged)),
        "Peers that were closed with 1012 so that they announce again",
    ),
    Metric::new(
        "signal_cluster_bus_up",
        &[],
        Read::Gauge(|stats| Sample::only(u64::from(stats.bus.is_up))),
        "1 while the bus between the nodes can carry something, as far as it knows",
    ),
    Metric::new(
        "signal_cluster_bus_connects_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.bus.connects)),
        "Times the bus has come up",
    ),
    Metric::new(
        "signal_cluster_bus_dropped_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.bus.dropped)),
        "Messages that the bus could not take; nodes ask each other again for what they miss",
    ),
    Metric::new(
        "signal_cluster_topics_homed",
        &[],
        Read::Gauge(|stats| Sample::only(stats.homed)),
        "Topics that have their home on this node now; none are counted while it is alone",
    ),
    Metric::new(
        "signal_cluster_unacknowledged_seconds",
        &[],
        Read::Gauge(|stats| Sample::only(stats.waiting_for.as_secs_f64())),
        "How long the oldest frame to another node has waited for its acknowledgement",
    ),
    Metric::new(
        "signal_cluster_messages_total",
        &["direction", "kind"],
        Read::Counter(|stats| {
            let counts = &stats.counts;
            vec![
                Sample::of(["received", "beat"], counts.beats_received),
                Sample::of(["received", "batch"], counts.batches_received),
                Sample::of(["sent", "beat"], counts.beats_sent),
                Sample::of(["sent", "batch"], counts.batches_sent),
            ]
        }),
        "Messages of the bus",
    ),
    Metric::new(
        "signal_cluster_message_bytes_total",
        &["direction"],
        Read::Counter(|stats| {
            vec![
                Sample::of(["received"], stats.counts.bytes_received),
                Sample::of(["sent"], stats.counts.bytes_sent),
            ]
        }),
        "Their bytes, those of dropped ones included",
    ),
    Metric::new(
        "signal_cluster_frames_total",
        &["direction", "kind"],
        Read::Counter(|stats| {
            let mut samples = frames("received", &stats.counts.frames_received);
            samples.extend(frames("sent", &stats.counts.frames_sent));
            samples
        }),
        "Frames between this node and others, each once: how many subscribers there are, publishes to a home, \
         publishes and counts from one, and what publishers owe",
    ),
    Metric::new(
        "signal_cluster_resent_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.counts.resent)),
        "Frames sent again because a node missed them",
    ),
    Metric::new(
        "signal_cluster_passed_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.counts.passed)),
        "Publishes of other nodes passed on to peers of this one",
    ),
    Metric::new(
        "signal_cluster_owed_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.counts.owed)),
        "Deliveries on other nodes that peers were charged for when the home of the topic had said so",
    ),
    Metric::new(
        "signal_cluster_duplicates_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.counts.duplicates)),
        "Publishes that came a second time and were not passed on",
    ),
    Metric::new(
        "signal_cluster_overflows_total",
        &["of"],
        Read::Counter(|stats| {
            let counts = &stats.counts;
            vec![
                Sample::of(["mailbox"], stats.mailbox_overflows),
                Sample::of(["too_long"], counts.too_long),
                Sample::of(["link"], counts.overflows),
                Sample::of(["keep"], counts.keep_overflows),
                Sample::of(["recent"], counts.recent_overflows),
                Sample::of(["directory"], counts.directory_overflows),
            ]
        }),
        "What was too much: publishes that stayed on this node (mailbox, too_long), links that began anew, \
         publishes that are not kept any more for a new home or for nodes that come back, and subscriptions of nodes \
         that a home did not note",
    ),
    Metric::new(
        "signal_cluster_dropped_total",
        &["cause"],
        Read::Counter(|stats| {
            let counts = &stats.counts;
            vec![
                Sample::of(["malformed"], counts.malformed),
                Sample::of(["unknown_version"], counts.unknown_version),
                Sample::of(["oversized"], counts.oversized),
                Sample::of(["strangers"], counts.strangers),
                Sample::of(["misdirected"], counts.misdirected),
                Sample::of(["stale"], counts.stale),
                Sample::of(["crowded"], counts.crowded),
            ]
        }),
        "Messages of the bus that this node did not take",
    ),
    Metric::new(
        "signal_cluster_sessions_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.counts.sessions)),
        "Links to living nodes that began anew",
    ),
    Metric::new(
        "signal_cluster_twins_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.counts.twins)),
        "Times that this node heard another one with its own identity, and took a new one",
    ),
];

fn frames(direction: &str, frames: &Frames) -> Vec<Sample> {
    vec![
        Sample::of([direction, "subscribe"], frames.subscribe),
        Sample::of([direction, "publish"], frames.publish),
        Sample::of([direction, "pass"], frames.pass),
        Sample::of([direction, "count"], frames.count),
        Sample::of([direction, "owe"], frames.owe),
    ]
}

#[cfg(test)]
mod tests {
    use signal_cluster::{Cluster, Config, NodeId};
    use signal_core::Instant;

    use super::*;
    use crate::cluster::BusHealth;
    use crate::stats::metrics::table::tests::check;

    #[test]
    fn the_page_has_the_table_of_all_metrics() {
        let cluster = Cluster::new(Instant::ZERO, NodeId::new(1), 1, Config::default());
        let stats = ClusterStats::new(cluster.node(), BusHealth::default());
        check("cluster", METRICS, &stats);
    }
}

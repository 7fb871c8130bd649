//! All metrics of a relay.

use signal_core::Ignored;

use super::{Metric, Read, Sample};
use crate::stats::lifecycle::Lifecycle;
use crate::stats::{Stats, Traffic};

const NANOSECOND: f64 = 1e-9;

/// The metrics of a relay, in the order in which they are written.
pub static RELAY: &[Metric<Stats>] = &[
    Metric::new(
        "signal_build_info",
        &["version"],
        Read::Info(|_| vec![Sample::of([env!("CARGO_PKG_VERSION")], 1)]),
        "The version that runs",
    ),
    Metric::new(
        "signal_lifecycle",
        &["state"],
        Read::Gauge(|stats| {
            Lifecycle::ALL
                .map(|state| Sample::of([state.name()], u64::from(state == stats.lifecycle)))
                .into()
        }),
        "1 for the state the relay is in, 0 for the others",
    ),
    Metric::new(
        "signal_peers",
        &[],
        Read::Gauge(|stats| Sample::only(stats.peers)),
        "Peers connected now",
    ),
    Metric::new(
        "signal_peers_max",
        &[],
        Read::Gauge(|stats| Sample::only(stats.peers_max)),
        "The limit on peers",
    ),
    Metric::new(
        "signal_handshakes",
        &[],
        Read::Gauge(|stats| Sample::only(stats.handshakes)),
        "Connections in their TLS handshake or HTTP request now",
    ),
    Metric::new(
        "signal_topics",
        &[],
        Read::Gauge(|stats| Sample::only(stats.topics)),
        "Topics with subscribers now",
    ),
    Metric::new(
        "signal_subscriptions",
        &[],
        Read::Gauge(|stats| Sample::only(stats.subscriptions)),
        "Subscriptions now: a peer in three topics counts three",
    ),
    Metric::new(
        "signal_queue_bytes",
        &[],
        Read::Gauge(|stats| Sample::only(stats.queue_bytes)),
        "Bytes that wait to be written to peers now",
    ),
    Metric::new(
        "signal_queue_largest_bytes",
        &[],
        Read::Gauge(|stats| Sample::only(stats.queue_bytes_largest)),
        "Bytes that wait for the one peer for which most does now",
    ),
    Metric::new(
        "signal_queue_limit_bytes",
        &[],
        Read::Gauge(|stats| Sample::only(stats.queue_bytes_max)),
        "The limit on what waits for one peer",
    ),
    Metric::new(
        "signal_memory_bytes",
        &[],
        Read::Gauge(|stats| Sample::only(stats.memory_bytes)),
        "What peers make the relay hold now: messages that wait for their sockets, unfinished messages, topics",
    ),
    Metric::new(
        "signal_memory_limit_bytes",
        &[],
        Read::Gauge(|stats| Sample::only(stats.memory_bytes_max)),
        "The limit on what peers make the relay hold",
    ),
    Metric::new(
        "signal_connections_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.connections)),
        "Connections accepted, those that never asked for an upgrade included",
    ),
    Metric::new(
        "signal_upgrades_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.upgrades)),
        "Upgrades accepted",
    ),
    Metric::new(
        "signal_turn_credentials_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.turn_credentials)),
        "Credentials for TURN servers given out",
    ),
    Metric::new(
        "signal_refusals_total",
        &["cause"],
        Read::Counter(|stats| by_name(&stats.refusals, |cause| cause.name())),
        "Upgrades refused, and requests for TURN credentials",
    ),
    Metric::new(
        "signal_auth_total",
        &["result"],
        Read::Counter(|stats| by_name(&stats.auth, |result| result.name())),
        "Upgrades and requests for TURN credentials judged by token, origin or authorizer, after all cheaper checks",
    ),
    Metric::new(
        "signal_closes_total",
        &["cause", "code"],
        Read::Counter(|stats| {
            let endings = stats.endings.iter();
            endings
                .map(|(ending, count)| {
                    let code = ending
                        .code()
                        .map_or("none".to_owned(), |code| code.to_string());
                    Sample::of([ending.name(), &code], *count)
                })
                .collect()
        }),
        "Connections ended; the code is that of the relay's own close frame, or none",
    ),
    Metric::new(
        "signal_received_total",
        &["type"],
        Read::Counter(|stats| traffic(&stats.received, |what| what.name(), |t| t.count)),
        "Messages and control frames received; other are messages without effect",
    ),
    Metric::new(
        "signal_received_bytes_total",
        &["type"],
        Read::Counter(|stats| {
            let messages = stats.received.iter().filter(|(what, _)| what.is_message());
            let messages: Vec<_> = messages.copied().collect();
            traffic(&messages, |what| what.name(), |t| t.bytes)
        }),
        "Bytes of messages received",
    ),
    Metric::new(
        "signal_sent_total",
        &["type"],
        Read::Counter(|stats| traffic(&stats.sent, |what| what.name(), |t| t.count)),
        "Messages and control frames queued for peers; a publish to ten counts ten",
    ),
    Metric::new(
        "signal_sent_bytes_total",
        &["type"],
        Read::Counter(|stats| traffic(&stats.sent, |what| what.name(), |t| t.bytes)),
        "Bytes queued for peers, frame headers included",
    ),
    Metric::new(
        "signal_fan_out",
        &[],
        Read::Histogram(|stats| &stats.fan_out, 1.0),
        "Subscribers that a publish went to",
    ),
    Metric::new(
        "signal_turn_seconds",
        &[],
        Read::Histogram(|stats| &stats.turns, NANOSECOND),
        "Time a connection takes to read what has arrived, carry it out and write what waits; one turn in 16 is timed",
    ),
    Metric::new(
        "signal_rate_limited_total",
        &["kind"],
        Read::Counter(|stats| {
            let ignored = stats.ignored.iter();
            ignored
                .filter_map(|(why, count)| Some(Sample::of([rate_kind(*why)?], *count)))
                .collect()
        }),
        "Messages and control frames dropped because a peer's budget was used up",
    ),
    Metric::new(
        "signal_ignored_total",
        &["cause"],
        Read::Counter(|stats| {
            let ignored = stats.ignored.iter();
            ignored
                .filter(|(why, _)| rate_kind(*why).is_none())
                .map(|(why, count)| Sample::of([why.name()], *count))
                .collect()
        }),
        "Messages without effect for another reason than a budget",
    ),
    Metric::new(
        "signal_topics_skipped_total",
        &[],
        Read::Counter(|stats| Sample::only(stats.topics_skipped)),
        "Topics of subscribes that were skipped: no grant, or past a limit, which the log names",
    ),
];

/// The budget that a message exceeded, if that is why it had no effect.
fn rate_kind(why: Ignored) -> Option<&'static str> {
    match why {
        Ignored::MessageRate => Some("message"),
        Ignored::ByteRate => Some("bytes"),
        Ignored::FanOutRate => Some("fan_out"),
        Ignored::FanOutByteRate => Some("fan_out_bytes"),
        Ignored::PingRate => Some("ping"),
        Ignored::NotJson
        | Ignored::Meaningless
        | Ignored::NotGranted
        | Ignored::Full
        | Ignored::Held
        | _ => None,
    }
}

fn by_name<T: Copy>(counts: &[(T, u64)], name: impl Fn(T) -> &'static str) -> Vec<Sample> {
    let counts = counts.iter();
    counts
        .map(|(what, count)| Sample::of([name(*what)], *count))
        .collect()
}

fn traffic<T: Copy>(
    counts: &[(T, Traffic)],
    name: impl Fn(T) -> &'static str,
    part: impl Fn(Traffic) -> u64,
) -> Vec<Sample> {
    let counts = counts.iter();
    counts
        .map(|(what, traffic)| Sample::of([name(*what)], part(*traffic)))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Config, Relay};

    const PAGE: &str = include_str!("../../../METRICS.md");

    /// The samples of a metric; none of a histogram, whose labels are not ours.
    fn samples<S>(metric: &Metric<S>, stats: &S) -> Vec<Sample> {
        match metric.read {
            Read::Gauge(read) | Read::Counter(read) | Read::Info(read) => read(stats),
            Read::Histogram(..) => Vec::new(),
        }
    }

    fn labels<S>(metric: &Metric<S>, stats: &S) -> String {
        if metric.labels.is_empty() {
            return String::new();
        }
        let names = metric.labels.iter().map(|name| format!("`{name}`"));
        let names = names.collect::<Vec<_>>().join(" and ");
        if metric.name == "signal_build_info" {
            return names;
        }
        let values = samples(metric, stats);
        let values = values.iter().map(|sample| sample.labels.join(" "));
        format!("{names}: {}", values.collect::<Vec<_>>().join(", "))
    }

    /// Checks that the page has these metrics as the table of this name, and that their names and
    /// labels are as OpenMetrics wants them.
    pub(crate) fn check<S>(table: &str, metrics: &[Metric<S>], stats: &S) {
        let mut rows = "| name | type | labels | what |\n|---|---|---|---|\n".to_owned();
        for metric in metrics {
            check_one(metric, stats);
            let (labels, kind) = (labels(metric, stats), metric.kind());
            rows += &format!(
                "| `{}` | {kind} | {labels} | {} |\n",
                metric.name, metric.help
            );
        }
        let shown = PAGE
            .split_once(&format!("<!-- {table} -->\n"))
            .and_then(|(_, rest)| Some(rest.split_once("<!-- end -->")?.0));
        assert!(shown == Some(&rows), "METRICS.md must show\n{rows}");
    }

    fn check_one<S>(metric: &Metric<S>, stats: &S) {
        let name = metric.name;
        assert!(name.starts_with("signal_"), "{name}");
        assert_eq!(
            name.ends_with("_total"),
            metric.kind() == "counter",
            "{name}"
        );
        assert!(!metric.help.ends_with('.'), "{name}");
        let mut seen = std::collections::BTreeSet::new();
        for sample in samples(metric, stats) {
            assert_eq!(sample.labels.len(), metric.labels.len(), "{name}");
            assert!(seen.insert(sample.labels), "{name} has a series twice");
        }
    }

    #[test]
    fn the_page_has_the_table_of_all_metrics() {
        let relay = Relay::new(Config::default()).expect("the default is valid");
        check("relay", RELAY, &relay.stats());
    }
}

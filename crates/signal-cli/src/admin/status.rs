//! What the page shows, as JSON.

use serde::Serialize;
use serde_json::{Value, json};
use signal_tokio::{Histogram, SentType, Stats, Traffic};

use crate::admin::history::Point;
use crate::admin::process::Process;
use crate::admin::{Admin, cluster};

/// Numbers with their names, in the order in which they are known.
type Named = Vec<(&'static str, Value)>;

/// For the page alone; programs read `/metrics`.
#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    host: Option<&'a str>,
    listens: &'a [String],
    uptime_ms: u64,
    lifecycle: &'static str,
    process: Process,
    now: Point,
    history: Vec<Point>,
    /// When the last refusal was, in the time of the points.
    last_refusal: Option<u64>,
    peers_max: u64,
    subscriptions: u64,
    handshakes: u64,
    queue_bytes_largest: u64,
    received: Named,
    sent: Named,
    refusals: Named,
    auth: Named,
    closes: Named,
    ignored: Named,
    fan_out: Value,
    turns: Value,
    limits: &'a [super::ShownLimit],
    /// What it is as a node of a cluster.
    cluster: Option<Value>,
}

pub(super) fn json(admin: &Admin) -> String {
    let stats: Stats = admin.relay.stats();
    let uptime = admin.started.elapsed();
    let now = Point::new(uptime, &stats);
    let history = admin.history();
    let (points, last_refusal) = (history.points(), history.last_refusal(&now));
    drop(history);
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        host: admin.host.as_deref(),
        listens: &admin.listens,
        uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        lifecycle: stats.lifecycle.name(),
        process: Process::read(),
        now,
        history: points,
        last_refusal,
        peers_max: stats.peers_max,
        subscriptions: stats.subscriptions,
        handshakes: stats.handshakes,
        queue_bytes_largest: stats.queue_bytes_largest,
        received: named(&stats.received, |what| what.name(), traffic),
        sent: named(&stats.sent, SentType::name, traffic),
        refusals: named(&stats.refusals, |cause| cause.name(), Value::from),
        auth: named(&stats.auth, |result| result.name(), Value::from),
        closes: named(&stats.endings, |ending| ending.name(), Value::from),
        ignored: named(&stats.ignored, |why| why.name(), Value::from),
        fan_out: histogram(&stats.fan_out),
        turns: histogram(&stats.turns),
        limits: &admin.limits,
        cluster: cluster::status(&admin.relay, admin.beside.node.as_deref()),
    };
    // Names and numbers, which always are JSON.
    serde_json::to_string(&status).unwrap_or_default()
}

fn named<T: Copy, N: Copy>(
    counts: &[(T, N)],
    name: impl Fn(T) -> &'static str,
    value: impl Fn(N) -> Value,
) -> Named {
    let counts = counts.iter();
    counts
        .map(|(what, count)| (name(*what), value(*count)))
        .collect()
}

fn traffic(traffic: Traffic) -> Value {
    json!({ "count": traffic.count, "bytes": traffic.bytes })
}

fn histogram(histogram: &Histogram) -> Value {
    json!({ "bounds": histogram.bounds, "counts": histogram.counts })
}

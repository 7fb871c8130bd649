//! What a run has found.

pub(crate) mod cluster;
pub(crate) mod growth;
pub(crate) mod process;
pub(crate) mod process_report;
pub(crate) mod snapshot;
pub(crate) mod threshold;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::cluster::Cluster;
use crate::explain;
use crate::load::flows::Faults;
use crate::load::tally::{SlowReaders, Tally};
use crate::plan::{Plan, Scenario};
use crate::report::cluster::ClusterReport;
use crate::report::growth::Growth;
use crate::report::process_report::ProcessReport;
use crate::report::snapshot::Measured;

/// A share of its time past which the generator may have held the server back.
const BUSY_MAX: f64 = 0.9;

/// What a run has found. As JSON, its keys are those of the fields; keys are added, but never
/// change their meaning within a [`schema`](Self::schema).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this form: 1.
    pub schema: u32,
    /// The server's name; of several nodes, their names.
    pub server: String,
    /// The load.
    pub plan: Plan,
    /// How many connections there were.
    pub connections: usize,
    /// How long was measured.
    pub seconds: f64,
    /// Messages sent while measuring.
    pub publishes: u64,
    /// Deliveries while measuring: each message once for each receiver, its sender included. In
    /// `idle`, answers to pings.
    pub deliveries: u64,
    /// Deliveries in a second.
    pub deliveries_per_second: f64,
    /// From sending to delivery, of all that was sent while measuring. In `paced` and `idle` it
    /// counts from when the message was due, in `churn` from the first packet of the connection.
    pub latency: Latency,
    /// What went wrong, warm-up included.
    pub faults: Faults,
    /// What the generator itself used.
    pub generator: Generator,
    /// What the server used, if its process is known; of several nodes, all of them together, if
    /// their processes are.
    pub process: Option<ProcessReport>,
    /// What only a service of several nodes has. Not there with a single server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterReport>,
    /// Pings of the server that were answered, from the beginning.
    pub pings_answered: u64,
    /// What became of the subscribers that never read, in the scenario `slow`.
    pub slow: Option<SlowReport>,
    /// What a server that limits its clients must grant for this load.
    pub rates: Rates,
    /// What makes the result doubtful.
    pub warnings: Vec<String>,
}

/// How long deliveries took, in milliseconds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// The shortest.
    pub min_ms: f64,
    /// The mean.
    pub mean_ms: f64,
    /// Half of all took longer.
    pub p50_ms: f64,
    /// One in a hundred took longer.
    pub p99_ms: f64,
    /// One in a thousand took longer.
    pub p99_9_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// How many took how long: each step is twice as long as the one before.
    pub histogram: Vec<Bar>,
}

/// A step of the histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Bar {
    /// Longer than this, in milliseconds.
    pub above_ms: f64,
    /// And up to this.
    pub up_to_ms: f64,
    /// How many deliveries.
    pub deliveries: u64,
}

/// What the load generator used while measuring.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Generator {
    /// Processor time in seconds.
    pub cpu_seconds: f64,
    /// Processor time for each delivery, in microseconds.
    pub cpu_us_per_delivery: f64,
    /// The share of the time in which its threads waited for the server, 0 to 1.
    pub idle: f64,
    /// The share of the time in which they could have run, but another process had the processor.
    /// With [`idle`](Self::idle) and the share they ran it makes 1.
    pub starved: f64,
    /// By how many milliseconds it was late with one in a hundred messages that were due at a time.
    /// 0 in a closed loop.
    pub lag_p99_ms: f64,
}

/// What became of the subscribers that never read.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct SlowReport {
    /// How many there were.
    pub readers: u64,
    /// How many of them the server has ended.
    pub ended: u64,
    /// How long after the load began the first was ended.
    pub first_ended_after_seconds: Option<f64>,
}

impl SlowReport {
    fn new(readers: SlowReaders) -> Self {
        let after = readers.first_ended_after;
        Self {
            readers: readers.count,
            ended: readers.ended,
            first_ended_after_seconds: after.map(|nanos| nanos as f64 / 1e9),
        }
    }
}

/// What the busiest sender did in a second.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Rates {
    /// Messages: `messages_per_second` of `signal serve`.
    pub messages_per_second: u64,
    /// Deliveries that they caused: `fan_out_per_second`.
    pub fan_out_per_second: u64,
    /// Bytes of the messages, with what a relay charges for their frames: `bytes_per_second`.
    pub bytes_per_second: u64,
    /// The same of the deliveries: `fan_out_bytes_per_second`.
    pub fan_out_bytes_per_second: u64,
}

/// What a relay charges for a frame, beside its payload.
const FRAME_COST: u64 = 32;

impl Report {
    pub(crate) fn new(cluster: &Cluster, plan: &Plan, measured: &Measured, tally: &Tally) -> Self {
        let Measured { before, after, .. } = measured;
        let names = cluster.nodes.iter().map(|node| node.server.name.as_str());
        let names: Vec<&str> = names.collect();
        let observed = measured.of_nodes();
        let seconds = (after.at - before.at).as_secs_f64();
        let deliveries = after.deliveries - before.deliveries;
        let messages_per_second = (tally.busiest_sender as f64 / seconds).ceil() as u64;
        let bytes_per_second = messages_per_second * (plan.bytes as u64 + FRAME_COST);
        let mut report = Self {
            schema: 1,
            server: names.join(", "),
            plan: plan.clone(),
            connections: plan.connections(),
            seconds,
            publishes: after.publishes - before.publishes,
            deliveries,
            deliveries_per_second: deliveries as f64 / seconds,
            latency: Latency::new(&tally.latency),
            faults: tally.faults,
            generator: generator(measured, tally, plan.threads, seconds, deliveries),
            process: observed
                .map(|observed| ProcessReport::new(plan.pid, &observed, seconds, deliveries)),
            cluster: (names.len() > 1)
                .then(|| ClusterReport::new(cluster, measured, tally, seconds, deliveries)),
            pings_answered: tally.pings_answered,
            slow: (plan.scenario == Scenario::Slow).then(|| SlowReport::new(tally.slow_readers)),
            rates: Rates {
                messages_per_second,
                fan_out_per_second: messages_per_second * plan.receivers() as u64,
                bytes_per_second,
                fan_out_bytes_per_second: bytes_per_second * plan.receivers() as u64,
            },
            warnings: Vec::new(),
        };
        report.warn(observed.map(|observed| observed.growth));
        report
    }

    /// Whether every delivery arrived once and in order.
    pub fn is_sound(&self) -> bool {
        self.faults.is_none() && self.deliveries > 0
    }

    fn warn(&mut self, growth: Option<Growth>) {
        let Generator { idle, starved, .. } = self.generator;
        if idle < 1.0 - BUSY_MAX {
            self.warnings.push(format!(
                "the load generator was idle for only {:.0} % of the time, {:.0} % of it without a processor: it may have \
                 held the server back; give it a core of its own, or more --threads",
                idle * 100.0,
                starved * 100.0
            ));
        }
        let lag = self.generator.lag_p99_ms;
        if lag > self.latency.p50_ms {
            self.warnings.push(format!(
                "the load generator sent one in a hundred messages {lag:.1} ms late or more, which is part of the \
                 latencies: the machine is too busy for this measurement"
            ));
        }
        if let Some(doubt) = growth.and_then(Growth::doubt) {
            self.warnings.push(doubt);
        }
        if self.faults.undelivered > 0 {
            self.warnings.push(format!(
                "{} of the lost deliveries are messages that reached nobody: {}",
                self.faults.undelivered,
                explain::raise_rates()
            ));
        }
        if self.deliveries == 0 {
            self.warnings
                .push("nothing was delivered while measuring".to_owned());
        }
    }
}

fn generator(
    measured: &Measured,
    tally: &Tally,
    threads: usize,
    seconds: f64,
    deliveries: u64,
) -> Generator {
    let cpu = measured
        .after
        .own_cpu
        .saturating_sub(measured.before.own_cpu);
    let cpu = cpu.as_secs_f64();
    let starved = measured
        .after
        .own_starvation
        .saturating_sub(measured.before.own_starvation);
    let wall = seconds * threads as f64;
    let starved = (starved.as_secs_f64() / wall).min(1.0);
    Generator {
        cpu_seconds: cpu,
        cpu_us_per_delivery: per(cpu * 1e6, deliveries as f64),
        idle: (1.0 - cpu / wall - starved).max(0.0),
        starved,
        lag_p99_ms: millis(tally.lag.value_at_quantile(0.99)),
    }
}

/// A quotient; nothing of nothing is 0.
pub(crate) fn per(amount: f64, count: f64) -> f64 {
    if count > 0.0 { amount / count } else { 0.0 }
}

impl Latency {
    fn new(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| millis(histogram.value_at_quantile(quantile));
        Self {
            min_ms: millis(histogram.min()),
            mean_ms: histogram.mean() / 1e6,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p99_9_ms: at(0.999),
            max_ms: millis(histogram.max()),
            histogram: bars(histogram),
        }
    }
}

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// Steps from a microsecond on, each twice as long as the one before, without the empty ones at
/// both ends.
fn bars(histogram: &Histogram<u64>) -> Vec<Bar> {
    let mut bars = Vec::new();
    let (mut above, mut up_to) = (0, 1_000);
    while above < histogram.max() {
        let deliveries = histogram.count_between(above + 1, up_to);
        if deliveries > 0 || !bars.is_empty() {
            bars.push(Bar {
                above_ms: millis(above),
                up_to_ms: millis(up_to),
                deliveries,
            });
        }
        above = up_to;
        up_to *= 2;
    }
    bars
}

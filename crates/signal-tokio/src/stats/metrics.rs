#![doc = include_str!("../../METRICS.md")]

mod encode;
pub(crate) mod table;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use crate::stats::Histogram;

pub use encode::encode;
pub use prometheus_client;
pub use table::RELAY;

/// The content type of [`Relay::open_metrics`](crate::Relay::open_metrics).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A family of metrics: its name, what it means, and how it is read from an `S`.
///
/// Its label values come from enums, so that no client can make it grow.
#[derive(Debug)]
#[non_exhaustive]
pub struct Metric<S> {
    /// The name, with unit and `_total`.
    pub name: &'static str,
    /// What it means, without a full stop.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Where its values come from, and so which kind it is.
    pub read: Read<S>,
}

/// Where the values of a metric come from.
#[derive(Debug)]
#[non_exhaustive]
pub enum Read<S> {
    /// What is now.
    Gauge(fn(&S) -> Vec<Sample>),
    /// What has been since the start.
    Counter(fn(&S) -> Vec<Sample>),
    /// How often which sizes were seen; the number is what one unit of the histogram is in the unit
    /// of the metric.
    Histogram(fn(&S) -> &Histogram, f64),
    /// Labels whose values carry the information; the number is 1.
    Info(fn(&S) -> Vec<Sample>),
}

impl<S> Metric<S> {
    /// A metric.
    pub const fn new(
        name: &'static str,
        labels: &'static [&'static str],
        read: Read<S>,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            help,
            labels,
            read,
        }
    }

    /// The kind, as OpenMetrics calls it.
    pub const fn kind(&self) -> &'static str {
        match self.read {
            Read::Gauge(_) => "gauge",
            Read::Counter(_) => "counter",
            Read::Histogram(..) => "histogram",
            Read::Info(_) => "info",
        }
    }
}

/// One value, and those of the labels it has.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// As many as the metric has labels.
    pub labels: Vec<String>,
    /// The value.
    pub value: Value,
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A count.
    Whole(u64),
    /// A time.
    Real(f64),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl Sample {
    /// The only value of a metric without labels.
    pub fn only(value: impl Into<Value>) -> Vec<Self> {
        vec![Self::of([], value)]
    }

    /// A value with its labels.
    pub fn of<const N: usize>(labels: [&str; N], value: impl Into<Value>) -> Self {
        Self {
            labels: labels.map(str::to_owned).into(),
            value: value.into(),
        }
    }
}

/// A registry as text.
pub fn to_text(registry: &Registry) -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail, and our collectors do not.
    let _ = text::encode(&mut out, registry);
    out
}

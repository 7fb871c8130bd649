//! From readings to the encoder of prometheus-client.

use std::fmt::Error;

use prometheus_client::encoding::{
    CounterValueEncoder, DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue,
    GaugeValueEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::{Histogram, Metric, Read, Sample, Value};

/// Reads all of `metrics` from `source`.
///
/// # Errors
///
/// As the encoder's.
pub fn encode<S>(
    metrics: &[Metric<S>],
    source: &S,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), Error> {
    metrics
        .iter()
        .try_for_each(|metric| encode_one(metric, source, encoder))
}

fn encode_one<S>(
    metric: &Metric<S>,
    source: &S,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), Error> {
    let (name, unit) = split_unit(metric);
    let mut family =
        encoder.encode_descriptor(name, metric.help, unit.as_ref(), metric_type(&metric.read))?;
    match metric.read {
        Read::Gauge(read) => each(&mut family, metric.labels, &read(source), |one, value| {
            one.encode_gauge(&value)
        }),
        Read::Counter(read) => each(&mut family, metric.labels, &read(source), |one, value| {
            one.encode_counter::<NoLabelSet, _, u64>(&value, None)
        }),
        Read::Histogram(read, scale) => encode_histogram(&mut family, read(source), scale),
        Read::Info(read) => read(source)
            .iter()
            .try_for_each(|sample| family.encode_info(&pairs(metric.labels, sample))),
    }
}

fn metric_type<S>(read: &Read<S>) -> MetricType {
    match read {
        Read::Gauge(_) => MetricType::Gauge,
        Read::Counter(_) => MetricType::Counter,
        Read::Histogram(..) => MetricType::Histogram,
        Read::Info(_) => MetricType::Info,
    }
}

/// The name as the encoder wants it, which adds the unit and the suffix itself.
fn split_unit<S>(metric: &Metric<S>) -> (&'static str, Option<Unit>) {
    let suffix = match metric.read {
        Read::Counter(_) => "_total",
        Read::Info(_) => "_info",
        Read::Gauge(_) | Read::Histogram(..) => "",
    };
    let name = metric.name.strip_suffix(suffix).unwrap_or(metric.name);
    for (suffix, unit) in [("_bytes", Unit::Bytes), ("_seconds", Unit::Seconds)] {
        if let Some(name) = name.strip_suffix(suffix) {
            return (name, Some(unit));
        }
    }
    (name, None)
}

fn each(
    family: &mut MetricEncoder<'_>,
    labels: &[&'static str],
    samples: &[Sample],
    encode: impl Fn(&mut MetricEncoder<'_>, Value) -> Result<(), Error>,
) -> Result<(), Error> {
    for sample in samples {
        if labels.is_empty() {
            encode(family, sample.value)?;
        } else {
            encode(
                &mut family.encode_family(&pairs(labels, sample))?,
                sample.value,
            )?;
        }
    }
    Ok(())
}

fn pairs<'a>(names: &[&'static str], sample: &'a Sample) -> Vec<(&'static str, &'a str)> {
    let values = sample.labels.iter().map(String::as_str);
    names.iter().copied().zip(values).collect()
}

fn encode_histogram(
    family: &mut MetricEncoder<'_>,
    histogram: &Histogram,
    scale: f64,
) -> Result<(), Error> {
    let bounds = histogram.bounds.iter().map(|bound| *bound as f64 * scale);
    let buckets: Vec<(f64, u64)> = bounds
        .chain([f64::INFINITY])
        .zip(histogram.counts.iter().copied())
        .collect();
    let sum = histogram.sum as f64 * scale;
    family.encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)
}

impl EncodeGaugeValue for Value {
    fn encode(&self, encoder: &mut GaugeValueEncoder<'_>) -> Result<(), Error> {
        match self {
            Self::Whole(number) => EncodeGaugeValue::encode(number, encoder),
            Self::Real(number) => EncodeGaugeValue::encode(number, encoder),
        }
    }
}

impl EncodeCounterValue for Value {
    fn encode(&self, encoder: &mut CounterValueEncoder<'_>) -> Result<(), Error> {
        match self {
            Self::Whole(number) => EncodeCounterValue::encode(number, encoder),
            Self::Real(number) => EncodeCounterValue::encode(number, encoder),
        }
    }
}

//! How long the certificate is still valid.

use std::fmt;
use std::sync::Arc;

use signal_tokio::metrics::prometheus_client::collector::Collector;
use signal_tokio::metrics::prometheus_client::encoding::DescriptorEncoder;
use signal_tokio::metrics::{self, Metric, Read, Sample};

use crate::serve::tls::Shown;

/// What is there only where the relay has a certificate of its own.
pub(super) static METRICS: &[Metric<Shown>] = &[Metric::new(
    "signal_certificate_remaining_seconds",
    &[],
    Read::Gauge(|shown| {
        shown
            .seconds_left()
            .map_or_else(Vec::new, |seconds| Sample::only(seconds as f64))
    }),
    "Time until the certificate in use or one of its issuers' runs out; negative once it has",
)];

/// Gives a registry the metrics of a certificate.
#[derive(Debug)]
pub(super) struct CertificateCollector(pub(super) Arc<Shown>);

impl Collector for CertificateCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        metrics::encode(METRICS, &*self.0, &mut encoder)
    }
}

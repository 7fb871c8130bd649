//! What became of events.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use signal_tokio::metrics::prometheus_client::collector::Collector;
use signal_tokio::metrics::prometheus_client::encoding::DescriptorEncoder;
use signal_tokio::metrics::{self, Metric, Read, Sample};

/// Counts events by what became of them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    pub(super) fn sent(&self, events: u64) {
        self.sent.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, events: u64) {
        self.failed.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is there only where there is a webhook.
static METRICS: &[Metric<Counts>] = &[Metric::new(
    "signal_webhook_events_total",
    &["result"],
    Read::Counter(|counts| {
        let results = [
            ("sent", &counts.sent),
            ("failed", &counts.failed),
            ("dropped", &counts.dropped),
        ];
        results
            .map(|(name, count)| Sample::of([name], count.load(Ordering::Relaxed)))
            .into()
    }),
    "Events for the webhook: sent, given up after five attempts, or dropped because too many waited",
)];

/// Gives a registry the metrics of the webhook.
#[derive(Debug)]
pub(crate) struct CountsCollector(pub(crate) Arc<Counts>);

impl Collector for CountsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        metrics::encode(METRICS, &*self.0, &mut encoder)
    }
}

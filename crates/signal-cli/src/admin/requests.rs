//! How often the admin API was asked for what.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use signal_tokio::metrics::prometheus_client::collector::Collector;
use signal_tokio::metrics::prometheus_client::encoding::DescriptorEncoder;
use signal_tokio::metrics::{self, Metric, Read, Sample};

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    List,
    Show,
    Publish,
    CloseTopic,
    CloseSubject,
    /// Anything, without the key.
    Denied,
    /// Something that there is not.
    Mistaken,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::List,
        Self::Show,
        Self::Publish,
        Self::CloseTopic,
        Self::CloseSubject,
        Self::Denied,
        Self::Mistaken,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Show => "show",
            Self::Publish => "publish",
            Self::CloseTopic => "close_topic",
            Self::CloseSubject => "close_subject",
            Self::Denied => "denied",
            Self::Mistaken => "mistaken",
        }
    }
}

/// Counts requests by their kind.
#[derive(Debug, Default)]
pub(super) struct Requests([AtomicU64; Kind::ALL.len()]);

impl Requests {
    pub(super) fn count(&self, kind: Kind) {
        self.0[kind as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// What is there only where the admin API has a key.
pub(super) static METRICS: &[Metric<Requests>] = &[Metric::new(
    "signal_admin_requests_total",
    &["kind"],
    Read::Counter(|requests| {
        let counts = requests.0.iter().map(|count| count.load(Ordering::Relaxed));
        let kinds = Kind::ALL.iter().zip(counts);
        kinds
            .map(|(kind, count)| Sample::of([kind.name()], count))
            .collect()
    }),
    "Requests to the admin API; denied are those without its key",
)];

/// Gives a registry the metrics of the admin API.
#[derive(Debug)]
pub(super) struct RequestsCollector(pub(super) Arc<Requests>);

impl Collector for RequestsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        metrics::encode(METRICS, &*self.0, &mut encoder)
    }
}

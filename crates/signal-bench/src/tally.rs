use hdrhistogram::Histogram;

use crate::flows::Faults;

/// The longest latency that is told apart from longer ones.
const LATENCY_MAX: u64 = 3_600_000_000_000;

/// What one thread has counted.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Messages sent, from the beginning.
    pub(crate) publishes: u64,
    /// Deliveries that arrived as they should, from the beginning.
    pub(crate) deliveries: u64,
    /// Whether latencies are recorded.
    pub(crate) is_measuring: bool,
    /// Nanoseconds from sending to delivery, while measuring.
    pub(crate) latency: Histogram<u64>,
    pub(crate) faults: Faults,
    /// The most messages that one sender sent while measuring.
    pub(crate) busiest_sender: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX, 3);
        Self {
            publishes: 0,
            deliveries: 0,
            is_measuring: false,
            latency: latency.expect("the bounds are constant and in order"),
            faults: Faults::default(),
            busiest_sender: 0,
        }
    }

    /// Counts a delivery.
    #[inline]
    pub(crate) fn delivered(&mut self, sent_at: u64, now: u64) {
        self.deliveries += 1;
        if self.is_measuring {
            self.latency.saturating_record(now.saturating_sub(sent_at));
        }
    }

    /// Adds what another thread has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.publishes += other.publishes;
        self.deliveries += other.deliveries;
        self.latency += &other.latency;
        self.faults.add(other.faults);
        self.busiest_sender = self.busiest_sender.max(other.busiest_sender);
    }
}

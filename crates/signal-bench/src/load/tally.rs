use std::ops::Range;

use hdrhistogram::Histogram;

use crate::load::flows::Faults;

/// The longest latency that is distinguished from longer ones.
const LATENCY_MAX: u64 = 3_600_000_000_000;

/// What one thread has counted.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Messages sent, from the beginning.
    pub(crate) publishes: u64,
    /// Deliveries that arrived as they should, from the beginning.
    pub(crate) deliveries: u64,
    /// Latencies are recorded of what was sent in this time, whenever it is delivered.
    pub(crate) measured: Range<u64>,
    /// Nanoseconds from sending to delivery.
    pub(crate) latency: Histogram<u64>,
    /// Those of deliveries that went from one node to another.
    pub(crate) crossed: Histogram<u64>,
    /// By how many nanoseconds the generator itself was late.
    pub(crate) lag: Histogram<u64>,
    pub(crate) faults: Faults,
    /// The most messages that one sender sent while measuring.
    pub(crate) busiest_sender: u64,
    /// Pings of the server that were answered, from the beginning.
    pub(crate) pings_answered: u64,
    pub(crate) slow_readers: SlowReaders,
}

/// Connections that do not read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlowReaders {
    pub(crate) count: u64,
    /// How many the server has ended.
    pub(crate) ended: u64,
    /// Nanoseconds until the first was ended.
    pub(crate) first_ended_after: Option<u64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            publishes: 0,
            deliveries: 0,
            // Nothing is, for now.
            measured: u64::MAX..u64::MAX,
            latency: histogram(),
            crossed: histogram(),
            lag: histogram(),
            faults: Faults::default(),
            busiest_sender: 0,
            pings_answered: 0,
            slow_readers: SlowReaders::default(),
        }
    }

    /// Counts a delivery.
    #[inline]
    pub(crate) fn delivered(&mut self, sent_at: u64, now: u64, has_crossed: bool) {
        self.deliveries += 1;
        if self.measured.contains(&sent_at) {
            let took = now.saturating_sub(sent_at);
            self.latency.saturating_record(took);
            if has_crossed {
                self.crossed.saturating_record(took);
            }
        }
    }

    /// Notes that something was sent now that had been due.
    pub(crate) fn sent_late(&mut self, due: u64, now: u64) {
        if self.measured.contains(&due) {
            self.lag.saturating_record(now - due);
        }
    }

    /// Adds what another thread has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.publishes += other.publishes;
        self.deliveries += other.deliveries;
        self.latency += &other.latency;
        self.crossed += &other.crossed;
        self.lag += &other.lag;
        self.faults.add(other.faults);
        self.busiest_sender = self.busiest_sender.max(other.busiest_sender);
        self.pings_answered += other.pings_answered;
        self.slow_readers.add(other.slow_readers);
    }
}

impl SlowReaders {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.ended += other.ended;
        let first = [self.first_ended_after, other.first_ended_after];
        self.first_ended_after = first.into_iter().flatten().min();
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("the bounds are constant and in order")
}

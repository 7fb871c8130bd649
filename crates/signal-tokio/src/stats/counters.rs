//! What the connections of a relay count while they run.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use signal_access::{AuthResult, RefusalCause};
use signal_core::{CloseReason, Ignored};

use crate::stats::notices::Notices;
use crate::stats::{Ending, Histogram, ReceivedType, SentType, Stats, Traffic};

/// Copies of the counters that every message touches, so that the threads of a relay do not fight
/// over a cache line. More threads than that share them, which is right and only a little slower.
pub(crate) const STRIPES: usize = 16;
/// One turn in so many is timed, at random, so that no rhythm of the traffic hides from it.
const TURNS_PER_SAMPLE: u8 = 16;

/// Upper bounds of [`Stats::fan_out`], in subscribers. A room of a handful, a class, a conference.
const FAN_OUT_BOUNDS: [u64; 11] = [0, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000];
/// Upper bounds of [`Stats::turns`], in nanoseconds. A turn that writes is some 10 µs; the rest
/// says what goes wrong.
const TURN_BOUNDS: [u64; 14] = [
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
];

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Which stripe this thread counts in.
    static STRIPE: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES);
}

/// Which stripe this thread counts in, here and wherever else threads should not meet.
pub(crate) fn stripe() -> usize {
    STRIPE.get()
}

/// Counters that many threads add to.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    stripes: [Stripe; STRIPES],
    pub(crate) connections: AtomicU64,
    pub(crate) upgrades: AtomicU64,
    turn_credentials: AtomicU64,
    pub(crate) topics_skipped: AtomicU64,
    pub(crate) notices: Notices,
    ignored: [AtomicU64; Ignored::ALL.len()],
    endings: [AtomicU64; 3 + CloseReason::ALL.len()],
    refusals: [AtomicU64; RefusalCause::ALL.len()],
    auth: [AtomicU64; AuthResult::ALL.len()],
}

/// One thread's share, on cache lines of its own: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
    received: [AtomicTraffic; ReceivedType::ALL.len()],
    sent: [AtomicTraffic; SentType::ALL.len()],
    fan_out: AtomicHistogram<{ FAN_OUT_BOUNDS.len() + 1 }>,
    turns: AtomicHistogram<{ TURN_BOUNDS.len() + 1 }>,
}

impl Counters {
    pub(crate) fn count_received(&self, what: ReceivedType, bytes: usize) {
        self.stripe().received[what as usize].add(bytes);
    }

    /// Counts what a connection queues for its own peer. Publishes are counted where they fan out.
    pub(crate) fn count_sent(&self, what: SentType, bytes: usize) {
        self.stripe().sent[what as usize].add(bytes);
    }

    pub(crate) fn count_fan_out(&self, receivers: usize) {
        self.stripe()
            .fan_out
            .record(&FAN_OUT_BOUNDS, receivers as u64);
    }

    /// Begins to time a turn of a connection, if it is one of those that are.
    pub(crate) fn begin_turn(&self) -> Option<Instant> {
        (fastrand::u8(..TURNS_PER_SAMPLE) == 0).then(Instant::now)
    }

    pub(crate) fn end_turn(&self, begun: Option<Instant>) {
        if let Some(begun) = begun {
            self.stripe()
                .turns
                .record(&TURN_BOUNDS, nanos(begun.elapsed()));
        }
    }

    pub(crate) fn count_ignored(&self, why: Ignored) {
        count(
            &self.ignored,
            Ignored::ALL.iter().position(|known| *known == why),
        );
    }

    pub(crate) fn count_ending(&self, ending: Ending) {
        count(
            &self.endings,
            Ending::all().position(|known| known == ending),
        );
    }

    pub(crate) fn count_refusal(&self, cause: RefusalCause) {
        count(
            &self.refusals,
            RefusalCause::ALL.iter().position(|known| *known == cause),
        );
    }

    pub(crate) fn count_auth(&self, result: AuthResult) {
        count(
            &self.auth,
            AuthResult::ALL.iter().position(|known| *known == result),
        );
    }

    #[cfg(feature = "tokens")]
    pub(crate) fn count_turn_credentials(&self) {
        self.turn_credentials.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        stats.connections = read(&self.connections);
        stats.upgrades = read(&self.upgrades);
        stats.turn_credentials = read(&self.turn_credentials);
        stats.topics_skipped = read(&self.topics_skipped);
        stats.ignored = Ignored::ALL
            .into_iter()
            .zip(self.ignored.iter().map(read))
            .collect();
        stats.endings = Ending::all().zip(self.endings.iter().map(read)).collect();
        stats.refusals = RefusalCause::ALL
            .into_iter()
            .zip(self.refusals.iter().map(read))
            .collect();
        stats.auth = AuthResult::ALL
            .into_iter()
            .zip(self.auth.iter().map(read))
            .collect();
        stats.received = ReceivedType::ALL
            .map(|what| (what, self.sum(|stripe| &stripe.received[what as usize])))
            .into();
        stats.sent = SentType::ALL
            .map(|what| (what, self.sum(|stripe| &stripe.sent[what as usize])))
            .into();
        stats.fan_out = self.merge(&FAN_OUT_BOUNDS, |stripe| &stripe.fan_out);
        stats.turns = self.merge(&TURN_BOUNDS, |stripe| &stripe.turns);
    }

    fn stripe(&self) -> &Stripe {
        &self.stripes[stripe()]
    }

    fn sum(&self, of: impl Fn(&Stripe) -> &AtomicTraffic) -> Traffic {
        let mut sum = Traffic::default();
        for stripe in &self.stripes {
            let AtomicTraffic { count, bytes } = of(stripe);
            sum += Traffic {
                count: read(count),
                bytes: read(bytes),
            };
        }
        sum
    }

    fn merge<const N: usize>(
        &self,
        bounds: &'static [u64],
        of: impl Fn(&Stripe) -> &AtomicHistogram<N>,
    ) -> Histogram {
        let mut merged = Histogram {
            bounds,
            counts: vec![0; N],
            sum: 0,
        };
        for stripe in &self.stripes {
            let part = of(stripe);
            for (count, more) in merged.counts.iter_mut().zip(&part.counts) {
                *count += read(more);
            }
            merged.sum += read(&part.sum);
        }
        merged
    }
}

#[derive(Debug, Default)]
struct AtomicTraffic {
    count: AtomicU64,
    bytes: AtomicU64,
}

impl AtomicTraffic {
    fn add(&self, bytes: usize) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct AtomicHistogram<const N: usize> {
    counts: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const N: usize> Default for AtomicHistogram<N> {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; N],
            sum: AtomicU64::new(0),
        }
    }
}

impl<const N: usize> AtomicHistogram<N> {
    fn record(&self, bounds: &[u64], value: u64) {
        let place = bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }
}

fn count(counters: &[AtomicU64], index: Option<usize>) {
    if let Some(counter) = index.and_then(|index| counters.get(index)) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(counters: &Counters) -> Stats {
        let mut stats = Stats::default();
        counters.fill(&mut stats);
        stats
    }

    #[test]
    fn what_many_threads_count_is_read_as_one_sum() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(|| {
                    counters.count_received(ReceivedType::Publish, 10);
                    counters.count_sent(SentType::Pong, 17);
                    counters.count_fan_out(7);
                });
            }
        });
        let (stats, threads) = (stats(&counters), 2 * STRIPES as u64);
        let publishes = Traffic {
            count: threads,
            bytes: 10 * threads,
        };
        assert!(stats.received.contains(&(ReceivedType::Publish, publishes)));
        let others = stats.received.iter().map(|(_, traffic)| traffic.count);
        assert_eq!(others.sum::<u64>(), threads);
        let pongs = Traffic {
            count: threads,
            bytes: 17 * threads,
        };
        assert!(stats.sent.contains(&(SentType::Pong, pongs)));
        assert_eq!(stats.fan_out.sum, 7 * threads);
        assert_eq!(stats.fan_out.count(), threads);
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_past_all_is_counted_too() {
        let counters = Counters::default();
        for receivers in [0, 1, 2, 3, 5, 6, 1_000, 1_001] {
            counters.count_fan_out(receivers);
        }
        assert_eq!(
            stats(&counters).fan_out.counts,
            [1, 1, 1, 2, 1, 0, 0, 0, 0, 0, 1, 1]
        );
    }

    #[test]
    fn some_turns_are_timed_and_most_are_not() {
        let counters = Counters::default();
        for _ in 0..10_000 {
            counters.end_turn(counters.begin_turn());
        }
        let timed = stats(&counters).turns.count();
        assert!((300..1_000).contains(&timed), "{timed} of 10,000");
    }

    #[test]
    fn types_are_counted_in_their_order() {
        for (place, what) in ReceivedType::ALL.into_iter().enumerate() {
            assert_eq!(what as usize, place);
        }
        for (place, what) in SentType::ALL.into_iter().enumerate() {
            assert_eq!(what as usize, place);
        }
    }
}

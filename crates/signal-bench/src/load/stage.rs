use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use crate::error::BenchError;

/// How far a run is. All threads follow the one that coordinates them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The first connections are opened, so that what a server allocates only once is not put down
    /// to the others.
    OpenFirst,
    /// Half of the others: memory left from before would be taken by these.
    OpenHalf,
    /// All connections are opened.
    Open,
    /// Members on different nodes get to know each other. Only where there are several.
    Meet,
    /// The load runs; nothing is recorded.
    WarmUp,
    /// The load runs and is recorded.
    Measure,
    /// Nothing new is sent, what is on its way is awaited.
    Drain,
}

impl Stage {
    const ALL: [Self; 7] = [
        Self::OpenFirst,
        Self::OpenHalf,
        Self::Open,
        Self::Meet,
        Self::WarmUp,
        Self::Measure,
        Self::Drain,
    ];
}

/// What the threads of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    stage: AtomicU8,
    is_stopped: AtomicBool,
    failure: Mutex<Option<BenchError>>,
    /// For each thread: connections that are ready, whether members have met, messages sent,
    /// deliveries.
    threads: Vec<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    ready: AtomicUsize,
    have_met: AtomicBool,
    publishes: AtomicU64,
    deliveries: AtomicU64,
}

impl Shared {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            stage: AtomicU8::new(Stage::OpenFirst as u8),
            is_stopped: AtomicBool::new(false),
            failure: Mutex::new(None),
            threads: (0..threads).map(|_| Counts::default()).collect(),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        let stage = self.stage.load(Ordering::Acquire);
        Stage::ALL[usize::from(stage)]
    }

    pub(crate) fn advance(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    /// Ends the run. The first reason given is the one that is reported.
    pub(crate) fn fail(&self, error: BenchError) {
        let mut failure = self
            .failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        failure.get_or_insert(error);
        self.is_stopped.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    pub(crate) fn failure(&self) -> Option<BenchError> {
        let failure = self.failure.lock();
        failure
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }

    /// Reports how far a thread is.
    pub(crate) fn tell(&self, thread: usize, ready: usize, publishes: u64, deliveries: u64) {
        let counts = &self.threads[thread];
        counts.ready.store(ready, Ordering::Relaxed);
        counts.publishes.store(publishes, Ordering::Relaxed);
        counts.deliveries.store(deliveries, Ordering::Relaxed);
    }

    /// Members of a thread's rooms hear each other from node to node.
    pub(crate) fn set_met(&self, thread: usize) {
        self.threads[thread].have_met.store(true, Ordering::Release);
    }

    pub(crate) fn have_all_met(&self) -> bool {
        let mut threads = self.threads.iter();
        threads.all(|counts| counts.have_met.load(Ordering::Acquire))
    }

    pub(crate) fn ready(&self) -> usize {
        self.threads
            .iter()
            .map(|counts| counts.ready.load(Ordering::Relaxed))
            .sum()
    }

    /// Messages sent and delivered by now.
    pub(crate) fn messages(&self) -> (u64, u64) {
        let sum = |field: fn(&Counts) -> &AtomicU64| {
            let values = self.threads.iter().map(field);
            values.map(|value| value.load(Ordering::Relaxed)).sum()
        };
        (
            sum(|counts| &counts.publishes),
            sum(|counts| &counts.deliveries),
        )
    }
}

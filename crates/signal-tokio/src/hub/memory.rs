//! What peers make the relay hold, and its ceiling.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use crate::stats::counters::{STRIPES, stripe};

/// How much a thread counts by itself before it tells the others: so far is the sum off for each
/// thread, and so seldom do they fight over it.
const GRAIN: isize = 64 * 1024;
/// How much all of them may have counted by themselves.
const UNTOLD_MAX: isize = GRAIN * STRIPES as isize;

/// Counts all memory whose amount peers decide: frames that sockets have refused, each once however
/// many queues it is in, places in queues, messages whose end is missing, and topics.
#[derive(Debug)]
pub(crate) struct Memory {
    max: usize,
    total: Arc<AtomicIsize>,
    stripes: [Account; STRIPES],
}

/// A part of the count that one thread adds to. What it added may be given back on another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account(Arc<Stripe>);

/// On a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
    /// What is not in the total yet.
    pending: AtomicIsize,
    total: Arc<AtomicIsize>,
}

impl Memory {
    pub(crate) fn new(max: usize) -> Self {
        let total = Arc::<AtomicIsize>::default();
        let stripe = |_| {
            Account(Arc::new(Stripe {
                pending: AtomicIsize::new(0),
                total: Arc::clone(&total),
            }))
        };
        Self {
            max,
            stripes: std::array::from_fn(stripe),
            total,
        }
    }

    /// Where this thread counts.
    pub(crate) fn account(&self) -> &Account {
        &self.stripes[stripe()]
    }

    /// How much is held.
    pub(crate) fn held(&self) -> usize {
        let pending = self.stripes.iter().map(|Account(stripe)| &stripe.pending);
        let all = pending.chain([&*self.total]);
        let held: isize = all.map(|part| part.load(Ordering::Relaxed)).sum();
        held.max(0).unsigned_abs()
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// How much more is held than may be.
    pub(crate) fn excess(&self) -> usize {
        let told = self.total.load(Ordering::Relaxed);
        if told < signed(self.max) - UNTOLD_MAX {
            return 0;
        }
        self.held().saturating_sub(self.max)
    }
}

impl Account {
    /// Counts so much instead of what was counted before.
    pub(crate) fn change(&self, before: usize, now: usize) {
        self.0.add(signed(now) - signed(before));
    }
}

impl Stripe {
    fn add(&self, bytes: isize) {
        let pending = self.pending.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if pending.abs() >= GRAIN {
            let pending = self.pending.swap(0, Ordering::Relaxed);
            self.total.fetch_add(pending, Ordering::Relaxed);
        }
    }
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_have_not_told_is_seen_near_the_ceiling() {
        let memory = Memory::new(1 << 20);
        let grain = GRAIN.unsigned_abs();
        memory.account().change(0, (1 << 20) - grain / 2);
        assert_eq!(memory.excess(), 0);
        memory.account().change(0, grain - 1);
        assert_eq!(memory.excess(), grain / 2 - 1);
        memory.account().change(grain - 1, 0);
        assert_eq!(memory.excess(), 0);
    }
}

//! What peers make the relay hold, and its ceiling.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use bytes::{Bytes, BytesMut};

use crate::stats::counters::{STRIPES, stripe};

/// How much a thread counts by itself before it tells the others: so far is the sum off for each
/// thread, and so seldom do they fight over it.
const GRAIN: isize = 64 * 1024;
/// What a frame costs beside its bytes: its owner and its allocation.
const KEPT_COST: usize = 96;

/// Counts all memory whose amount peers decide: frames that wait, each once however many queues it
/// is in, places in queues, messages whose end is missing, and topics.
#[derive(Debug)]
pub(crate) struct Memory {
    max: usize,
    total: Arc<AtomicIsize>,
    stripes: [Account; STRIPES],
}

/// A part of the count that one thread adds to. Whoever has it may give back on another.
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

    /// How much more is held than may be, but for what threads have not told yet.
    pub(crate) fn excess(&self) -> usize {
        let held = self.total.load(Ordering::Relaxed);
        held.max(0).unsigned_abs().saturating_sub(self.max)
    }
}

impl Account {
    /// Counts so much instead of what was counted before.
    pub(crate) fn change(&self, before: usize, now: usize) {
        self.0.add(signed(now) - signed(before));
    }

    /// A frame that counts for as long as somebody has it.
    pub(crate) fn keep(&self, frame: BytesMut) -> Bytes {
        Bytes::from_owner(Kept::new(frame, self))
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

/// Frames that count.
#[derive(Debug)]
pub(crate) struct Kept {
    bytes: BytesMut,
    counted: usize,
    account: Account,
}

impl Kept {
    pub(crate) fn new(bytes: BytesMut, account: &Account) -> Self {
        let counted = bytes.capacity() + KEPT_COST;
        account.change(0, counted);
        Self {
            bytes,
            counted,
            account: account.clone(),
        }
    }

    /// Adds to them.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut BytesMut)) {
        change(&mut self.bytes);
        let counted = self.bytes.capacity() + KEPT_COST;
        self.account.change(self.counted, counted);
        self.counted = counted;
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.account.change(self.counted, 0);
    }
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_once_and_until_its_last_handle_is_gone() {
        let memory = Memory::new(1 << 30);
        let frame = memory.account().keep(BytesMut::zeroed(1 << 20));
        let handles = vec![frame; 1_000];
        let held = memory.held();
        assert_eq!(held, (1 << 20) + KEPT_COST);
        // On another thread, which has an account of its own.
        std::thread::scope(|scope| scope.spawn(|| drop(handles)).join()).expect("no panic");
        assert_eq!(memory.held(), 0);
    }
}

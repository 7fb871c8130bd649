//! The memory for what is on its way to a socket.

use std::cell::Cell;
use std::collections::VecDeque;

use crate::hub::batch::Queued;

/// Frames for which a thread keeps the memory between two writes.
const LENT_FRAMES_MAX: usize = 1_024;

thread_local! {
    /// What a write of this thread has on its way, so that no queue needs memory for it.
    static LENT: Cell<VecDeque<Queued>> = const { Cell::new(VecDeque::new()) };
}

/// The memory that this thread lends to a write.
pub(super) struct Lent(pub(super) VecDeque<Queued>);

impl Lent {
    pub(super) fn take() -> Self {
        Self(LENT.take())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // After a panic it still has the frames of that connection, which are nobody else's.
        self.0.clear();
        self.0.shrink_to(LENT_FRAMES_MAX);
        LENT.set(std::mem::take(&mut self.0));
    }
}

//! What a peer holds beside its topics, while it holds any.

use std::collections::VecDeque;
use std::time::Duration;

use signal_backpressure::{Behind, taken_in};
use signal_core::Instant;

use crate::hub::batch::Queued;

/// How long nothing may come of a message that is on its way: some round trips, or a lost packet.
const INPUT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// What there is to know of a queue that holds more than one frame, or whose peer is not done with
/// something.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// All but a batch that came last.
    pub(super) frames: VecDeque<Queued>,
    /// Whether the socket took less than there was, and has not taken all since.
    pub(super) is_blocked: bool,
    /// What of that is not written yet.
    pub(super) behind: Behind,
    /// What the peer holds of messages whose end is missing.
    input_bytes: usize,
    /// Until when more of them is to come, and by when their end.
    more_by: Instant,
    end_by: Instant,
    /// What the layer between the queue and the socket keeps of what was written.
    pub(super) unflushed_bytes: usize,
    /// What is counted of these two and of the places of frames.
    pub(super) counted: usize,
    /// What the peer was not charged for yet.
    pub(super) debt: Option<Debt>,
}

/// Deliveries on other nodes that a peer was not charged for, and the bytes of their messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Debt {
    pub(crate) deliveries: u64,
    pub(crate) bytes: u64,
}

impl Backlog {
    /// Whether there is nothing to know.
    pub(super) fn is_blank(&self) -> bool {
        let holds_none = self.frames.is_empty() && self.held_bytes() == 0;
        holds_none && !self.is_blocked && self.debt.is_none()
    }

    /// Puts what was not written back to the front.
    pub(super) fn put_back(&mut self, frames: &mut VecDeque<Queued>) {
        if self.frames.is_empty() {
            self.frames = std::mem::take(frames);
            return;
        }
        while let Some(frame) = frames.pop_back() {
            self.frames.push_front(frame);
        }
    }

    /// How many of the frames are begun, so that the rest must follow whatever happens: the first,
    /// or none.
    pub(super) fn begun(&self) -> usize {
        usize::from(self.frames.front().is_some_and(Queued::is_begun))
    }

    /// Notes how much of messages whose end is missing has come by now. The end of a new one may
    /// take this long, and as long as a slow sender needs.
    pub(super) fn hold_input(&mut self, now: Instant, bytes: usize, patience: Option<Duration>) {
        self.input_bytes = bytes;
        self.more_by = now.saturating_add(INPUT_PAUSE_MAX);
        if let Some(patience) = patience {
            self.end_by = now.saturating_add(patience.saturating_add(taken_in(bytes as u64)));
        }
    }

    pub(super) fn input_bytes(&self) -> usize {
        self.input_bytes
    }

    /// Whether no more of them has come in time, or not their end.
    pub(super) fn is_input_late(&self, now: Instant) -> bool {
        self.more_by.min(self.end_by) <= now
    }

    /// What the peer holds beside frames.
    pub(super) fn held_bytes(&self) -> usize {
        self.input_bytes + self.unflushed_bytes
    }
}

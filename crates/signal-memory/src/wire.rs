use std::collections::VecDeque;

use signal_core::Instant;

/// Frames under way in one direction, with the times they arrive. None overtakes another.
#[derive(Clone, Debug)]
pub(crate) struct Wire<T>(pub(crate) VecDeque<(Instant, T)>);

impl<T> Default for Wire<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Wire<T> {
    /// Adds a frame that would arrive at `at` if there were none before it. Returns when it does
    /// arrive.
    pub(crate) fn push(&mut self, at: Instant, frame: T) -> Instant {
        let at = self.0.back().map_or(at, |(last, _)| at.max(*last));
        self.0.push_back((at, frame));
        at
    }

    /// The next frame that has arrived by `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<T> {
        if self.0.front()?.0 > now {
            return None;
        }
        self.0.pop_front().map(|(_, frame)| frame)
    }

    /// When each frame arrives.
    pub(crate) fn arrivals(&self) -> impl Iterator<Item = Instant> {
        self.0.iter().map(|(at, _)| *at)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

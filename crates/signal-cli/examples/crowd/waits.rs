//! How long many have waited.

use std::time::Duration;

/// Waits that have ended, and those that were in vain.
pub(super) struct Waits {
    sorted: Vec<Duration>,
    pub(super) failures: usize,
}

impl Waits {
    pub(super) fn new(mut waits: Vec<Duration>, failures: usize) -> Self {
        waits.sort();
        Self {
            sorted: waits,
            failures,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.sorted.len() + self.failures
    }

    /// The wait that this part of those that ended did not exceed.
    pub(super) fn quantile(&self, part: f64) -> Duration {
        let place = (self.sorted.len() as f64 * part).ceil() as usize;
        let wait = self.sorted.get(place.saturating_sub(1));
        wait.copied().unwrap_or_default()
    }
}

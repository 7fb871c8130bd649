use core::time::Duration;

/// What may wait for one reader.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueueLimits {
    /// How many bytes may wait for as long as the reader likes.
    pub bytes_max: u64,
    /// How far one for which more waits may be behind.
    pub grace: Duration,
}

/// How full a queue is. What was taken of it is the difference of the two.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Level {
    /// How many bytes wait.
    pub waiting: u64,
    /// How many were ever put in.
    pub queued: u64,
}

impl Level {
    /// How many bytes were taken since the queue was so full.
    pub const fn taken_since(self, earlier: Self) -> u64 {
        let more = self.queued.saturating_sub(earlier.queued);
        let waited = earlier.waiting.saturating_add(more);
        waited.saturating_sub(self.waiting)
    }
}

//! The limits of the relay, and its budgets.

/// The limits in force; see `declared` in `backend.rs` for their names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) fan_out_burst: u64,
    pub(crate) fan_out_per_second: u64,
    pub(crate) bytes_burst: u64,
    pub(crate) bytes_per_second: u64,
    pub(crate) fan_out_bytes_burst: u64,
    pub(crate) fan_out_bytes_per_second: u64,
    /// Peers in one topic; zero is no limit.
    pub(crate) clients_max: usize,
}

/// What a frame costs of a budget of bytes, beside its payload.
pub(crate) const FRAME_COST: u64 = 32;

pub(crate) const MESSAGE_BYTES_MAX: usize = 4096 * 16;
pub(crate) const DEPTH_MAX: usize = 64;
pub(crate) const TOPICS_PER_PEER_MAX: usize = 50;
pub(crate) const TOPIC_BYTES_MAX: usize = 512;
pub(crate) const TOPIC_BYTES_PER_PEER_MAX: usize = 8192;
pub(crate) const MESSAGES_BURST: u64 = 600;
pub(crate) const MESSAGES_PER_SECOND: u64 = 50;
pub(crate) const PINGS_BURST: u64 = 5;
pub(crate) const PINGS_PER_SECOND: u64 = 1;
pub(crate) const STRIKES_BURST: u64 = 200;
pub(crate) const STRIKES_PER_SECOND: u64 = 1;
pub(crate) const INVALID_MESSAGES_MAX: u64 = 5;
pub(crate) const OUTBOUND_BYTES_MAX: usize = 1 << 20;
pub(crate) const PING_INTERVAL: u64 = 30_000;
pub(crate) const KEEPALIVE_INTERVAL: u64 = 20_000;
pub(crate) const CLOSE_HOLD: u64 = 500;

/// A bucket of tokens that fills with time.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) left: f64,
    at: u64,
    burst: u64,
    per_second: u64,
}

impl Budget {
    pub(crate) fn new(now: u64, burst: u64, per_second: u64) -> Self {
        Self {
            left: burst as f64,
            at: now,
            burst,
            per_second,
        }
    }

    /// Whether there is room; takes all of `cost` even if that overdraws.
    pub(crate) fn take(&mut self, now: u64, cost: u64, refills: bool) -> bool {
        if refills {
            let filled = self.left + (now - self.at) as f64 * self.per_second as f64 / 1000.0;
            self.left = filled.min(self.burst as f64);
        }
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= cost as f64;
        true
    }
}

use std::time::{Duration, Instant};

use crate::report::growth::Growth;
use crate::report::process::Usage;

/// All counters at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    pub(crate) at: Instant,
    pub(crate) publishes: u64,
    pub(crate) deliveries: u64,
    pub(crate) own_cpu: Duration,
    pub(crate) own_starvation: Duration,
    pub(crate) server: Option<Usage>,
}

/// The moments between which things are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// The server's memory while the connections were opened, if its process is known.
    pub(crate) growth: Option<Growth>,
    /// Where measuring began.
    pub(crate) before: Snapshot,
    /// Where it ended.
    pub(crate) after: Snapshot,
}

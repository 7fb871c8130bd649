use std::time::Duration;

/// What is going on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// Connections are opened.
    Open,
    /// The server gets a moment to calm down, before its memory is measured.
    Settle,
    /// Members on different nodes get to know each other.
    Meet,
    /// The load runs and is not measured yet.
    WarmUp,
    /// The load runs and is measured.
    Measure,
    /// What is on its way is awaited.
    Drain,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// What is going on.
    pub phase: Phase,
    /// How long that has been going on.
    pub elapsed: Duration,
    /// Connections that are ready.
    pub ready: usize,
    /// Connections that there will be.
    pub connections: usize,
    /// Messages sent by now.
    pub publishes: u64,
    /// Deliveries by now.
    pub deliveries: u64,
}

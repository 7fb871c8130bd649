use std::fmt;

/// A promise of [`signal_cluster::specification`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Promise {
    /// M1: two peers of a topic meet.
    Meet,
    /// M2: a publish comes once, and is lost in few cases only.
    Once,
    /// M3: publishes of a peer keep their order.
    Order,
    /// M4: `clients` counts all.
    Count,
    /// M5: peers of one node hear each other at once.
    Local,
    /// M6: nodes that do not share a topic have no part in it.
    Alone,
    /// M7: a publish is charged for, wherever it is delivered.
    Charge,
}

/// A world in which a promise was broken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The seed of the world.
    pub seed: u64,
    /// When, in milliseconds of the world.
    pub at_millis: u64,
    /// Which promise.
    pub promise: Promise,
    /// What is wrong, as a sentence.
    pub problem: String,
    /// What happened before.
    pub log: Vec<String>,
}

/// A broken promise, until the world says when and after what.
#[derive(Clone, Debug)]
pub(super) struct Broken(pub(super) Promise, pub(super) String);

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            at_millis,
            promise,
            problem,
            log,
        } = self;
        writeln!(f, "world {seed} at {at_millis} ms, {promise:?}: {problem}")?;
        log.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

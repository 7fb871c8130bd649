//! What the scenarios do, on the connections of one thread.

use std::ops::Range;

use crate::error::BenchError;
use crate::explain;
use crate::load::stage::Stage;
use crate::load::tally::Tally;
use crate::net::ended::Ended;
use crate::net::links::Links;

/// What a scenario may use in each of its steps.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) links: &'a mut Links,
    pub(crate) tally: &'a mut Tally,
    pub(crate) stage: Stage,
    /// Nanoseconds since the run began.
    pub(crate) now: u64,
}

/// A scenario on one thread: it is told what happens, and sends what it wants.
pub(crate) trait Driver {
    /// How many connections are open before the load begins, numbered from 0.
    fn connections(&self) -> usize;

    /// The node that a connection leads to.
    fn node(&self, id: usize) -> usize;

    /// Whether members hear each other from node to node. Until then it is called in each turn of
    /// the stage for that, to have them speak.
    ///
    /// # Errors
    ///
    /// If they never will.
    fn meet(&mut self, _: &mut Step<'_>) -> Result<bool, BenchError> {
        Ok(true)
    }

    /// A connection is upgraded.
    fn opened(&mut self, step: &mut Step<'_>, id: usize);

    /// A message came in.
    fn message(&mut self, step: &mut Step<'_>, id: usize, payload: &[u8]);

    /// All that came was read; now is the time to send. Returns when to be asked again if nothing
    /// comes.
    fn turn(&mut self, step: &mut Step<'_>) -> Result<Option<u64>, BenchError>;

    /// A connection ended.
    fn ended(&mut self, step: &mut Step<'_>, id: usize, how: &Ended) -> Result<(), BenchError> {
        Err(explain::ended(step.links, id, how))
    }

    /// Writes off what was sent before a time.
    fn expire(&mut self, before: u64);

    /// Whether nothing is on its way.
    fn is_drained(&self) -> bool;

    /// Measuring begins, or ends: counts what was done since the last time.
    fn settle(&mut self, tally: &mut Tally);

    /// All is over: the verdict.
    fn finish(&mut self, tally: &mut Tally);
}

/// A thread's share of so many things.
pub(crate) fn share(all: usize, thread: usize, threads: usize) -> Range<usize> {
    all * thread / threads..all * (thread + 1) / threads
}

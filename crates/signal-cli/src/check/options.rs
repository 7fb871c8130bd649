use std::time::Duration;

use crate::check::stream::Credentials;
use crate::check::way::Way;

/// How to check.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) credentials: Credentials,
    pub(crate) way: Way,
    /// How long each step may take.
    pub(crate) timeout: Duration,
    /// From when on a step or a ping is called slow.
    pub(crate) slow: Duration,
    /// How many pings to measure.
    pub(crate) pings: usize,
    /// How the names of topics begin.
    pub(crate) topic_prefix: String,
}

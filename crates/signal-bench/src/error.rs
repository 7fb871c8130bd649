/// Why a run could not be done, and what to do about it.
///
/// A lost delivery is not an error but a result: see [`Faults`](crate::Faults).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct BenchError {
    /// What went wrong, and where.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl BenchError {
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            fix: fix.into(),
        }
    }
}

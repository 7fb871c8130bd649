use std::fmt;

/// Why a step did not pass.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// It ran and found something wrong.
    Failed(String),
    /// It could not run: `what` is not there, and `fix` would change that. A failure in CI.
    Missing { what: String, fix: String },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) => f.write_str(reason),
            Self::Missing { what, fix } => write!(f, "{what} is missing; {fix}"),
        }
    }
}

/// Whether a step that cannot run is a failure.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

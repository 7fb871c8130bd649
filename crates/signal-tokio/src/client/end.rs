//! How a phase of a client ends.

use std::time::Duration;

/// Why a phase of the task has ended.
pub(super) enum End {
    /// The handles or the events are gone: the client is no longer wanted.
    Unwanted,
    /// The connection broke or could not be made; the relay may have asked for patience.
    Lost {
        cause: String,
        retry_after: Option<Duration>,
    },
}

impl End {
    pub(super) fn lost(cause: impl ToString) -> Self {
        Self::Lost {
            cause: cause.to_string(),
            retry_after: None,
        }
    }
}

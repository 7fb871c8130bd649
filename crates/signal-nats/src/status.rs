use std::time::Instant;

use crate::problem::Problem;

/// How the bus is doing now, for health checks and pages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The address of the server in use, without what signs in; nothing while there is none.
    pub server: Option<String>,
    /// What it calls itself, and its version.
    pub server_name: Option<String>,
    /// Since when there has been one, or none.
    pub since: Instant,
    /// What went wrong last, with the server that it was about; nothing once a connection is in
    /// use.
    pub problem: Option<(String, Problem)>,
}

impl Status {
    /// Whether messages get through.
    pub const fn is_connected(&self) -> bool {
        self.server.is_some()
    }
}

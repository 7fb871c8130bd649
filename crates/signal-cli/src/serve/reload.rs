//! What is read again on SIGHUP.

use crate::serve::tls::Tls;

/// The files that may change while the relay runs.
#[derive(Debug)]
pub(crate) struct Reload {
    pub(crate) tls: Option<Tls>,
}

impl Reload {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.tls.is_none()
    }

    /// Reads each again. One that cannot be used is told, and what was read before stays in use.
    pub(crate) fn run(&self) {
        if self.is_empty() {
            tracing::info!("SIGHUP: no setting names a file that could be read again");
        }
        if let Some(tls) = &self.tls {
            match tls.reload() {
                Ok(()) => tls.tell_validity(),
                Err(mistake) => tracing::error!("{mistake}; the old certificate stays in use"),
            }
        }
    }
}

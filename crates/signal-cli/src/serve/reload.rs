//! What is read again on SIGHUP.

use crate::serve::access::Keys;
use crate::serve::tls::Tls;

/// The files that may change while the relay runs.
#[derive(Debug)]
pub(crate) struct Reload {
    pub(crate) tls: Option<Tls>,
    pub(crate) keys: Option<Keys>,
}

impl Reload {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.tls.is_none() && self.keys.is_none()
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
        if let Some(Err(mistake)) = self.keys.as_ref().map(Keys::reload) {
            tracing::error!("{mistake}; the old keys of tokens stay in use");
        }
    }
}

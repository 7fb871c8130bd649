//! What the handshakes of a relay share.

use std::sync::Arc;

#[cfg(feature = "tokens")]
use signal_access::TurnServers;
use signal_core::Instant;
use tokio::sync::watch;

use crate::admission::authorizer::Authorizer;
use crate::admission::places::Places;
use crate::clock::Clock;
use crate::config::Config;
use crate::handshake::hints::Hints;
use crate::handshake::remote::Remote;
use crate::handshake::unfinished::Unfinished;
use crate::lock::Lock;
use crate::stats::counters::Counters;
use crate::stats::lifecycle::Lifecycle;
use crate::stats::readiness::Readiness;

/// Who may come in: whether the relay takes anybody, has a place, and who judges.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Clock,
    pub(crate) places: Arc<Places>,
    pub(crate) unfinished: Unfinished,
    pub(crate) counters: Arc<Counters>,
    pub(crate) lifecycle: watch::Sender<Lifecycle>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) hints: Hints,
    authorizer: Lock<Arc<dyn Authorizer>>,
    #[cfg(feature = "tokens")]
    turn_servers: Lock<Option<Arc<TurnServers>>>,
}

impl Door {
    pub(crate) fn new(
        places: Arc<Places>,
        counters: Arc<Counters>,
        authorizer: Arc<dyn Authorizer>,
    ) -> Self {
        Self {
            config: Arc::clone(&places.config),
            clock: places.clock,
            places,
            unfinished: Unfinished::default(),
            counters,
            lifecycle: watch::Sender::new(Lifecycle::Serving),
            readiness: Arc::default(),
            hints: Hints::default(),
            authorizer: Lock::new(authorizer),
            #[cfg(feature = "tokens")]
            turn_servers: Lock::default(),
        }
    }

    /// The authorizer that judges clients at the moment.
    pub(crate) fn authorizer(&self) -> Arc<dyn Authorizer> {
        Arc::clone(&self.authorizer.lock())
    }

    pub(crate) fn set_authorizer(&self, authorizer: Arc<dyn Authorizer>) {
        let before = std::mem::replace(&mut *self.authorizer.lock(), authorizer);
        // Outside of the lock: what drops there is not ours.
        drop(before);
    }

    /// The TURN servers for which credentials are given out, if there are any.
    #[cfg(feature = "tokens")]
    pub(crate) fn turn_servers(&self) -> Option<Arc<TurnServers>> {
        self.turn_servers.lock().clone()
    }

    #[cfg(feature = "tokens")]
    pub(crate) fn set_turn_servers(&self, servers: Option<TurnServers>) {
        *self.turn_servers.lock() = servers.map(Arc::new);
    }

    /// By when a client that has just connected must have sent its request.
    pub(crate) fn deadline(&self) -> Instant {
        let timeout = self.config.handshake_timeout;
        self.clock.now().saturating_add(timeout)
    }

    /// Whether a connection from there has to begin with a PROXY header.
    pub(crate) fn expects_preface(&self, remote: Remote) -> bool {
        self.config.proxy_protocol && remote.is_proxy(&self.config.trusted_proxies)
    }

    pub(crate) fn lifecycle(&self) -> Lifecycle {
        *self.lifecycle.borrow()
    }
}

//! What all connections of a relay share.

use std::sync::Arc;
use std::time::Duration;

use signal_access::Subjects;
use signal_core::Instant;
use tokio::sync::{Notify, watch};

use crate::admission::addresses::Gate;
use crate::admission::authorizer::Authorizer;
use crate::config::Config;
use crate::handshake::unfinished::Unfinished;
use crate::hub::rooms::Rooms;
use crate::lock::Lock;
use crate::stats::counters::Counters;
use crate::stats::lifecycle::Lifecycle;

/// Longer than any timer need run: timers are set again when they fire.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    authorizer: Lock<Arc<dyn Authorizer>>,
    pub(crate) gate: Gate,
    pub(crate) subjects: Lock<Subjects>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) unfinished: Unfinished,
    pub(crate) lifecycle: watch::Sender<Lifecycle>,
    /// Told whenever the last peer has left.
    pub(crate) emptied: Notify,
    origin: tokio::time::Instant,
}

impl Shared {
    pub(crate) fn new(config: Config, authorizer: Arc<dyn Authorizer>, is_echo: bool) -> Self {
        let counters = Arc::new(Counters::default());
        Self {
            authorizer: Lock::new(authorizer),
            gate: Gate::new(&config),
            subjects: Lock::default(),
            rooms: Arc::new(Rooms::new(&config, Arc::clone(&counters), is_echo)),
            counters,
            unfinished: Unfinished::default(),
            lifecycle: watch::Sender::new(Lifecycle::Serving),
            emptied: Notify::new(),
            origin: tokio::time::Instant::now(),
            config,
        }
    }

    /// Whoever judges clients at the moment.
    pub(crate) fn authorizer(&self) -> Arc<dyn Authorizer> {
        Arc::clone(&self.authorizer.lock())
    }

    pub(crate) fn set_authorizer(&self, authorizer: Arc<dyn Authorizer>) {
        let before = std::mem::replace(&mut *self.authorizer.lock(), authorizer);
        // Outside of the lock: what drops there is not ours.
        drop(before);
    }

    /// By when a client that has just connected must have sent its request.
    pub(crate) fn handshake_deadline(&self) -> Instant {
        self.now().saturating_add(self.config.handshake_timeout)
    }

    /// The time, as the core counts it.
    pub(crate) fn now(&self) -> Instant {
        let elapsed = self.origin.elapsed().as_millis();
        Instant::from_millis(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// The time, as the runtime counts it. What lies too far ahead is a year from now.
    pub(crate) fn runtime_instant(&self, at: Instant) -> tokio::time::Instant {
        let since_origin = Duration::from_millis(at.as_millis());
        self.origin
            .checked_add(since_origin)
            .unwrap_or_else(|| self.first_timer())
    }

    /// What a connection's timer is made with, before it knows its deadlines: later than any of
    /// them need be set.
    pub(crate) fn first_timer(&self) -> tokio::time::Instant {
        tokio::time::Instant::now() + YEAR
    }

    pub(crate) fn lifecycle(&self) -> Lifecycle {
        *self.lifecycle.borrow()
    }

    /// Completes when all have gone: until then a draining relay still answers that it is.
    pub(crate) async fn drained(&self) {
        let mut lifecycle = self.lifecycle.subscribe();
        // Its sender is here, so there is no error.
        let _ = lifecycle.wait_for(|now| *now == Lifecycle::Drained).await;
    }
}

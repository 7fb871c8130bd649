//! The places of a relay, and who has them.

use std::net::IpAddr;
use std::sync::Arc;

use signal_access::{Judging, Refusal, Subject, Subjects, Visit};
use tokio::sync::Notify;

use crate::admission::addresses::Gate;
use crate::clock::Clock;
use crate::config::Config;
use crate::lock::Lock;

/// All places, counted by address and by subject.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Clock,
    pub(crate) gate: Gate,
    subjects: Lock<Subjects>,
    /// Told whenever the last peer has left.
    pub(crate) emptied: Notify,
}

impl Places {
    pub(crate) fn new(config: Arc<Config>, clock: Clock) -> Self {
        Self {
            gate: Gate::new(&config),
            subjects: Lock::default(),
            emptied: Notify::new(),
            config,
            clock,
        }
    }
}

/// One of the places of a relay, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    pub(super) visit: Option<Visit>,
    subject: Option<Arc<str>>,
}

impl Place {
    /// Takes a place for a client of this address.
    pub(crate) fn take(
        places: &Arc<Places>,
        client: Option<IpAddr>,
        judging: Judging,
    ) -> Result<Self, Refusal> {
        let visit = places.gate.enter(places.clock.now(), client, judging)?;
        Ok(Self {
            places: Arc::clone(places),
            visit,
            subject: None,
        })
    }

    /// The settings it was given by.
    pub(crate) fn config(&self) -> &Config {
        &self.places.config
    }

    pub(crate) fn clock(&self) -> Clock {
        self.places.clock
    }

    /// Notes that the peer is closed for what it did, which may keep its address away for a while.
    pub(crate) fn offend(&mut self) {
        let now = self.places.clock.now();
        self.places.gate.offend(now, &mut self.visit);
    }

    /// Notes whether nothing has been said on its connection yet. One that ends so is not counted
    /// as a connect of its address.
    pub(crate) fn set_silent(&mut self, is_silent: bool) {
        if let Some(visit) = &mut self.visit {
            visit.set_silent(is_silent);
        }
    }

    /// Notes that the client was not let in, because of its token or its origin. What it is told
    /// instead if there were too many of these from its address.
    pub(crate) fn deny(&mut self) -> Result<(), Refusal> {
        let now = self.places.clock.now();
        self.places.gate.deny(now, &mut self.visit)
    }

    /// Whose connection it is for, if that is counted.
    pub(crate) fn subject(&self) -> Option<&Arc<str>> {
        self.subject.as_ref()
    }

    pub(super) fn count_for(&mut self, subject: &Subject) -> Result<(), Refusal> {
        self.places.subjects.lock().enter(subject)?;
        self.subject = Some(Arc::clone(subject.name()));
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places
            .gate
            .leave(self.places.clock.now(), self.visit.take());
        if let Some(subject) = &self.subject {
            self.places.subjects.lock().leave(subject);
        }
        if self.places.gate.peers() == 0 {
            self.places.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_stays_small() {
        let bytes = size_of::<Place>();
        assert!(
            bytes <= 40,
            "a place has grown to {bytes} bytes; each connection has one while it is idle"
        );
    }
}

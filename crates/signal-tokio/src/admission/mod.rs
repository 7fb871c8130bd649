//! The right to one connection.

#[cfg(feature = "tokens")]
pub(crate) mod access;
pub(crate) mod addresses;
pub(crate) mod authorizer;
#[cfg(feature = "tokens")]
pub(crate) mod refused_tokens;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use signal_access::{Permit, Refusal, Subject, Visit};
use signal_core::Grant;

use crate::shared::Shared;

/// The right to one connection: the relay has room, the address is within its limits, and the
/// authorizer gave a permit.
///
/// [`Relay::upgrade`](crate::Relay::upgrade) and [`Relay::admit`](crate::Relay::admit) give it out,
/// [`Relay::accept`](crate::Relay::accept) takes it. Dropping it gives the place back.
#[derive(Debug)]
#[must_use = "dropping an admission gives its place to somebody else"]
pub struct Admission {
    pub(crate) place: Place,
    pub(crate) grant: Grant,
}

impl Admission {
    /// The place becomes the connection's that has this permit, if its subject may have one more.
    /// Returns the subprotocol to answer beside it.
    pub(crate) fn new(
        mut place: Place,
        permit: Permit,
    ) -> Result<(Self, Option<Cow<'static, str>>), Refusal> {
        if let Some(subject) = &permit.subject {
            place.count_for(subject)?;
        }
        if let Some(visit) = &mut place.visit {
            visit.admit();
        }
        let grant = permit.grant;
        Ok((Self { place, grant }, permit.protocol))
    }
}

/// One of the places of a relay, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    visit: Option<Visit>,
    subject: Option<Arc<str>>,
}

impl Place {
    /// Takes a place for a client of this address.
    pub(crate) fn take(shared: &Arc<Shared>, client: Option<IpAddr>) -> Result<Self, Refusal> {
        let visit = shared.gate.enter(shared.now(), client)?;
        Ok(Self {
            shared: Arc::clone(shared),
            visit,
            subject: None,
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Notes that the peer is closed for what it did, which may keep its address away for a while.
    pub(crate) fn offend(&mut self) {
        let now = self.shared.now();
        self.shared.gate.offend(now, &mut self.visit);
    }

    /// Notes that the client was not let in, because of its token or its origin.
    pub(crate) fn deny(&mut self) {
        if let Some(visit) = &mut self.visit {
            visit.deny();
        }
    }

    fn count_for(&mut self, subject: &Subject) -> Result<(), Refusal> {
        self.shared.subjects.lock().enter(subject)?;
        self.subject = Some(Arc::clone(subject.name()));
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.gate.leave(self.shared.now(), self.visit.take());
        if let Some(subject) = &self.subject {
            self.shared.subjects.lock().leave(subject);
        }
        if self.shared.gate.peers() == 0 {
            self.shared.emptied.notify_waiters();
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

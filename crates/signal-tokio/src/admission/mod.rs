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

use signal_access::{AddressKey, Permit, Refusal, Subject};
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
        let grant = permit.grant;
        Ok((Self { place, grant }, permit.protocol))
    }
}

/// One of the places of a relay, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    address: Option<AddressKey>,
    subject: Option<Arc<str>>,
}

impl Place {
    /// Takes a place for a client of this address.
    pub(crate) fn take(shared: &Arc<Shared>, client: Option<IpAddr>) -> Result<Self, Refusal> {
        let address = shared.gate.enter(shared.now(), client, &shared.config)?;
        Ok(Self {
            shared: Arc::clone(shared),
            address,
            subject: None,
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Keeps the address away for a while.
    pub(crate) fn refuse_address(&self) {
        self.shared
            .gate
            .refuse(self.shared.now(), self.address, &self.shared.config);
    }

    fn count_for(&mut self, subject: &Subject) -> Result<(), Refusal> {
        self.shared.subjects.lock().enter(subject)?;
        self.subject = Some(Arc::clone(subject.name()));
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.gate.leave(self.address);
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

//! The right to one connection.

#[cfg(feature = "tokens")]
pub(crate) mod access;
pub(crate) mod addresses;
pub(crate) mod auth_result;
pub(crate) mod authorizer;
pub(crate) mod refusal;
#[cfg(feature = "tokens")]
pub(crate) mod refused_tokens;
pub(crate) mod subjects;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use signal_access::AddressKey;
use signal_core::Grant;

use crate::admission::authorizer::{Permit, Subject};
use crate::admission::refusal::{Refusal, RefusalCause};
use crate::shared::Shared;

/// After how long a subject with all its connections may try again: about as long as a connection
/// that was lost without a word still counts.
const SUBJECT_RETRY: Duration = Duration::from_secs(30);

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
    ) -> Result<(Self, Option<HeaderValue>), Refusal> {
        let Permit {
            grant,
            subject,
            protocol,
        } = permit;
        if let Some(subject) = subject {
            place.count_for(subject)?;
        }
        Ok((Self { place, grant }, protocol))
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
        let address = shared
            .gate
            .enter(shared.now(), client, &shared.config)
            .map_err(|refused| Refusal::because(refused.cause, Some(refused.retry_after)))?;
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

    fn count_for(&mut self, subject: Subject) -> Result<(), Refusal> {
        if !self.shared.subjects.enter(&subject) {
            return Err(Refusal::because(
                RefusalCause::PeersPerSubject,
                Some(SUBJECT_RETRY),
            ));
        }
        self.subject = Some(subject.name);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.gate.leave(self.address);
        if let Some(subject) = &self.subject {
            self.shared.subjects.leave(subject);
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

//! The right to one connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use signal_core::Grant;

use crate::gate::AddressKey;
use crate::refusal::Refusal;
use crate::shared::Shared;

/// The right to one connection: the relay has room, the address is within its limits, and the authorizer gave a grant.
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
    pub(crate) fn new(place: Place, grant: Grant) -> Self {
        Self { place, grant }
    }
}

/// One of the places of a relay, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    address: Option<AddressKey>,
}

impl Place {
    /// Takes a place for a client of this address.
    pub(crate) fn take(shared: &Arc<Shared>, remote: Option<SocketAddr>) -> Result<Self, Refusal> {
        let ip: Option<IpAddr> = remote.map(|remote| remote.ip());
        let address = shared
            .gate
            .enter(shared.now(), ip, &shared.config)
            .map_err(|refused| Refusal::because(refused.cause, Some(refused.retry_after)))?;
        Ok(Self {
            shared: Arc::clone(shared),
            address,
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
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.gate.leave(self.address);
        if self.shared.gate.peers() == 0 {
            self.shared.emptied.notify_waiters();
        }
    }
}

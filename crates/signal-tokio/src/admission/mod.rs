//! The right to one connection.

#[cfg(feature = "tokens")]
pub(crate) mod access;
pub(crate) mod addresses;
pub(crate) mod authorizer;
#[cfg(feature = "jwks")]
pub(crate) mod jwks;
pub(crate) mod places;
#[cfg(feature = "tokens")]
pub(crate) mod refused_tokens;
#[cfg(feature = "tokens")]
pub(crate) mod ring_keys;

use std::borrow::Cow;

use signal_access::{Permit, Refusal};
use signal_core::Grant;

use crate::admission::places::Place;

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
            // Also if its connection ends before it begins, because the client did not wait for the
            // answer.
            visit.set_silent(true);
        }
        let grant = permit.grant;
        Ok((Self { place, grant }, permit.protocol))
    }
}

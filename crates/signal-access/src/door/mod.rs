//! The door: whom an adapter turns away, with which words, and what it counts for that.
//!
//! ```text
//!             refusal_cause ─▶ refusal ◀─ subject ◀─ permit     what is answered, and what is given
//!                                ▲
//!   budget, crowd, judging ─▶ account ─▶ table ─▶ addresses   who has come from where
//!                                        limits ─────▲
//! ```
//!
//! [`Door`] is addresses and subjects together, for a relay with one owner.

mod account;
pub(crate) mod addresses;
pub(crate) mod auth_result;
mod budget;
mod crowd;
pub(crate) mod judging;
pub(crate) mod limits;
pub(crate) mod permit;
pub(crate) mod refusal;
pub(crate) mod refusal_cause;
pub(crate) mod subject;
mod table;

use signal_core::Instant;

use crate::address::AddressKey;
use crate::door::addresses::{Addresses, Visit};
use crate::door::judging::Judging;
use crate::door::limits::AddressLimits;
use crate::door::refusal::Refusal;
use crate::door::subject::{Subject, Subjects};

/// The connections of a relay with one owner, by address and by subject, and which of them it turns
/// away.
///
/// A relay of many threads locks [`Addresses`] and [`Subjects`] apart.
///
/// ```
/// use signal_access::{AddressKey, AddressLimits, Door, Judging, RefusalCause, Subject};
/// use signal_core::Instant;
///
/// let mut door = Door::new(AddressLimits::default(), 1_000);
/// let (now, home) = (Instant::ZERO, AddressKey::new([203, 0, 113, 7].into()));
/// let ann = Subject::new("ann", 1);
///
/// // A client comes, shows a token of Ann's, and is let in.
/// let mut phone = door.enter(now, Some(home), Judging::Cheap)?;
/// door.admit(&mut phone, Some(ann.clone()))?;
/// // Ann may have one connection.
/// let mut laptop = door.enter(now, Some(home), Judging::Cheap)?;
/// let refused = door.admit(&mut laptop, Some(ann)).expect_err("one is there");
/// assert_eq!(refused.cause(), RefusalCause::PeersPerSubject);
/// door.leave(now, laptop);
/// door.leave(now, phone);
/// # Ok::<(), signal_access::Refusal>(())
/// ```
#[derive(Debug)]
pub struct Door {
    addresses: Addresses,
    subjects: Subjects,
}

/// One connection, or one that may become it, as a [`Door`] counts it. It has to be handed back
/// once.
#[derive(Debug)]
#[must_use = "it counts until it is handed back"]
pub struct Place {
    visit: Option<Visit>,
    subject: Option<Subject>,
}

impl Door {
    /// A door that remembers `idle_max` addresses and sites of which nobody is connected, each in
    /// some 150 bytes.
    pub fn new(limits: AddressLimits, idle_max: usize) -> Self {
        Self {
            addresses: Addresses::new(limits, idle_max),
            subjects: Subjects::default(),
        }
    }

    /// Counts a connection in that is judged next. `address` is none if it is not held to limits.
    ///
    /// # Errors
    ///
    /// If its address may not have one more.
    pub fn enter(
        &mut self,
        now: Instant,
        address: Option<AddressKey>,
        judging: Judging,
    ) -> Result<Place, Refusal> {
        let enter = |address| self.addresses.enter(now, address, judging);
        Ok(Place {
            visit: address.map(enter).transpose()?,
            subject: None,
        })
    }

    /// Lets a connection in, as one of `subject`. Whatever comes of it, the place is handed back at
    /// its end.
    ///
    /// # Errors
    ///
    /// If the subject may not have one more.
    pub fn admit(&mut self, place: &mut Place, subject: Option<Subject>) -> Result<(), Refusal> {
        if let Some(subject) = &subject {
            self.subjects.enter(subject)?;
        }
        place.subject = subject;
        if let Some(visit) = &mut place.visit {
            visit.admit();
        }
        Ok(())
    }

    /// Counts a connection in that was there before this door: after a sleep.
    pub fn recall(
        &mut self,
        now: Instant,
        address: Option<AddressKey>,
        subject: Option<Subject>,
    ) -> Place {
        if let Some(subject) = &subject {
            self.subjects.recall(subject);
        }
        Place {
            visit: address.map(|address| self.addresses.recall(now, address)),
            subject,
        }
    }

    /// Notes that a client is refused for its token or its origin.
    ///
    /// # Errors
    ///
    /// If there were too many of them from its address: it is told that instead.
    pub fn deny(&mut self, now: Instant, place: &mut Place) -> Result<(), Refusal> {
        if let Some(visit) = &mut place.visit {
            self.addresses.deny(now, visit)?;
        }
        Ok(())
    }

    /// Notes that a peer is closed for what it did.
    pub fn offend(&mut self, now: Instant, place: &mut Place) {
        if let Some(visit) = &mut place.visit {
            self.addresses.offend(now, visit);
        }
    }

    /// Counts a connection out.
    pub fn leave(&mut self, now: Instant, place: Place) {
        if let Some(visit) = place.visit {
            self.addresses.leave(now, visit);
        }
        if let Some(subject) = place.subject {
            self.subjects.leave(subject.name());
        }
    }
}

impl Place {
    /// Notes whether nothing has been said on its connection yet.
    pub fn set_silent(&mut self, is_silent: bool) {
        if let Some(visit) = &mut self.visit {
            visit.set_silent(is_silent);
        }
    }
}

//! Whose connections there are, and whom the relay turns away.

use signal_access::{
    AddressKey, AddressLimits, Addresses, Judging, Refusal, Subject, Subjects, Visit,
};
use signal_core::Instant;

use crate::settings::Settings;

/// The most addresses remembered of which nobody is connected, each in some 150 bytes.
const IDLE_ADDRESSES_MAX: usize = 16_384;

/// Connections by address and by subject.
#[derive(Debug)]
pub(crate) struct Door {
    addresses: Addresses,
    subjects: Subjects,
}

/// One connection, or one that may become it, as it is counted.
#[derive(Debug)]
pub(crate) struct Place {
    visit: Option<Visit>,
    subject: Option<Subject>,
}

impl Door {
    pub(crate) fn new(settings: &Settings) -> Self {
        let limits = AddressLimits {
            peers_max: settings.peers_per_ip_max,
            connects_per_minute: settings.connects_per_minute_per_ip,
            site_peers_max: settings.peers_per_site_max,
            site_connects_per_minute: settings.connects_per_minute_per_site,
            offences_per_minute: settings.offences_per_minute_per_ip,
            refuse_after_close: settings.refuse_after_close,
        };
        Self {
            addresses: Addresses::new(limits, IDLE_ADDRESSES_MAX),
            subjects: Subjects::default(),
        }
    }

    /// Counts one in that is still to be judged.
    pub(crate) fn enter(
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

    /// Lets one in that has been judged, as a connection of `subject`.
    pub(crate) fn admit(
        &mut self,
        place: &mut Place,
        subject: Option<Subject>,
    ) -> Result<(), Refusal> {
        if let Some(subject) = &subject {
            self.subjects.enter(subject)?;
        }
        place.subject = subject;
        if let Some(visit) = &mut place.visit {
            visit.admit();
        }
        Ok(())
    }

    /// Notes that a peer is closed for what it did.
    pub(crate) fn offend(&mut self, now: Instant, place: &mut Place) {
        if let Some(visit) = &mut place.visit {
            self.addresses.offend(now, visit);
        }
    }

    /// Counts one out.
    pub(crate) fn leave(&mut self, now: Instant, place: Place) {
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
    pub(crate) fn set_silent(&mut self, is_silent: bool) {
        if let Some(visit) = &mut self.visit {
            visit.set_silent(is_silent);
        }
    }

    /// Notes that its token or its origin was not good.
    pub(crate) fn deny(&mut self) {
        if let Some(visit) = &mut self.visit {
            visit.deny();
        }
    }
}

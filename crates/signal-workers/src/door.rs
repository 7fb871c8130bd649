//! Which connections an object has, and which it turns away.

use signal_access::{AddressLimits, Addresses, Judging, Refusal, Subject, Subjects, Visit};
use signal_core::Instant;

use crate::settings::Settings;
use crate::ticket::Holder;

/// The most addresses remembered without a connected peer, each in some 150 bytes: an object
/// shares 128 MB with others.
const IDLE_ADDRESSES_MAX: usize = 8_192;

/// Connections by address and by subject. It is memory only: an object without events for ten
/// seconds forgets what its peers did. Who is connected is in the attachments.
#[derive(Debug)]
pub(crate) struct Door {
    addresses: Addresses,
    subjects: Subjects,
}

/// One connection, as it is counted.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    visit: Option<Visit>,
    subject: Option<Subject>,
}

impl Door {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            addresses: addresses(settings),
            subjects: Subjects::default(),
        }
    }

    /// Counts a connection in.
    pub(crate) fn enter(&mut self, now: Instant, holder: &Holder) -> Result<Entry, Refusal> {
        let visit = holder
            .address
            .map(|address| self.addresses.enter(now, address, Judging::Cheap));
        let mut visit = visit.transpose()?;
        let subject = holder.subject.as_ref();
        if let Err(refused) = subject.map_or(Ok(()), |subject| self.subjects.enter(subject)) {
            if let Some(visit) = visit {
                self.addresses.leave(now, visit);
            }
            return Err(refused.into());
        }
        if let Some(visit) = &mut visit {
            visit.admit();
        }
        Ok(Entry {
            visit,
            subject: holder.subject.clone(),
        })
    }

    /// Counts a connection in that was there before the object woke.
    pub(crate) fn recall(&mut self, now: Instant, holder: &Holder) -> Entry {
        if let Some(subject) = &holder.subject {
            self.subjects.recall(subject);
        }
        Entry {
            visit: holder
                .address
                .map(|address| self.addresses.recall(now, address)),
            subject: holder.subject.clone(),
        }
    }

    /// Notes that a peer is closed for what it did.
    pub(crate) fn offend(&mut self, now: Instant, entry: &mut Entry) {
        if let Some(visit) = &mut entry.visit {
            self.addresses.offend(now, visit);
        }
    }

    /// Counts a connection out.
    pub(crate) fn leave(&mut self, now: Instant, entry: Entry) {
        if let Some(visit) = entry.visit {
            self.addresses.leave(now, visit);
        }
        if let Some(subject) = entry.subject {
            self.subjects.leave(subject.name());
        }
    }
}

/// An empty book of addresses.
pub(crate) fn addresses(settings: &Settings) -> Addresses {
    let limits = AddressLimits {
        peers_max: settings.peers_per_ip_max,
        connects_per_minute: settings.connects_per_minute_per_ip,
        site_peers_max: settings.peers_per_site_max,
        site_connects_per_minute: settings.connects_per_minute_per_site,
        offences_per_minute: settings.offences_per_minute_per_ip,
        refuse_after_close: settings.refuse_after_close,
    };
    Addresses::new(limits, IDLE_ADDRESSES_MAX)
}

#[cfg(test)]
mod tests {
    use signal_access::{AddressKey, RefusalCause};

    use super::*;

    const NOW: Instant = Instant::from_millis(1_700_000_000_000);

    fn holder(peers_max: u32) -> Holder {
        Holder {
            address: Some(AddressKey::new([203, 0, 113, 7].into())),
            subject: Some(Subject::new("ann", peers_max)),
        }
    }

    fn door() -> Door {
        Door::new(&Settings::default())
    }

    fn cause(result: Result<Entry, Refusal>) -> Option<RefusalCause> {
        result.err().map(|refusal| refusal.cause())
    }

    #[test]
    fn a_connection_that_woke_with_the_object_counts_for_address_and_subject() {
        let mut door = door();
        let woken = door.recall(NOW, &holder(2));
        let second = door.enter(NOW, &holder(2)).unwrap();
        assert_eq!(
            cause(door.enter(NOW, &holder(2))),
            Some(RefusalCause::PeersPerSubject)
        );
        door.leave(NOW, woken);
        let third = door.enter(NOW, &holder(2)).unwrap();
        door.leave(NOW, second);
        door.leave(NOW, third);
    }

    #[test]
    fn a_subject_that_is_refused_takes_no_place_of_its_address() {
        let settings = Settings {
            peers_per_ip_max: 2,
            ..Settings::default()
        };
        let mut door = Door::new(&settings);
        let _first = door.enter(NOW, &holder(1)).unwrap();
        for _ in 0..10 {
            assert_eq!(
                cause(door.enter(NOW, &holder(1))),
                Some(RefusalCause::PeersPerSubject)
            );
        }
        let _second = door.enter(NOW, &holder(2)).unwrap();
        assert_eq!(
            cause(door.enter(NOW, &holder(9))),
            Some(RefusalCause::PeersPerIp)
        );
    }

    #[test]
    fn many_addresses_that_offend_are_remembered_each() {
        let mut door = door();
        let from = |number: u32| Holder {
            address: Some(AddressKey::new(
                std::net::Ipv4Addr::from(0x0800_0000 + number).into(),
            )),
            subject: None,
        };
        for number in 0..3_000 {
            while let Ok(mut entry) = door.enter(NOW, &from(number)) {
                door.offend(NOW, &mut entry);
                door.leave(NOW, entry);
            }
        }
        for number in 0..3_000 {
            let refused = cause(door.enter(NOW, &from(number)));
            assert_eq!(refused, Some(RefusalCause::ClosedBefore), "{number}");
        }
    }
}

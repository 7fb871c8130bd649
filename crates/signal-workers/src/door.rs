//! Which connections an object has, and which it turns away.

use signal_access::{Door, Judging, Place, Refusal};
use signal_core::Instant;

use crate::settings::Settings;
use crate::ticket::Holder;

/// The most addresses remembered without a connected peer, each in some 150 bytes: an object
/// shares 128 MB with others.
pub(crate) const IDLE_ADDRESSES_MAX: usize = 8_192;

/// The door of an object. It is memory only: an object without events for ten seconds forgets what
/// its peers did. Who is connected is in the attachments.
pub(crate) fn new(settings: &Settings) -> Door {
    Door::new(settings.addresses, IDLE_ADDRESSES_MAX)
}

/// Counts a connection in that the Worker has let in. Until it says something it is not a connect
/// of its address.
pub(crate) fn enter(door: &mut Door, now: Instant, holder: &Holder) -> Result<Place, Refusal> {
    let mut place = door.enter(now, holder.address, Judging::Cheap)?;
    match door.admit(&mut place, holder.subject.clone()) {
        Ok(()) => {
            place.set_silent(true);
            Ok(place)
        }
        Err(refusal) => {
            door.leave(now, place);
            Err(refusal)
        }
    }
}

/// Counts a connection in that was there before the object woke.
pub(crate) fn recall(door: &mut Door, now: Instant, holder: &Holder) -> Place {
    door.recall(now, holder.address, holder.subject.clone())
}

#[cfg(test)]
mod tests {
    use signal_access::{AddressKey, AddressLimits, RefusalCause, Subject};

    use super::*;

    const NOW: Instant = Instant::from_millis(1_700_000_000_000);

    fn holder(peers_max: u32) -> Holder {
        Holder {
            address: Some(AddressKey::new([203, 0, 113, 7].into())),
            subject: Some(Subject::new("ann", peers_max)),
        }
    }

    fn door() -> Door {
        new(&Settings::default())
    }

    fn cause(result: Result<Place, Refusal>) -> Option<RefusalCause> {
        result.err().map(|refusal| refusal.cause())
    }

    #[test]
    fn a_connection_that_woke_with_the_object_counts_for_address_and_subject() {
        let mut door = door();
        let woken = recall(&mut door, NOW, &holder(2));
        let second = enter(&mut door, NOW, &holder(2)).unwrap();
        assert_eq!(
            cause(enter(&mut door, NOW, &holder(2))),
            Some(RefusalCause::PeersPerSubject)
        );
        door.leave(NOW, woken);
        let third = enter(&mut door, NOW, &holder(2)).unwrap();
        door.leave(NOW, second);
        door.leave(NOW, third);
    }

    #[test]
    fn a_subject_that_is_refused_takes_no_place_of_its_address() {
        let addresses = AddressLimits {
            peers_per_ip_max: 2,
            ..AddressLimits::default()
        };
        let mut door = new(&Settings {
            addresses,
            ..Settings::default()
        });
        let _first = enter(&mut door, NOW, &holder(1)).unwrap();
        for _ in 0..10 {
            assert_eq!(
                cause(enter(&mut door, NOW, &holder(1))),
                Some(RefusalCause::PeersPerSubject)
            );
        }
        let _second = enter(&mut door, NOW, &holder(2)).unwrap();
        assert_eq!(
            cause(enter(&mut door, NOW, &holder(9))),
            Some(RefusalCause::PeersPerIp)
        );
    }

    #[test]
    fn who_says_nothing_uses_up_no_connects_of_its_neighbours() {
        let mut door = door();
        let from = Holder {
            address: Some(AddressKey::new([203, 0, 113, 7].into())),
            subject: None,
        };
        for _ in 0..10_000 {
            let place = enter(&mut door, NOW, &from).unwrap();
            door.leave(NOW, place);
        }
        let refused = (0..10_000).find_map(|_| {
            let mut place = match enter(&mut door, NOW, &from) {
                Ok(place) => place,
                Err(refusal) => return Some(refusal.cause()),
            };
            place.set_silent(false);
            door.leave(NOW, place);
            None
        });
        assert_eq!(refused, Some(RefusalCause::ConnectRate));
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
            while let Ok(mut place) = enter(&mut door, NOW, &from(number)) {
                door.offend(NOW, &mut place);
                door.leave(NOW, place);
            }
        }
        for number in 0..3_000 {
            let refused = cause(enter(&mut door, NOW, &from(number)));
            assert_eq!(refused, Some(RefusalCause::ClosedBefore), "{number}");
        }
    }
}

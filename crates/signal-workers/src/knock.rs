//! Who knocks at this isolate: how often each address connects and shows bad tokens, before an
//! object is woken. An isolate sees a part of all requests, and may be thrown away at any time; so
//! this is a lower bound, and costs nothing. What must be exact is counted in the objects.

use std::cell::RefCell;

use signal_access::{AddressKey, AddressLimits, Addresses, Judging, Refusal, Visit};

use crate::clock;
use crate::door::IDLE_ADDRESSES_MAX;
use crate::settings::Settings;

thread_local! {
    static ADDRESSES: RefCell<Option<Addresses>> = const { RefCell::new(None) };
}

/// One request that is judged, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Knock {
    visit: Option<Visit>,
}

impl Knock {
    /// Counts a request of an address in.
    pub(crate) fn of(
        address: Option<AddressKey>,
        settings: &Settings,
        judging: Judging,
    ) -> Result<Self, Refusal> {
        let enter = |addresses: &mut Option<Addresses>| {
            let addresses = addresses.get_or_insert_with(|| {
                // Connections are not counted here, but by the objects.
                let limits = AddressLimits {
                    peers_per_ip_max: u32::MAX,
                    peers_per_site_max: u32::MAX,
                    ..settings.addresses
                };
                Addresses::new(limits, IDLE_ADDRESSES_MAX)
            });
            address
                .map(|address| addresses.enter(clock::now(), address, judging))
                .transpose()
        };
        let visit = with(enter).transpose()?.flatten();
        Ok(Self { visit })
    }

    /// Notes how it was judged, and returns what the client is told.
    pub(crate) fn judged<T>(&mut self, judged: Result<T, Refusal>) -> Result<T, Refusal> {
        let Some(visit) = &mut self.visit else {
            return judged;
        };
        match &judged {
            Ok(_) => visit.admit(),
            Err(refusal) if refusal.is_denial() => {
                let deny = |addresses: &mut Option<Addresses>| {
                    let addresses = addresses.as_mut()?;
                    addresses.deny(clock::now(), visit).err()
                };
                if let Some(refused) = with(deny).flatten() {
                    return Err(refused.into());
                }
            }
            Err(_) => {}
        }
        judged
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        if let Some(visit) = self.visit.take() {
            with(|addresses| {
                if let Some(addresses) = addresses {
                    addresses.leave(clock::now(), visit);
                }
            });
        }
    }
}

/// None while it is in use, which no call above is: a panic would end the isolate.
fn with<T>(act: impl FnOnce(&mut Option<Addresses>) -> T) -> Option<T> {
    ADDRESSES.with(|addresses| Some(act(&mut *addresses.try_borrow_mut().ok()?)))
}

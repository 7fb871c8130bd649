//! Random crowds, in the book and in a plain list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;
use signal_access::{AddressKey, AddressLimits, Addresses, RefusalCause, Visit};
use signal_core::Instant;

use crate::{LIMITS, connect, garbage};

/// What happens in a random world.
#[derive(Clone, Copy, Debug)]
enum Event {
    Wait(u16),
    Enter(u8),
    Deny(u8),
    Offend(u8),
    Leave(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0..30_000u16).prop_map(Event::Wait),
        (0..6u8).prop_map(Event::Enter),
        (0..6u8).prop_map(Event::Deny),
        any::<u8>().prop_map(Event::Offend),
        any::<u8>().prop_map(Event::Leave),
    ];
    prop::collection::vec(event, 0..200)
}

/// Three IPv4 addresses, and three networks of one site.
fn address(number: u8) -> IpAddr {
    match number {
        0..3 => Ipv4Addr::new(203, 0, 113, number).into(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, 1, number.into(), 0, 0, 0, 1).into(),
    }
}

struct Known {
    visit: Visit,
    address: u8,
    since: Instant,
    has_offended: bool,
}

proptest! {
    #[test]
    fn peers_are_counted_as_in_a_plain_list_and_the_settled_keep_the_door_open(events in events()) {
        let limits = AddressLimits { peers_per_ip_max: 3, peers_per_site_max: 5, offences_per_minute_per_ip: 1, ..LIMITS };
        let mut book = Addresses::new(limits, 4);
        let mut now = Instant::ZERO;
        let mut known: Vec<Known> = Vec::new();
        for event in events {
            match event {
                Event::Wait(time) => now = now.saturating_add(Duration::from_millis(time.into())),
                Event::Enter(number) => {
                    let here = known.iter().filter(|peer| peer.address == number).count();
                    let in_site = known.iter().filter(|peer| peer.address >= 3).count();
                    let settled = known.iter().any(|peer| {
                        peer.address == number && !peer.has_offended && now.saturating_since(peer.since).as_secs() >= 20
                    });
                    match connect(&mut book, now, AddressKey::new(address(number))) {
                        Ok(visit) => {
                            prop_assert!(here < 3 && (number < 3 || in_site < 5));
                            known.push(Known { visit, address: number, since: now, has_offended: false });
                        }
                        Err(refused) => {
                            let is = |cause| refused.cause == cause;
                            prop_assert!(!is(RefusalCause::PeersPerIp) || here == 3);
                            prop_assert!(!is(RefusalCause::PeersPerSite) || in_site == 5);
                            prop_assert!(!is(RefusalCause::ClosedBefore) || !settled);
                        }
                    }
                }
                Event::Deny(number) => {
                    let _ = garbage(&mut book, now, AddressKey::new(address(number)));
                }
                Event::Offend(_) | Event::Leave(_) if known.is_empty() => {}
                Event::Offend(which) => {
                    let count = known.len();
                    let peer = &mut known[usize::from(which) % count];
                    book.offend(now, &mut peer.visit);
                    peer.has_offended = true;
                }
                Event::Leave(which) => {
                    let peer = known.swap_remove(usize::from(which) % known.len());
                    book.leave(now, peer.visit);
                }
            }
        }
    }
}

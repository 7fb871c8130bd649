//! The book of addresses: who may have one more connection, and who is kept away.

mod garbage;
mod model;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use signal_access::{AddressKey, AddressLimits, Addresses, Judging, RefusalCause, Refused, Visit};
use signal_core::Instant;

const LIMITS: AddressLimits = AddressLimits {
    peers_per_ip_max: 100,
    peers_per_site_max: 500,
    connects_per_minute_per_ip: 120,
    connects_per_minute_per_site: 600,
    limit_private_ips: false,
    offences_per_minute_per_ip: 12,
    refuse_after_close: Duration::from_secs(10),
};

fn book() -> Addresses {
    Addresses::new(LIMITS, 1_000)
}

fn key(text: &str) -> AddressKey {
    AddressKey::new(text.parse().expect("an address"))
}

fn home() -> AddressKey {
    key("203.0.113.7")
}

fn at(seconds: u64) -> Instant {
    millis(seconds * 1_000)
}

fn millis(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn connect(book: &mut Addresses, now: Instant, key: AddressKey) -> Result<Visit, Refused> {
    let mut visit = book.enter(now, key, Judging::Cheap)?;
    visit.admit();
    Ok(visit)
}

/// A client that is let in, and closed at once for what it sends.
fn offend(book: &mut Addresses, now: Instant, key: AddressKey) -> Result<(), Refused> {
    let mut visit = connect(book, now, key)?;
    book.offend(now, &mut visit);
    book.leave(now, visit);
    Ok(())
}

/// A client that says nothing, and leaves.
fn pass_by(book: &mut Addresses, now: Instant, key: AddressKey) -> Result<(), Refused> {
    let mut visit = connect(book, now, key)?;
    visit.set_silent(true);
    book.leave(now, visit);
    Ok(())
}

/// A client that shows a token that is not good, to a judge who has to ask somebody.
fn garbage(book: &mut Addresses, now: Instant, key: AddressKey) -> Result<(), Refused> {
    show_garbage(book, now, key, Judging::Costly)
}

fn show_garbage(
    book: &mut Addresses,
    now: Instant,
    key: AddressKey,
    judging: Judging,
) -> Result<(), Refused> {
    let mut visit = book.enter(now, key, judging)?;
    let told = book.deny(now, &mut visit);
    book.leave(now, visit);
    told
}

fn refused(cause: RefusalCause, seconds: u64) -> Refused {
    Refused {
        cause,
        retry_after: Duration::from_secs(seconds),
    }
}

#[test]
fn an_address_has_a_limit_of_its_own() {
    let limits = AddressLimits {
        peers_per_ip_max: 2,
        ..LIMITS
    };
    let mut book = Addresses::new(limits, 10);
    let first = connect(&mut book, at(0), home()).expect("room");
    let _second = connect(&mut book, at(0), home()).expect("room");
    let third = connect(&mut book, at(0), key("::ffff:203.0.113.7"));
    assert_eq!(third, Err(refused(RefusalCause::PeersPerIp, 30)));
    let _other = connect(&mut book, at(0), key("203.0.113.8")).expect("another address");
    book.leave(at(0), first);
    let _third = connect(&mut book, at(0), home()).expect("one has left");
}

#[test]
fn an_ipv6_network_of_64_bits_is_one_address() {
    let limits = AddressLimits {
        peers_per_ip_max: 1,
        ..LIMITS
    };
    let mut book = Addresses::new(limits, 10);
    let _first = connect(&mut book, at(0), key("2001:db8:1:2::1")).expect("room");
    let second = connect(&mut book, at(0), key("2001:db8:1:2:ffff::9"));
    assert_eq!(second, Err(refused(RefusalCause::PeersPerIp, 30)));
    let _other = connect(&mut book, at(0), key("2001:db8:1:3::1")).expect("another network");
}

#[test]
fn the_networks_of_an_ipv6_site_share_a_larger_limit() {
    let limits = AddressLimits {
        peers_per_site_max: 5,
        connects_per_minute_per_site: 6,
        ..LIMITS
    };
    let mut book = Addresses::new(limits, 10);
    let network =
        |number: u16| AddressKey::new(Ipv6Addr::new(0x2001, 0xdb8, 1, number, 0, 0, 0, 1).into());
    let mut visits: VecDeque<Visit> = (0..5)
        .map(|number| connect(&mut book, at(0), network(number)).expect("room"))
        .collect();
    let sixth = connect(&mut book, at(0), network(5));
    assert_eq!(sixth, Err(refused(RefusalCause::PeersPerSite, 30)));
    let _other_site = connect(&mut book, at(0), key("2001:db8:2::1")).expect("another site");

    book.leave(at(0), visits.pop_front().expect("five"));
    visits.push_back(connect(&mut book, at(0), network(6)).expect("one has left"));
    book.leave(at(0), visits.pop_front().expect("five"));
    let seventh = connect(&mut book, at(0), network(7));
    assert_eq!(seventh, Err(refused(RefusalCause::SiteConnectRate, 10)));
    let _later = connect(&mut book, at(10), network(7)).expect("a sixth of a minute later");
}

#[test]
fn connects_past_the_rate_are_told_when_to_come_back() {
    let limits = AddressLimits {
        connects_per_minute_per_ip: 6,
        ..LIMITS
    };
    let mut book = Addresses::new(limits, 10);
    for _ in 0..6 {
        let visit = connect(&mut book, at(0), home()).expect("budget");
        book.leave(at(0), visit);
    }
    let seventh = connect(&mut book, at(0), home());
    assert_eq!(seventh, Err(refused(RefusalCause::ConnectRate, 10)));
    let _later = connect(&mut book, at(10), home()).expect("budget again");
}

#[test]
fn a_client_that_is_closed_again_and_again_is_kept_away() {
    let mut book = book();
    // As fast as a stock client that is closed comes back.
    let (mut accepted, mut kept_away) = (0, 0);
    for try_at in (0..3_000).step_by(3) {
        match offend(&mut book, millis(try_at), home()) {
            Ok(()) => accepted += 1,
            Err(refused) => {
                assert_eq!(refused.cause, RefusalCause::ClosedBefore);
                kept_away += 1;
            }
        }
    }
    assert_eq!((accepted, kept_away), (13, 987));
    let accepted = (3_000..63_000)
        .step_by(3)
        .filter(|try_at| offend(&mut book, millis(*try_at), home()).is_ok());
    assert!(
        accepted.count() <= 19,
        "no more than the budget gives back, and one a refusal"
    );
}

#[test]
fn one_offence_harms_nobody() {
    let mut book = book();
    offend(&mut book, at(0), home()).expect("the first");
    let _neighbour = connect(&mut book, at(0), home()).expect("the address is not refused");
}

#[test]
fn one_clients_offences_do_not_shut_out_its_neighbours() {
    let mut book = book();
    let mut upgrades = 0;
    // Two bad bytes each ten seconds, and a neighbour each second that looks in for a moment.
    for second in 0..110 {
        if second % 10 == 0 {
            offend(&mut book, at(second), home()).expect("the offender too");
        }
        let neighbour = connect(&mut book, millis(second * 1_000 + 500), home());
        book.leave(
            millis(second * 1_000 + 600),
            neighbour.expect("a neighbour"),
        );
        upgrades += 1;
    }
    assert_eq!(upgrades, 110);
}

#[test]
fn however_often_one_offends_peers_that_behave_keep_the_door_open() {
    let mut book = book();
    let neighbour = connect(&mut book, at(0), home()).expect("room");
    let mut offences = 0;
    for try_at in (20_000..23_000).step_by(30) {
        offend(&mut book, millis(try_at), home()).expect("a neighbour has settled");
        offences += 1;
    }
    assert_eq!(offences, 100);
    book.leave(at(24), neighbour);
    // It has left, and that it was here counts for a minute.
    for second in 25..84 {
        offend(&mut book, at(second), home()).expect("somebody behaved a moment ago");
    }
    let later = (84..120).find_map(|second| offend(&mut book, at(second), home()).err());
    assert_eq!(
        later.map(|refused| refused.cause),
        Some(RefusalCause::ClosedBefore)
    );
}

#[test]
fn two_that_offend_in_turn_do_not_vouch_for_each_other() {
    let mut book = book();
    let refused_at = (0..1_000).find(|round| {
        let now = millis(round * 3);
        let (ann, ben) = (
            connect(&mut book, now, home()),
            connect(&mut book, now, home()),
        );
        let are_refused = ann.is_err() && ben.is_err();
        for mut visit in [ann, ben].into_iter().flatten() {
            book.offend(now, &mut visit);
            book.leave(now, visit);
        }
        are_refused
    });
    assert_eq!(refused_at, Some(7), "after 12 offences and one more");
}

#[test]
fn a_peer_that_settled_and_then_offends_vouches_for_nobody() {
    let mut book = book();
    let mut held = connect(&mut book, at(0), home()).expect("room");
    book.offend(at(30), &mut held);
    // It is still connected, as a peer is that is held.
    let borne = (0..100).take_while(|_| offend(&mut book, at(30), home()).is_ok());
    assert_eq!(
        borne.count(),
        12,
        "with its own that is the budget and one more"
    );
}

#[test]
fn the_workers_of_all_the_world_are_not_one_client() {
    let mut book = book();
    let workers = key("2a06:98c0:3600::103");
    let mut visits = Vec::new();
    let refused = loop {
        match connect(&mut book, at(0), workers) {
            Ok(visit) => visits.push(visit),
            Err(refused) => break refused,
        }
    };
    assert_eq!(
        (visits.len(), refused.cause),
        (500, RefusalCause::PeersPerSite)
    );
    for visit in &mut visits {
        book.offend(at(0), visit);
    }
    book.leave(at(0), visits.remove(0));
    let _another = connect(&mut book, at(0), workers).expect("what one of them did is not theirs");
}

#[test]
fn a_peer_that_was_there_before_the_book_counts_and_vouches() {
    let mut book = Addresses::new(
        AddressLimits {
            peers_per_ip_max: 2,
            ..LIMITS
        },
        10,
    );
    let woken = book.recall(at(0), home());
    for _ in 0..50 {
        offend(&mut book, at(0), home()).expect("a neighbour behaves");
    }
    let second = connect(&mut book, at(0), home()).expect("room for one more");
    assert!(connect(&mut book, at(0), home()).is_err());
    book.leave(at(0), woken);
    book.leave(at(0), second);
}

#[test]
fn a_flood_of_addresses_does_not_free_those_that_are_refused() {
    let mut book = Addresses::new(LIMITS, 1_000);
    let _peer = connect(&mut book, at(0), key("198.51.100.1")).expect("room");
    while offend(&mut book, at(0), home()).is_ok() {}
    for number in 0..50_000_u32 {
        let stranger = AddressKey::new(Ipv4Addr::from(0x0800_0000 + number).into());
        let visit = connect(&mut book, at(1), stranger).expect("each is counted and let in");
        book.leave(at(1), visit);
    }
    let still = offend(&mut book, at(1), home()).expect_err("kept away");
    assert_eq!(still.cause, RefusalCause::ClosedBefore);
}

#[test]
fn every_connected_address_is_held_to_its_limits_however_many_there_are() {
    let limits = AddressLimits {
        peers_per_ip_max: 1,
        ..LIMITS
    };
    let mut book = Addresses::new(limits, 10);
    let strangers = || {
        (0..5_000_u32).map(|number| AddressKey::new(Ipv4Addr::from(0x0800_0000 + number).into()))
    };
    let visits: Vec<Visit> = strangers()
        .map(|stranger| connect(&mut book, at(0), stranger).expect("room"))
        .collect();
    for stranger in strangers() {
        let second = connect(&mut book, at(1), stranger);
        assert_eq!(second, Err(refused(RefusalCause::PeersPerIp, 30)));
    }
    for visit in visits {
        book.leave(at(2), visit);
    }
}

//! Connections that come to nothing: bad tokens, silence, bytes that are not WebSocket.

use std::net::Ipv6Addr;
use std::time::Duration;

use signal_access::{AddressKey, Addresses, Judging, RefusalCause, Visit};

use crate::{at, book, connect, garbage, home, offend, pass_by, show_garbage};

#[test]
fn garbage_tokens_do_not_use_up_the_good_ones_connects() {
    let mut book = book();
    let mut good = 0;
    for second in 0..60 {
        for _ in 0..2 {
            garbage(&mut book, at(second), home()).expect("within the budget of these");
        }
        let visit = connect(&mut book, at(second), home()).expect("a good token");
        book.leave(at(second), visit);
        good += 1;
    }
    assert_eq!(good, 60);
}

#[test]
fn an_address_with_nothing_but_garbage_is_told_to_wait() {
    let mut book = book();
    for _ in 0..120 {
        garbage(&mut book, at(0), home()).expect("within the budget");
    }
    let refusal = garbage(&mut book, at(0), home()).expect_err("one too many");
    assert_eq!(refusal.cause, RefusalCause::DeniedBefore);
    assert_eq!(refusal.retry_after, Duration::from_millis(500));
}

#[test]
fn each_peer_that_behaves_allows_as_much_garbage_again() {
    let mut book = book();
    let _neighbours: Vec<Visit> = (0..9)
        .map(|_| connect(&mut book, at(0), home()).expect("room"))
        .collect();
    let count = (0..10_000)
        .take_while(|_| garbage(&mut book, at(30), home()).is_ok())
        .count();
    assert_eq!(count, 1_200, "bounded all the same");
}

#[test]
fn garbage_that_is_cheap_to_judge_keeps_nobody_out_while_somebody_behaves() {
    let mut book = book();
    let cheap =
        |book: &mut Addresses, second| show_garbage(book, at(second), home(), Judging::Cheap);
    let alone = (0..10_000)
        .take_while(|_| cheap(&mut book, 0).is_ok())
        .count();
    assert_eq!(alone, 120, "nobody behaves yet");
    let _neighbour = connect(&mut book, at(1), home()).expect("a good token");
    for _ in 0..10_000 {
        cheap(&mut book, 30).expect("a neighbour behaves");
    }
    let _newcomer = connect(&mut book, at(30), home()).expect("a good token");
}

#[test]
fn garbage_that_is_cheap_to_judge_keeps_no_good_token_waiting_though_nobody_behaves_yet() {
    let mut book = book();
    for _ in 0..10_000 {
        let _ = show_garbage(&mut book, at(0), home(), Judging::Cheap);
    }
    let refusal = show_garbage(&mut book, at(0), home(), Judging::Cheap);
    assert_eq!(
        refusal.map_err(|refusal| refusal.cause),
        Err(RefusalCause::DeniedBefore)
    );
    let newcomer = book.enter(at(0), home(), Judging::Cheap);
    book.leave(at(0), newcomer.expect("it may have a good token"));
}

#[test]
fn silent_connections_use_up_no_connects() {
    let mut book = book();
    for _ in 0..10_000 {
        pass_by(&mut book, at(0), home()).expect("not a connect");
    }
    for number in 0..120 {
        let visit = connect(&mut book, at(0), home()).expect("a connect");
        book.leave(at(0), visit);
        assert!(pass_by(&mut book, at(0), home()).is_ok() || number == 119);
    }
    let refused = connect(&mut book, at(0), home()).expect_err("these were");
    assert_eq!(refused.cause, RefusalCause::ConnectRate);
}

#[test]
fn silence_does_not_flood_a_judge_that_asks_others() {
    let mut book = book();
    let asked = (0..10_000).take_while(|_| {
        let visit = book.enter(at(0), home(), Judging::Costly);
        let Ok(mut visit) = visit else { return false };
        visit.admit();
        visit.set_silent(true);
        book.leave(at(0), visit);
        true
    });
    assert_eq!(asked.count(), 120);
}

#[test]
fn bad_bytes_at_once_use_up_no_connects_while_a_peer_behaves() {
    let mut book = book();
    let _neighbour = connect(&mut book, at(0), home()).expect("a connect");
    for _ in 0..10_000 {
        let mut visit = connect(&mut book, at(30), home()).expect("a neighbour behaves");
        visit.set_silent(true);
        book.offend(at(30), &mut visit);
        book.leave(at(30), visit);
    }
    let _newcomer = connect(&mut book, at(30), home()).expect("a connect");
}

#[test]
fn as_many_as_may_connect_may_end_in_an_offence_beside_them() {
    let mut book = book();
    let _neighbour = connect(&mut book, at(0), home()).expect("a connect");
    let offences = (0..10_000).take_while(|_| offend(&mut book, at(60), home()).is_ok());
    // A share for the neighbour, one for the address, and then its connects.
    assert_eq!(offences.count(), 360);
}

#[test]
fn a_site_cannot_show_more_garbage_than_it_may_connect() {
    let mut book = book();
    let count = (0..10_000_u16)
        .take_while(|number| {
            let network = Ipv6Addr::new(0x2001, 0xdb8, 1, *number, 0, 0, 0, 1);
            garbage(&mut book, at(0), AddressKey::new(network.into())).is_ok()
        })
        .count();
    assert_eq!(count, 600);
}

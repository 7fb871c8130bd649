//! Newcomers among those that connect and then say nothing, or little.

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{UPGRADE, Wire, count, listen, listen_in_reactors, relay, status, until};
use signal_tokio::{Config, RefusalCause, Relay, TrustedProxies};
use tokio::net::{TcpSocket, TcpStream};

/// Longer than any of these tests: nobody is ended because its time is up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(120);
/// By when a newcomer is served, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(20);

/// As few places for handshakes as there may be.
const PLACES: usize = 16;

/// A relay on a port by each way of listening.
async fn each_way(change: impl Fn(&mut Config)) -> Vec<(Relay, SocketAddr)> {
    let make = || {
        relay(|config| {
            config.handshake_timeout = HANDSHAKE_TIMEOUT;
            change(config);
        })
    };
    let (in_tasks, in_reactor) = (make(), make());
    let addresses = (listen(&in_tasks).await, listen_in_reactors(&in_reactor, 1));
    vec![(in_tasks, addresses.0), (in_reactor, addresses.1)]
}

/// A connection on which nothing has been said, from an address of this machine.
#[cfg(target_os = "linux")]
async fn connect_from(from: [u8; 4], address: SocketAddr) -> Wire<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("loopback");
    Wire::start(socket.connect(address).await.expect("it listens"))
}

async fn connect(address: SocketAddr) -> Wire<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    Wire::start(socket.connect(address).await.expect("it listens"))
}

/// Connects, and is served soon.
async fn come(address: SocketAddr) -> Wire<TcpStream> {
    let come = async {
        let mut wire = common::open_tcp(address).await;
        wire.settle().await;
        wire
    };
    let come = tokio::time::timeout(SOON, come).await;
    come.expect("a newcomer waits for those that say nothing")
}

/// Takes all places but so many with connections that say nothing.
async fn fill(relay: &Relay, address: SocketAddr, but: u64) -> Vec<Wire<TcpStream>> {
    let mut crowd = Vec::new();
    for count in relay.stats().handshakes + 1..=PLACES as u64 - but {
        crowd.push(connect(address).await);
        until(relay, "another is silent", |stats| {
            stats.handshakes == count
        })
        .await;
    }
    crowd
}

#[tokio::test]
async fn the_connection_that_kept_the_relay_waiting_longest_makes_room_for_a_newcomer() {
    for (relay, address) in each_way(|config| config.handshakes_max = PLACES).await {
        let mut silent = connect(address).await;
        until(&relay, "one is silent", |stats| stats.handshakes == 1).await;
        let mut slow = connect(address).await;
        slow.send_raw(&UPGRADE.as_bytes()[..30]).await;
        until(&relay, "one is slow", |stats| stats.handshakes == 2).await;
        let crowd = fill(&relay, address, 0).await;

        let mut newcomer = come(address).await;
        assert_eq!(silent.rest().await, "", "it is ended without an answer");
        assert_eq!(count(&relay, RefusalCause::HandshakesMax), 1);
        slow.send_raw(&UPGRADE.as_bytes()[30..]).await;
        assert_eq!(status(&slow.head().await), 101, "there was time for it");

        drop(crowd);
        until(&relay, "all have gone", |stats| stats.handshakes == 0).await;
        // Where nobody is silent for longer, the slowest goes, and is told why.
        let mut slowest = connect(address).await;
        slowest.send_raw(b"GET").await;
        until(&relay, "one is slow", |stats| stats.handshakes == 1).await;
        let _slower = fill(&relay, address, 0).await;
        drop(come(address).await);
        assert_eq!(status(&slowest.head().await), 503);
        assert!(slowest.rest().await.contains("unfinished"));
        newcomer.settle().await;
        let left = PLACES as u64 - 1;
        until(&relay, "the others are left", |stats| {
            stats.handshakes == left
        })
        .await;
        assert_eq!(count(&relay, RefusalCause::HandshakesMax), 2);
    }
}

#[tokio::test]
async fn a_crowd_never_has_more_places_than_there_are() {
    for (relay, address) in each_way(|config| config.handshakes_max = PLACES).await {
        let mut crowd = Vec::new();
        for number in 0..5 * PLACES {
            let mut wire = connect(address).await;
            if number % 2 == 0 {
                wire.send_raw(b"GET / HTTP/1.1\r\n").await;
            }
            crowd.push(wire);
            let handshakes = relay.stats().handshakes;
            assert!(handshakes <= PLACES as u64, "{handshakes} of {PLACES}");
            if number % 8 == 0 {
                drop(come(address).await);
            }
        }
        let last = crowd.split_off(4 * PLACES);
        for mut wire in crowd {
            wire.rest().await;
        }
        drop(last);
        until(&relay, "all are gone", |stats| stats.handshakes == 0).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_has_so_many_unfinished_handshakes_and_no_more() {
    let change = |config: &mut Config| {
        config.handshakes_per_ip_max = 2;
        config.addresses.limit_private_ips = true;
        config.trusted_proxies = TrustedProxies::new(["127.0.0.9"]).expect("an address");
    };
    for (relay, address) in each_way(change).await {
        let mut crowd = Vec::new();
        for _ in 0..2 {
            crowd.push(connect_from([127, 0, 0, 2], address).await);
        }
        until(&relay, "two wait", |stats| stats.handshakes == 2).await;
        for _ in 0..3 {
            crowd.push(connect_from([127, 0, 0, 2], address).await);
            let mut longest = crowd.remove(0);
            assert_eq!(longest.rest().await, "", "it makes room for the next");
        }
        until(&relay, "two wait", |stats| stats.handshakes == 2).await;
        assert_eq!(count(&relay, RefusalCause::HandshakesPerIp), 3);
        // Others are served, and a proxy is many.
        for from in [
            [127, 0, 0, 3],
            [127, 0, 0, 9],
            [127, 0, 0, 9],
            [127, 0, 0, 9],
        ] {
            crowd.push(connect_from(from, address).await);
        }
        until(&relay, "six wait", |stats| stats.handshakes == 6).await;
        let mut other = connect_from([127, 0, 0, 3], address).await;
        other.send_raw(UPGRADE.as_bytes()).await;
        assert_eq!(status(&other.head().await), 101);
        // What has come to its end is not counted any more.
        let mut first = crowd.swap_remove(0);
        first.send_raw(UPGRADE.as_bytes()).await;
        assert_eq!(status(&first.head().await), 101);
        let mut next = connect_from([127, 0, 0, 2], address).await;
        next.send_raw(UPGRADE.as_bytes()).await;
        assert_eq!(status(&next.head().await), 101);
        assert_eq!(count(&relay, RefusalCause::HandshakesPerIp), 3);
    }
}

#[tokio::test]
async fn one_that_has_its_answer_holds_no_place() {
    const ROUNDS: u32 = 8;
    for (relay, address) in each_way(|config| config.handshakes_max = PLACES).await {
        // One place is left.
        let _crowd = fill(&relay, address, 1).await;
        let start = Instant::now();
        let mut answered = Vec::new();
        for _ in 0..ROUNDS {
            // It keeps its own side open, so that the relay reads on for a second.
            let mut wire = connect(address).await;
            wire.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert_eq!(status(&wire.head().await), 200);
            answered.push(wire);
            drop(come(address).await);
        }
        let spent = start.elapsed();
        assert!(
            spent < Duration::from_secs(1) * (ROUNDS / 2),
            "{spent:?} for {ROUNDS} newcomers"
        );
        assert_eq!(count(&relay, RefusalCause::HandshakesMax), 0);
    }
}

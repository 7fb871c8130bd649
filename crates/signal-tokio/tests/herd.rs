//! A thousand stock clients whose relay restarts: how fast they come back to the next one. In
//! virtual time.
//!
//! The clients keep to y-webrtc's law, [`stock_wait`]. There is no jitter in it, and it knows no
//! `Retry-After`.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{UPGRADE, Wire, dial, relay};
use signal_testwire::stock_wait;
use signal_tokio::Relay;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CLIENTS: usize = 1_000;
const DRAIN_SECONDS: u32 = 10;

/// Where the clients' address leads at the moment; nowhere while no process listens.
type Place = Arc<Mutex<Option<Relay>>>;

/// With the next relay there before the last one drains, no second has more than 1.5 times the
/// clients a drain closes in one.
#[tokio::test(start_paused = true)]
async fn clients_move_to_a_second_relay_at_the_pace_of_the_drain() {
    let (old, new) = (restarting(), restarting());
    let place: Place = Arc::new(Mutex::new(Some(old.clone())));
    let clients = herd(&old, &place).await;
    *place.lock().expect("no panic") = Some(new.clone());
    old.drain().await;
    let returns = all_back(&new, clients).await;
    let peak = peak(&returns, Duration::from_secs(1));
    println!("peak: {peak} clients in a second");
    assert!(
        peak <= CLIENTS / DRAIN_SECONDS as usize * 3 / 2,
        "{peak} in one second"
    );
}

/// Where the address is dead until the last one has ended, nothing a relay does can spread stock
/// clients wider than the longest of their waits: they are all back within two seconds.
#[tokio::test(start_paused = true)]
async fn clients_of_a_relay_restarted_in_its_place_are_back_in_two_seconds() {
    let (old, new) = (restarting(), restarting());
    let place: Place = Arc::new(Mutex::new(Some(old.clone())));
    let clients = herd(&old, &place).await;
    old.drain().await;
    *place.lock().expect("no panic") = None;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    *place.lock().expect("no panic") = Some(new.clone());
    let returns = all_back(&new, clients).await;
    let longest = *returns.last().expect("some") - start;
    let peaks = [100, 1_000].map(|millis| peak(&returns, Duration::from_millis(millis)));
    println!("back within {longest:?}; peaks in 0.1 s and 1 s: {peaks:?}");
    assert!(
        longest < Duration::from_secs(2),
        "the last after {longest:?}"
    );
    assert!(
        peaks[0] <= CLIENTS / 4,
        "{} within a tenth of a second",
        peaks[0]
    );
}

fn restarting() -> Relay {
    relay(|config| {
        config.drain_seconds = DRAIN_SECONDS;
        config.peers_max = CLIENTS;
    })
}

/// Stock clients, all connected to the relay. Each ends with the moment at which it was accepted
/// for the second time.
async fn herd(relay: &Relay, place: &Place) -> JoinSet<Instant> {
    fastrand::seed(1);
    let clients = (0..CLIENTS)
        .map(|_| stock_client(Arc::clone(place)))
        .collect();
    common::until(relay, "all are connected", |stats| {
        stats.peers == CLIENTS as u64
    })
    .await;
    clients
}

async fn stock_client(place: Place) -> Instant {
    let mut accepted = 0;
    let mut failures = 0;
    loop {
        let relay = place.lock().expect("no panic").clone();
        let connection = match relay {
            Some(relay) => Some(Wire::request(dial(&relay), UPGRADE).await),
            None => None,
        };
        match connection {
            Some((mut wire, head)) if head.starts_with("HTTP/1.1 101 ") => {
                failures = 0;
                accepted += 1;
                let at = Instant::now();
                if accepted == 2 {
                    // It stays connected while the others come.
                    tokio::spawn(
                        async move { while wire.next_answering_pings().await.is_some() {} },
                    );
                    return at;
                }
                while wire.next_answering_pings().await.is_some() {}
                tokio::time::sleep(stock_wait(0)).await;
            }
            _ => {
                failures += 1;
                tokio::time::sleep(stock_wait(failures)).await;
            }
        }
    }
}

/// When each was back, once all are.
async fn all_back(relay: &Relay, clients: JoinSet<Instant>) -> Vec<Instant> {
    let mut returns = clients.join_all().await;
    assert_eq!(relay.stats().peers, CLIENTS as u64);
    returns.sort();
    returns
}

/// The most of these moments that lie in one stretch of this length.
fn peak(sorted: &[Instant], stretch: Duration) -> usize {
    let in_stretch = |(index, first): (usize, &Instant)| {
        sorted[index..].partition_point(|moment| *moment < *first + stretch)
    };
    sorted
        .iter()
        .enumerate()
        .map(in_stretch)
        .max()
        .unwrap_or_default()
}

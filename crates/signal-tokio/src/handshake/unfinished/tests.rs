use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn config(handshakes_max: usize) -> Config {
    Config {
        handshakes_max,
        handshakes_per_ip_max: 2,
        ..Config::default()
    }
}

/// Begins a handshake of an address of its own that waits for its client.
fn wait(all: &Unfinished, config: &Config, now: Instant, last: u8) -> (u64, Arc<Bell>) {
    let entered = all
        .enter(Some([203, 0, 113, last].into()), config)
        .expect("few");
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    assert!(all.pause(entered.id, now, WaitsFor::Client, &waker));
    (entered.id, bell)
}

#[test]
fn the_longest_wait_ends_for_a_newcomer_and_not_the_oldest() {
    let (all, config) = (Unfinished::default(), config(3));
    let (trickles, trickling) = wait(&all, &config, at(0), 1);
    let (silent, silence) = wait(&all, &config, at(50), 2);
    let (fresh, freshness) = wait(&all, &config, at(900), 3);
    // The first is heard of twice, and each time we need a while for it.
    for heard in [100, 700] {
        all.resume(trickles, at(heard));
        assert!(all.pause(trickles, at(heard + 300), WaitsFor::Client, Waker::noop()));
    }
    assert_eq!(all.poll_room(at(1_000), &config, Waker::noop()), Ok(()));
    let entered = all
        .enter(Some([203, 0, 113, 9].into()), &config)
        .expect("few");
    assert_eq!(entered.evicted_for, Some(RefusalCause::HandshakesMax));
    assert_eq!([silence.count(), freshness.count()], [1, 0]);
    assert!(!all.pause(silent, at(1_001), WaitsFor::Client, Waker::noop()));
    let entered = all
        .enter(Some([203, 0, 113, 10].into()), &config)
        .expect("few");
    assert_eq!(entered.evicted_for, Some(RefusalCause::HandshakesMax));
    assert!(!all.pause(trickles, at(1_001), WaitsFor::Client, Waker::noop()));
    assert_eq!(trickling.count(), 0, "it had another waker by then");
    assert!(all.pause(fresh, at(1_001), WaitsFor::Client, Waker::noop()));
    assert_eq!(all.count(), 3);
}

#[test]
fn of_an_address_that_has_many_the_longest_wait_ends_for_the_next() {
    let (all, config) = (Unfinished::default(), config(100));
    let (first, bell) = wait(&all, &config, at(0), 1);
    let (second, _) = wait(&all, &config, at(10), 1);
    let (other, others_bell) = wait(&all, &config, at(0), 2);
    let enter = || all.enter(Some([203, 0, 113, 1].into()), &config);
    let third = enter().expect("it is not kept out");
    assert_eq!(third.evicted_for, Some(RefusalCause::HandshakesPerIp));
    assert_eq!([bell.count(), others_bell.count()], [1, 0]);
    assert!(!all.pause(first, at(20), WaitsFor::Client, Waker::noop()));
    assert!(all.pause(other, at(20), WaitsFor::Client, Waker::noop()));
    assert_eq!(all.count(), 3);
    // Who is busy waits for us, and is not ended.
    all.resume(second, at(30));
    assert!(enter().is_none());
    assert_eq!(all.count(), 3);
}

#[test]
fn a_round_trip_is_granted_and_what_waits_for_us_is_not_ended() {
    let (all, config) = (Unfinished::default(), config(2));
    let listener = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&listener));
    let judged = all
        .enter(Some([203, 0, 113, 1].into()), &config)
        .expect("few")
        .id;
    assert!(all.pause(judged, at(0), WaitsFor::Relay, Waker::noop()));
    let (fresh, _) = wait(&all, &config, at(10), 2);
    assert_eq!(all.poll_room(at(34), &config, &waker), Err(at(35)));
    assert_eq!(all.poll_room(at(35), &config, &waker), Ok(()));
    all.resume(fresh, at(35));
    let again = all.poll_room(at(5_000), &config, &waker);
    assert_eq!(again, Err(at(5_025)), "nobody keeps us waiting");
    all.leave(judged);
    assert_eq!(listener.count(), 1, "one wake-up for one listener");
    assert_eq!(all.poll_room(at(5_000), &config, &waker), Ok(()));
    all.leave(judged);
    assert_eq!(all.count(), 1, "it has left once");
}

#[cfg(feature = "tls")]
#[test]
fn a_client_that_owes_an_answer_in_tls_has_a_round_trip_for_it() {
    let (all, config) = (Unfinished::default(), config(2));
    let (answers, bell) = wait(&all, &config, at(0), 1);
    all.resume(answers, at(20));
    all.advance(answers, at(30));
    assert!(all.pause(answers, at(40), WaitsFor::Client, Waker::noop()));
    let (silent, _) = wait(&all, &config, at(100), 2);
    assert_eq!(all.poll_room(at(124), &config, Waker::noop()), Err(at(125)));
    // Who says nothing goes first, though it came later.
    assert!(all.enter(Some([203, 0, 113, 9].into()), &config).is_some());
    assert!(!all.pause(silent, at(126), WaitsFor::Client, Waker::noop()));
    assert!(all.pause(answers, at(126), WaitsFor::Client, Waker::noop()));
    assert_eq!(all.poll_room(at(289), &config, Waker::noop()), Err(at(290)));
    assert_eq!(all.poll_room(at(290), &config, Waker::noop()), Ok(()));
    drop(bell);
}

#[test]
fn a_crowd_of_a_thousand_a_second_never_makes_a_newcomer_wait() {
    for places in [128, 1_024, 4_096] {
        let (all, mut config) = (Unfinished::default(), config(places));
        config.handshakes_per_ip_max = usize::MAX;
        let mut now = 0;
        for number in 0..20_000 {
            // One each millisecond, and now and then sixty that are late by as much.
            now += match number % 600 {
                0 => 60,
                1..60 => 0,
                _ => 1,
            };
            let room = all.poll_room(at(now), &config, Waker::noop());
            assert_eq!(room, Ok(()), "number {number} of {places} places");
            wait(&all, &config, at(now), 7);
        }
    }
}

#[test]
fn one_that_lingers_holds_no_place() {
    let (all, config) = (Unfinished::default(), config(1));
    let ip = [203, 0, 113, 1].into();
    let first = all.enter(Some(ip), &config).expect("few").id;
    assert!(all.poll_room(at(0), &config, Waker::noop()).is_err());
    assert!(all.pause(first, at(0), WaitsFor::End, Waker::noop()));
    assert_eq!(all.count(), 0);
    assert_eq!(all.poll_room(at(0), &config, Waker::noop()), Ok(()));
    let second = all.enter(Some(ip), &config).expect("few");
    assert!(
        second.evicted_for.is_none(),
        "nobody was ended before its time"
    );
    assert!(!all.pause(first, at(1), WaitsFor::End, Waker::noop()));
    assert_eq!(all.count(), 1);
}

#[test]
fn a_network_has_so_many_and_no_more() {
    let all = Unfinished::default();
    let mut config = config(1_000);
    let enter = |ip: &str, config: &Config| {
        let ip = ip.parse().expect("an address");
        all.enter(Some(ip), config).map(|entered| entered.id)
    };
    let first = enter("203.0.113.7", &config).expect("few");
    assert!(enter("::ffff:203.0.113.7", &config).is_some());
    assert_eq!(enter("203.0.113.7", &config), None);
    all.leave(first);
    assert!(enter("203.0.113.7", &config).is_some());
    // Each /64 has two, their /48 eight.
    for subnet in 0..4 {
        for host in ["::1", ":ffff::9"] {
            let ip = format!("2001:db8:1:{subnet}{host}");
            assert!(enter(&ip, &config).is_some(), "{ip}");
        }
        let ip = format!("2001:db8:1:{subnet}::7");
        assert_eq!(enter(&ip, &config), None, "{ip}");
    }
    assert_eq!(enter("2001:db8:1:4::1", &config), None, "the /48 has eight");
    assert!(enter("2001:db8:2::1", &config).is_some());
    for private in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1"] {
        for _ in 0..5 {
            assert!(enter(private, &config).is_some(), "{private}");
        }
    }
    config.addresses.limit_private_ips = true;
    for number in 0..3 {
        assert_eq!(enter("127.0.0.2", &config).is_some(), number < 2);
    }
    config.trusted_proxies = signal_access::TrustedProxies::new(["127.0.0.2"]).expect("one");
    assert!(enter("127.0.0.2", &config).is_some(), "a proxy is many");
}

#[test]
fn nothing_is_left_of_those_that_have_gone() {
    let (all, config) = (Unfinished::default(), config(4));
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut ids = Vec::new();
    for step in 0..5_000 {
        let ip = [203, 0, 113, random.u8(..6)].into();
        match (random.u8(..6), ids.get(random.usize(..8)).copied()) {
            (0..=1, _) => ids.extend(all.enter(Some(ip), &config).map(|entered| entered.id)),
            (2, Some(id)) => _ = all.pause(id, at(step), WaitsFor::Client, Waker::noop()),
            (3, Some(id)) => all.resume(id, at(step)),
            (4, Some(id)) => _ = all.pause(id, at(step), WaitsFor::End, Waker::noop()),
            (_, Some(id)) => {
                all.leave(id);
                ids.retain(|known| *known != id);
            }
            (_, None) => {}
        }
        let table = all.table.lock();
        let counted: usize = table.by_network.values().sum();
        assert_eq!(
            counted,
            table.entries.len() - table.lingering.len(),
            "seed {seed}, step {step}"
        );
        assert!(table.waiting.len() <= table.entries.len());
    }
    ids.into_iter().for_each(|id| all.leave(id));
    let table = all.table.lock();
    assert!(table.entries.is_empty() && table.by_network.is_empty());
    assert!(table.waiting.is_empty() && table.lingering.is_empty());
}

//! How a relay ends.

mod common;

use std::time::Duration;

use common::{UPGRADE, ask, open, relay};
use tokio::net::TcpListener;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn closes_are_spread_over_the_drain() {
    let relay = relay(|config| config.drain_seconds = 10);
    let mut peers = Vec::new();
    for _ in 0..100 {
        let mut peer = open(&relay).await;
        peers.push(tokio::spawn(async move {
            let close = peer.next().await.expect("a close");
            (close.close_code(), Instant::now())
        }));
    }
    let start = Instant::now();
    relay.drain().await;
    let took = start.elapsed();
    assert!(
        (8..=13).contains(&took.as_secs()),
        "the drain took {took:?}"
    );
    let mut in_each_second = [0; 14];
    for peer in peers {
        let (code, at) = peer.await.expect("a peer sees its close");
        assert_eq!(code, 1012);
        in_each_second[(at - start).as_secs() as usize] += 1;
    }
    // Ten are planned for each second. Closes are sent up to a step of 0.1 s early, and timers are
    // up to 2 ms late, so each end of a second can bring one of its neighbour's.
    assert!(
        in_each_second.iter().all(|count| *count <= 12),
        "a herd: {in_each_second:?}"
    );
    assert_eq!(relay.stats().peers, 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_when_the_last_peer_has_gone_by_itself() {
    let relay = relay(|config| config.drain_seconds = 600);
    let mut peers = Vec::new();
    for _ in 0..10 {
        peers.push(open(&relay).await);
    }
    let start = Instant::now();
    tokio::join!(relay.drain(), async { drop(peers) });
    let took = start.elapsed();
    assert!(took.as_secs() < 1, "the drain took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_draining_relay_serves_its_peers_and_takes_no_new_ones() {
    let relay = relay(|config| config.drain_seconds = 10);
    let mut peers = Vec::new();
    for _ in 0..50 {
        let mut peer = open(&relay).await;
        peer.subscribe("t").await;
        peer.settle().await;
        peers.push(peer);
    }
    let draining = tokio::spawn({
        let relay = relay.clone();
        async move { relay.drain().await }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (mut refused, head) = ask(&relay, UPGRADE).await;
    assert!(
        head.starts_with("HTTP/1.1 503 ") && (1..=5).contains(&common::retry_after(&head)),
        "{head}"
    );
    assert!(refused.rest().await.contains("restarts"));
    let (_, head) = ask(&relay, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    let (_, head) = ask(&relay, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");

    // Half of the peers are there still, and hear each other.
    let left = relay.stats().subscriptions;
    assert!(
        (1..50).contains(&left),
        "{left} of 50 left after half of the drain"
    );
    let mut heard = 0;
    for mut peer in peers {
        peer.publish("t", 1).await;
        heard += u64::from(peer.next().await.expect("something").first_byte == common::TEXT);
    }
    assert_eq!(heard, left);
    draining.await.expect("the drain ends");
}

#[tokio::test]
async fn serving_ends_with_the_drain() {
    let relay = relay(|config| config.drain_seconds = 0);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn({
        let relay = relay.clone();
        async move {
            relay
                .serve_with_shutdown(listener, async { drop(stopped.await) })
                .await
        }
    });
    let mut peer = common::open_tcp(address).await;
    peer.settle().await;
    stop.send(()).expect("the relay waits");
    assert_eq!(peer.next().await.expect("a close").close_code(), 1012);
    drop(peer);
    tokio::time::timeout(common::PATIENCE, serving)
        .await
        .expect("ended")
        .expect("no panic");
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "the listener is closed"
    );
}

/// `docker stop` kills after 10 s. They neither read nor answer their close, and one has not sent
/// the end of its request.
#[tokio::test(start_paused = true)]
async fn by_default_a_drain_of_mute_peers_ends_within_eight_seconds() {
    let relay = relay(|_| {});
    let mut peers = Vec::new();
    for _ in 0..20 {
        peers.push(open(&relay).await);
    }
    let start = Instant::now();
    relay.drain().await;
    let took = start.elapsed();
    assert!(
        (5_000..=8_200).contains(&took.as_millis()),
        "the drain took {took:?}"
    );
    drop(peers);
}

#[tokio::test(start_paused = true)]
async fn a_second_drain_waits_for_the_first() {
    let relay = relay(|config| config.drain_seconds = 3);
    let mut peer = open(&relay).await;
    let closed = tokio::spawn(async move { peer.next().await.expect("a close").close_code() });
    tokio::join!(relay.drain(), relay.drain());
    assert_eq!(closed.await.expect("a close"), 1012);
    relay.drain().await;
}

#[tokio::test]
async fn every_core_serves_the_same_relay() {
    let relay = relay(|config| config.drain_seconds = 0);
    let any = "127.0.0.1:0"
        .parse::<std::net::SocketAddr>()
        .expect("an address");
    let serving = relay.serve_per_core(any, 3).expect("a free port");
    let address = serving.local_address().expect("TCP");
    let taken = relay
        .serve_per_core(address, 2)
        .expect_err("the port is taken");
    let signal_tokio::ListenError::Bind { source, .. } = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);

    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = common::open_tcp(address).await;
        peer.subscribe("t").await;
        peer.settle().await;
        peers.push(peer);
    }
    peers[0].publish("t", 1).await;
    for peer in &mut peers {
        assert_eq!(peer.next_json().await["clients"], 20);
    }
    drop(peers);
    relay.drain().await;
    tokio::task::spawn_blocking(|| serving.join())
        .await
        .expect("all threads end");
}

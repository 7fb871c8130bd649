//! Whether the threads of a relay turn, for a watchdog.

mod common;

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use common::{PATIENCE, UPGRADE, config};
use signal_tokio::{Grant, Relay, UpgradeRequest};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_thread_that_hangs_keeps_the_watchdog_waiting() {
    // An authorizer that blocks its thread until the test lets it go on, which none should.
    let (has_come, came) = channel();
    let (go_on, goes_on) = channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let judge = move |_: &UpgradeRequest<'_>| {
        has_come.send(()).expect("the test waits");
        // It goes on when the test drops the other end.
        let _ = goes_on.lock().expect("one connection").recv();
        Ok(Grant::open())
    };
    let relay = Relay::with_authorizer(config(|config| config.drain_seconds = 0), judge);
    let relay = relay.expect("valid settings");
    let address = "127.0.0.1:0"
        .parse::<std::net::SocketAddr>()
        .expect("an address");
    let serving = relay.serve_per_core(address, 2).expect("a free port");
    assert!(serving.has_turned().await, "both threads are idle");

    let client = TcpStream::connect(serving.local_address().expect("TCP")).await;
    let mut client = client.expect("it listens");
    client
        .write_all(UPGRADE.as_bytes())
        .await
        .expect("it reads");
    tokio::task::spawn_blocking(move || came.recv_timeout(PATIENCE).map(|()| came))
        .await
        .expect("it ran")
        .expect("the authorizer is asked");
    let mut turned = Box::pin(serving.has_turned());
    let waited = tokio::time::timeout(Duration::from_millis(300), &mut turned).await;
    assert!(waited.is_err(), "one thread hangs");
    drop(go_on);
    assert!(turned.as_mut().await, "it turns again");
    drop(turned);

    drop(client);
    relay.drain().await;
    tokio::task::spawn_blocking(move || serving.join())
        .await
        .expect("the threads end");
}

#[tokio::test]
async fn threads_that_have_ended_do_not_turn() {
    let relay = common::relay(|config| config.drain_seconds = 0);
    let address = "127.0.0.1:0"
        .parse::<std::net::SocketAddr>()
        .expect("an address");
    let serving = relay.serve_per_core(address, 2).expect("a free port");
    relay.drain().await;
    let start = std::time::Instant::now();
    while serving.has_turned().await {
        assert!(start.elapsed() < PATIENCE, "the threads do not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

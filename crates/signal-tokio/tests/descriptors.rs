//! A process that has run out of file descriptors. A file of its own, because the limit holds for
//! the whole process.

#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_relay_without_descriptors_waits_for_some_and_serves_on() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(200);
    setrlimit(Resource::Nofile, limit).expect("lowering a limit is allowed");

    let relay = common::relay(|_| {});
    serve_without_descriptors(common::listen_in_reactors(&relay, 1)).await;
    serve_without_descriptors(common::listen(&relay).await).await;
}

async fn serve_without_descriptors(address: SocketAddr) {
    let mut before = common::open_tcp(address).await;
    before.subscribe("t").await;
    before.settle().await;

    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(hoard.len() < 200, "the limit does not hold");
    // One for the client's end; none is left for the relay's.
    hoard.pop();
    let stream = TcpStream::connect(address)
        .await
        .expect("the kernel's backlog takes it");
    let cpu_before = cpu_time();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let spent = cpu_time() - cpu_before;
    assert!(
        spent < Duration::from_millis(250),
        "spins: {spent:?} of processor time in 500 ms"
    );
    before.publish("t", 1).await;
    assert_eq!(
        before.next_json().await["clients"],
        1,
        "whom it has it serves"
    );

    drop(hoard);
    let mut late = common::Wire::open(stream).await;
    late.subscribe("t").await;
    late.publish("t", 2).await;
    assert_eq!(late.next_json().await["clients"], 2);
}

/// The processor time of this process.
fn cpu_time() -> Duration {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        clock.tv_sec.unsigned_abs(),
        clock.tv_nsec.unsigned_abs() as u32,
    )
}

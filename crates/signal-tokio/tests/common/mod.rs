//! A relay in this process, and clients of it.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file uses a part of it"
)]

use std::net::SocketAddr;

use signal_tokio::{Config, RefusalCause, Relay, Stats};
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};

pub use signal_testwire::{
    BINARY, CLOSE, Frame, PATIENCE, PING, PONG, TEXT, UPGRADE, Wire, frame, frame_header,
    frame_masked, header, retry_after, status, upgrade, upgrade_with,
};

/// The default settings with a change.
pub fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// Lets a peer publish more than one may, for tests that need a peer that does.
pub fn lift_budgets(config: &mut Config) {
    let core = &mut config.core;
    core.messages_burst = u32::MAX;
    core.bytes_burst = u32::MAX;
    core.fan_out_burst = u32::MAX;
    core.fan_out_bytes_burst = 1 << 40;
}

/// A relay with these settings and everybody let in.
pub fn relay(change: impl FnOnce(&mut Config)) -> Relay {
    Relay::new(config(change)).expect("valid settings")
}

/// The client's end of a fresh in-memory connection to the relay.
pub fn dial(relay: &Relay) -> DuplexStream {
    dial_by(relay, None)
}

/// The same from this address.
pub fn dial_from(relay: &Relay, remote: &str) -> DuplexStream {
    dial_by(relay, Some(remote.parse().expect("an address")))
}

fn dial_by(relay: &Relay, remote: Option<SocketAddr>) -> DuplexStream {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let relay = relay.clone();
    tokio::spawn(async move { relay.serve_stream(server, remote).await });
    client
}

/// Sends a request over an in-memory connection to the relay; the head of the answer.
pub async fn ask(relay: &Relay, request: &str) -> (Wire<DuplexStream>, String) {
    Wire::request(dial(relay), request).await
}

/// Opens an in-memory connection to the relay.
pub async fn open(relay: &Relay) -> Wire<DuplexStream> {
    Wire::open(dial(relay)).await
}

/// Serves the relay on a free port.
pub async fn listen(relay: &Relay) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let relay = relay.clone();
    tokio::spawn(async move { relay.serve(listener).await });
    address
}

/// Serves the relay on a free port, in the reactors of so many threads.
pub fn listen_in_reactors(relay: &Relay, threads: usize) -> SocketAddr {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let serving = relay.serve_per_core(any, threads).expect("a free port");
    serving.local_address().expect("TCP")
}

/// A TCP connection to a relay on which nothing has been said.
pub async fn connect_tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await;
    let stream = stream.expect("the relay listens");
    stream.set_nodelay(true).expect("a live socket");
    stream
}

/// Opens a WebSocket connection to a relay over TCP.
pub async fn open_tcp(address: SocketAddr) -> Wire<TcpStream> {
    Wire::open(connect_tcp(address).await).await
}

/// Waits until the relay's numbers are as wanted.
pub async fn until(relay: &Relay, what: &str, mut is_so: impl FnMut(&Stats) -> bool) {
    let is_in_time = signal_testwire::in_time(|| std::future::ready(is_so(&relay.stats()))).await;
    assert!(is_in_time, "not in time: {what}; {:?}", relay.stats());
}

/// How often the relay has refused a client for this.
pub fn count(relay: &Relay, cause: RefusalCause) -> u64 {
    let refusals = relay.stats().refusals;
    let known = refusals.iter().find(|(known, _)| *known == cause);
    known.expect("every cause is counted").1
}

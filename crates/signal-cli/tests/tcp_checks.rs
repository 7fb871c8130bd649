//! Balancers that only see whether a port opens: they page nobody.
//!
//! `examples/prometheus/alerts_test.yml` plays the hour of probes below against the alert's rule.

#![cfg(unix)]

mod common;

use common::Relay;
use common::certificate::Certificate;
use signal_testwire::until;
use tokio::net::TcpSocket;

/// As many as two balancers make in an hour, each of them every 10 s.
const PROBES: usize = 2 * 360;

#[tokio::test]
async fn an_hour_of_tcp_checks_is_not_a_refusal() {
    probe(&[]).await;
    let certificate = Certificate::new();
    let (cert, key) = (certificate.path(), certificate.key_path());
    let [cert, key] = [&cert, &key].map(|path| path.to_str().expect("UTF-8"));
    probe(&["--tls-cert", cert, "--tls-key", key]).await;
}

async fn probe(arguments: &[&str]) {
    let admin = ["--admin-listen", "127.0.0.1:0"];
    let relay = Relay::start(&[&admin[..], arguments].concat());
    let address = relay.address().parse().expect("an address");
    for number in 0..PROBES {
        let socket = TcpSocket::new_v4().expect("a socket");
        if number % 2 == 0 {
            // It resets what it opened, the other closes it.
            socket.set_zero_linger().expect("an option");
        }
        drop(socket.connect(address).await.expect("it listens"));
    }
    let all_are_gone = async || metrics(&relay).contains("\nsignal_handshakes 0\n");
    until("the probes are gone", all_are_gone).await;
    let metrics = metrics(&relay);
    let refusals = metrics
        .lines()
        .filter(|line| line.starts_with("signal_refusals_total{"));
    let counted: Vec<&str> = refusals.filter(|line| !line.ends_with(" 0")).collect();
    assert_eq!(counted, [""; 0], "{arguments:?}");
}

fn metrics(relay: &Relay) -> String {
    let admin = relay.listening["admin"].as_str().expect("an address");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    signal_testwire::ask(admin, &request).body
}

//! Whose limits count for a client behind proxies.

mod common;

use common::{Wire, dial_from, relay, status, upgrade};
use signal_tokio::{Grant, Relay, TrustedProxies, UpgradeRequest};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

/// Upgrades from `remote`, an address of the internet or of a proxy.
async fn knock(relay: &Relay, remote: &str, lines: &[&str]) -> (Wire<DuplexStream>, String) {
    ask(dial_from(relay, remote), lines).await
}

async fn ask<Io>(io: Io, lines: &[&str]) -> (Wire<Io>, String)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let headers = lines.iter().map(|line| line.split_once(": "));
    let headers: Option<Vec<_>> = headers.collect();
    Wire::request(io, &upgrade("/", &headers.expect("headers"))).await
}

/// A relay that lets one peer in from each address, behind these proxies.
fn one_for_each_address(proxies: &[&str]) -> Relay {
    relay(|config| {
        config.addresses.peers_per_ip_max = 1;
        config.trusted_proxies = TrustedProxies::new(proxies.iter().copied()).expect("networks");
    })
}

#[tokio::test(start_paused = true)]
async fn clients_behind_a_proxy_are_limited_each_for_itself() {
    let relay = one_for_each_address(&["10.0.0.0/8"]);
    let (_ann, head) = knock(&relay, "10.0.0.1:5", &["X-Forwarded-For: 203.0.113.7"]).await;
    assert_eq!(status(&head), 101);
    let (_ben, head) = knock(&relay, "10.0.0.1:6", &["X-Forwarded-For: 203.0.113.8"]).await;
    assert_eq!(status(&head), 101, "another client of the same proxy");
    for again in [
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-For: 198.51.100.1, 203.0.113.7",
        "X-Forwarded-For: 203.0.113.7, 10.2.2.2",
        "x-forwarded-for: 203.0.113.7:4711",
        "X-Forwarded-For: ::ffff:203.0.113.7",
    ] {
        let (_, head) = knock(&relay, "10.0.0.2:7", &[again]).await;
        assert_eq!(status(&head), 429, "{again}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_headers_are_one_list() {
    let relay = one_for_each_address(&["10.0.0.0/8"]);
    let forged_first = [
        "X-Forwarded-For: 198.51.100.1",
        "X-Forwarded-For: [2001:db8:1:2::7]:99, 10.3.3.3",
        "X-Forwarded-For: 10.4.4.4",
    ];
    let (_ann, head) = knock(&relay, "10.0.0.1:5", &forged_first).await;
    assert_eq!(status(&head), 101);
    let neighbour = ["X-Forwarded-For: 2001:db8:1:2:ffff::1"];
    let (_, head) = knock(&relay, "10.0.0.1:6", &neighbour).await;
    assert_eq!(status(&head), 429, "the same /64");
    let (_other, head) = knock(&relay, "10.0.0.1:7", &["X-Forwarded-For: 198.51.100.1"]).await;
    assert_eq!(status(&head), 101, "who was named by forgery only");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_believed_from_a_stranger() {
    let relay = one_for_each_address(&["10.0.0.0/8"]);
    let (_ann, head) = knock(&relay, "203.0.113.7:5", &["X-Forwarded-For: 10.0.0.9"]).await;
    assert_eq!(status(&head), 101);
    for forged in ["198.51.100.1", "10.0.0.9", "127.0.0.1", "unknown"] {
        let line = format!("X-Forwarded-For: {forged}");
        let (_, head) = knock(&relay, "203.0.113.7:6", &[&line]).await;
        assert_eq!(status(&head), 429, "{forged}");
    }
    let (_victim, head) = knock(&relay, "198.51.100.1:5", &[]).await;
    assert_eq!(status(&head), 101, "nobody else has used up a place");
}

#[tokio::test(start_paused = true)]
async fn a_hop_that_is_not_an_address_leaves_the_proxy_before_it() {
    // Not private, so that it is held to the limits itself.
    let relay = one_for_each_address(&["192.0.2.0/24"]);
    for (place, line) in [
        (101, "X-Forwarded-For: 203.0.113.7, unknown"),
        (429, "X-Forwarded-For: _hidden"),
        (429, "X-Forwarded-For: 203.0.113.7,"),
        (429, "X-Forwarded-For: \u{fc}"),
        (101, "X-Forwarded-For: 203.0.113.7, 192.0.2.9, 192.0.2.8"),
    ] {
        let (wire, head) = knock(&relay, "192.0.2.1:5", &[line]).await;
        assert_eq!(status(&head), place, "{line}");
        // The places taken are kept.
        std::mem::forget(wire);
    }
}

#[tokio::test(start_paused = true)]
async fn private_clients_of_a_proxy_are_left_alone_too() {
    let relay = one_for_each_address(&["192.0.2.1"]);
    for _ in 0..3 {
        let line = ["X-Forwarded-For: 203.0.113.7, 10.1.2.3"];
        let (wire, head) = knock(&relay, "192.0.2.1:5", &line).await;
        assert_eq!(status(&head), 101);
        std::mem::forget(wire);
    }
}

/// What an authorizer is told, through a socket.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_authorizer_sees_the_client_and_the_proxy() {
    use signal_tokio::Refusal;
    use tokio::net::TcpSocket;

    let judge = |request: &UpgradeRequest<'_>| -> Result<Grant, _> {
        let (client, remote) = (request.client, request.remote.map(|remote| remote.ip()));
        Err(Refusal::new(403, format!("{client:?} {remote:?}")))
    };
    let config = common::config(|config| {
        config.trusted_proxies = TrustedProxies::new(["127.0.0.2"]).expect("an address");
    });
    let relay = Relay::with_authorizer(config, judge).expect("valid settings");
    let address = common::listen(&relay).await;
    for (from, told) in [
        ("127.0.0.2:0", "Some(203.0.113.7) Some(127.0.0.2)"),
        ("127.0.0.3:0", "Some(127.0.0.3) Some(127.0.0.3)"),
    ] {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind(from.parse().expect("an address"))
            .expect("loopback");
        let stream = socket.connect(address).await.expect("the relay listens");
        let (mut wire, _) = ask(stream, &["X-Forwarded-For: 203.0.113.7"]).await;
        assert_eq!(wire.rest().await, told);
    }
}

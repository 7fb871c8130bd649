//! The proxy configurations of `examples/`, in the proxies themselves. `SIGNAL_NGINX` and
//! `SIGNAL_CADDY` name them; `cargo xtask test` installs them.

#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod hops;
mod process;

use std::io::{Read, Write};
use std::net::TcpListener;

use common::certificate::Certificate;
use common::{PATIENCE, Relay};
use process::{Proxy, caddy, nginx};
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const SECRET: &str = "a-token-that-no-log-may-show";

#[tokio::test]
async fn peers_find_each_other_through_nginx() {
    peers_find_each_other(nginx, &[]).await;
}

/// So it asks its backends unless it is told otherwise, and y-webrtc's server takes it.
#[tokio::test]
async fn peers_find_each_other_through_an_nginx_that_speaks_http_1_0() {
    let older = ("proxy_http_version 1.1", "proxy_http_version 1.0");
    peers_find_each_other(nginx, &[older]).await;
}

#[tokio::test]
async fn peers_find_each_other_through_caddy() {
    peers_find_each_other(caddy, &[]).await;
}

#[tokio::test]
async fn nginx_logs_no_token() {
    no_token_is_logged(nginx).await;
}

#[tokio::test]
async fn caddy_logs_no_token() {
    no_token_is_logged(caddy).await;
}

#[tokio::test]
async fn nginx_names_the_client_and_nobody_else() {
    the_client_is_named(nginx).await;
}

#[tokio::test]
async fn caddy_names_the_client_and_nobody_else() {
    the_client_is_named(caddy).await;
}

type Start = fn(&Certificate, &str, &[(&str, &str)]) -> Option<Proxy>;

async fn peers_find_each_other(start: Start, changes: &[(&str, &str)]) {
    let relay = Relay::start(&[]);
    let certificate = Certificate::new();
    let Some(proxy) = start(&certificate, relay.address(), changes) else {
        return;
    };
    let connect = || async {
        let connected = certificate.connect(proxy.port, "/").await;
        connected.unwrap_or_else(|error| panic!("{error}\n{}", proxy.logs()))
    };
    let (mut ann, mut bob) = (connect().await, connect().await);
    bob.subscribe("room").await;
    ann.publish("room", json!("hello")).await;
    let message = json!({"type": "publish", "topic": "room", "data": "hello", "clients": 1});
    assert_eq!(bob.receive().await, message);
}

/// Neither of a connection that came about, nor of one that failed because the relay is down.
async fn no_token_is_logged(start: Start) {
    let relay = Relay::start(&[]);
    let certificate = Certificate::new();
    let Some(mut proxy) = start(&certificate, relay.address(), &[]) else {
        return;
    };
    let connected = connect_with_secrets(&certificate, proxy.port, "/open").await;
    drop(connected.unwrap_or_else(|error| panic!("{error}\n{}", proxy.logs())));
    proxy.until_logged("/open");
    drop(relay);
    let refused = connect_with_secrets(&certificate, proxy.port, "/down").await;
    assert!(refused.is_err());
    proxy.until_logged("/down");
    proxy.stop();
    let logs = proxy.logs();
    assert!(logs.contains("502"), "{logs}");
    assert!(!logs.contains(SECRET), "{logs}");
}

/// Shows the token in every way that there is.
async fn connect_with_secrets(
    certificate: &Certificate,
    port: u16,
    path: &str,
) -> Result<common::Peer, String> {
    let url = format!("wss://localhost:{port}{path}?token={SECRET}");
    let mut request = url.into_client_request().expect("a request");
    let carriers = [
        ("Sec-WebSocket-Protocol", format!("signal-token, {SECRET}")),
        ("Authorization", format!("Bearer {SECRET}")),
    ];
    for (name, value) in carriers {
        let value = value.parse().expect("a value");
        request.headers_mut().insert(name, value);
    }
    certificate.request(port, request).await
}

/// What a client writes into `X-Forwarded-For` is not passed on; its address is.
async fn the_client_is_named(start: Start) {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = upstream.local_addr().expect("bound").to_string();
    let certificate = Certificate::new();
    let Some(proxy) = start(&certificate, &address, &[]) else {
        return;
    };
    let head = std::thread::spawn(move || {
        let (mut stream, _) = upstream.accept().expect("the proxy connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        String::from_utf8(head).expect("text")
    });
    let url = format!("wss://localhost:{}/", proxy.port);
    let mut request = url.into_client_request().expect("a request");
    for forged in ["203.0.113.9", "203.0.113.10, 127.0.0.1"] {
        let value = forged.parse().expect("a value");
        request.headers_mut().append("X-Forwarded-For", value);
    }
    let refused = certificate.request(proxy.port, request).await;
    assert!(refused.is_err());
    let head = head.join().expect("a request").to_ascii_lowercase();
    let named: Vec<_> = head
        .lines()
        .filter(|line| line.starts_with("x-forwarded-for:"))
        .collect();
    assert_eq!(named, ["x-forwarded-for: 127.0.0.1"], "{head}");
    for line in ["upgrade: websocket", "connection: upgrade"] {
        assert!(head.lines().any(|found| found == line), "{line}\n{head}");
    }
}

/// The relay's pings keep an idle connection alive; one without pings is cut by the proxy, which
/// shows that its timeout works.
#[tokio::test]
async fn pings_outlast_the_idle_timeout_of_nginx() {
    let timeouts = [
        ("proxy_read_timeout 75s", "proxy_read_timeout 5s"),
        ("proxy_send_timeout 75s", "proxy_send_timeout 5s"),
    ];
    let certificate = Certificate::new();
    let relay = Relay::start(&["--ping-interval", "1s"]);
    let silent = Relay::start(&["--ping-interval", "60s"]);
    let Some(proxy) = nginx(&certificate, relay.address(), &timeouts) else {
        return;
    };
    let to_silent = nginx(&certificate, silent.address(), &timeouts).expect("nginx starts again");

    let pinged = certificate.connect(proxy.port, "/").await;
    let mut pinged = pinged.expect("an upgrade");
    let unpinged = certificate.connect(to_silent.port, "/").await;
    let mut unpinged = unpinged.expect("an upgrade");
    // The clock of this test is nginx's: a client that is not pinged is cut, and later than the
    // other one would have been.
    let cut = tokio::select! {
        cut = unpinged.closed() => cut,
        () = pinged.answer_pings(usize::MAX) => unreachable!("so many pings"),
    };
    assert_eq!(cut, None, "cut by nginx, without a close frame");
    pinged.ping().await;
}

/// The proxies wait longer than the relay is silent.
#[test]
fn the_timeout_of_nginx_fits_the_ping() {
    let text = include_str!("../../../../examples/nginx/signal.conf");
    let config = signal_tokio::Config::default();
    let two_pings = 2 * config.core.ping_interval.as_secs();
    for name in ["proxy_read_timeout", "proxy_send_timeout"] {
        let value = text.split(name).nth(1).expect("the setting");
        let seconds = value.trim_start().split('s').next().expect("seconds");
        let seconds: u64 = seconds.parse().expect("a number");
        assert!(seconds > two_pings, "{name} is {seconds} s");
    }
}

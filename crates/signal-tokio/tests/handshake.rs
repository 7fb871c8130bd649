//! How connections come in over `serve_per_core`, and that the other ways in answer the same, as
//! does a server that others have written.

mod common;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use common::{
    CLOSE, PING, TEXT, UPGRADE, Wire, connect_tcp, count, dial, frame, listen_in_reactors,
    open_tcp, relay, retry_after, status, until, upgrade_with,
};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use signal_tokio::bytes::Bytes;
use signal_tokio::http::Request;
use signal_tokio::http::header::{CONNECTION, HeaderValue};
use signal_tokio::{
    Authorization, Authorizer, Config, Grant, Refusal, RefusalCause, Relay, Upgrade, UpgradeRequest,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

const SUBSCRIBE: &[u8] = br#"{"type":"subscribe","topics":["t"]}"#;
const PUBLISH: &[u8] = br#"{"type":"publish","topic":"t","data":1}"#;

/// Serves on one thread: what comes in, comes in there.
fn serve(relay: &Relay) -> SocketAddr {
    listen_in_reactors(relay, 1)
}

/// A connection on which nothing has been said.
async fn connect(address: SocketAddr) -> Wire<TcpStream> {
    Wire::start(connect_tcp(address).await)
}

#[derive(Debug, Eq, PartialEq)]
struct Answer {
    status: u16,
    headers: BTreeSet<String>,
    body: String,
}

/// The answer to a request, without what differs each time and without the case of names.
async fn ask<Io: AsyncRead + AsyncWrite + Unpin>(io: Io, request: &str) -> Answer {
    let (mut wire, head) = Wire::request(io, request).await;
    let status = status(&head);
    let is_steady = |line: &String| !line.starts_with("date:") && !line.starts_with("retry-after:");
    let body = if status == 101 {
        wire.send_frame(CLOSE, &1000_u16.to_be_bytes()).await;
        assert_eq!(wire.next().await.expect("a close").close_code(), 1000);
        String::new()
    } else {
        wire.rest().await
    };
    let (_, headers) = head.trim_end().split_once("\r\n").unwrap_or_default();
    let lower = headers.lines().map(|line| match line.split_once(':') {
        Some((name, value)) => format!("{}:{value}", name.to_lowercase()),
        None => line.to_owned(),
    });
    Answer {
        status,
        headers: lower.filter(is_steady).collect(),
        body,
    }
}

/// The client's end of a connection to the relay behind hyper's HTTP server.
fn dial_hyper(relay: &Relay) -> DuplexStream {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let relay = relay.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let relay = relay.clone();
        async move {
            let on_upgrade = hyper::upgrade::on(&mut request);
            let (parts, _body) = request.into_parts();
            let Upgrade {
                mut response,
                admission,
                ..
            } = relay.upgrade(&parts, None).await;
            if let Some(admission) = admission {
                tokio::spawn(async move {
                    let io = TokioIo::new(on_upgrade.await.expect("it is answered"));
                    relay.accept(io, Bytes::new(), admission).await;
                });
            } else {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(response.map(Full::new))
        }
    });
    tokio::spawn(async move {
        let connection = http1::Builder::new()
            .half_close(true)
            .max_headers(500)
            .max_header_size(16 * 1024)
            .serve_connection(TokioIo::new(server), service)
            .with_upgrades();
        // What it cannot read it answers, and calls an error.
        let _ = connection.await;
    });
    client
}

/// Where we differ from hyper, and why.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Difference {
    None,
    /// Its own refusals have no body; ours say why.
    Body,
    /// It upgrades no HTTP/1.0 connection, the reference does.
    Upgrade,
}

#[tokio::test]
async fn answers_are_those_of_the_other_ways_in_and_of_another_server() {
    let judge = |request: &UpgradeRequest<'_>| match request.uri.path() {
        "/closed" => Err(Refusal::new(401, "who are you?")),
        _ => Ok(Grant::open()),
    };
    let relay = Relay::with_authorizer(Config::default(), judge).expect("valid settings");
    let address = serve(&relay);
    let many = |count| format!("\r\n{}\r\n", "X-A: 1\r\n".repeat(count));
    use Difference::{Body, None, Upgrade};
    for (request, difference) in [
        (UPGRADE.to_owned(), None),
        (
            upgrade_with("Host", "Sec-WebSocket-Protocol: a, b\r\nHost"),
            None,
        ),
        (
            upgrade_with("Host", "Sec-WebSocket-Protocol: signal-token, x\r\nHost"),
            None,
        ),
        (
            upgrade_with("Connection: Upgrade", "connection:  keep-alive ,uPgrade"),
            None,
        ),
        (upgrade_with("\r\n\r\n", &many(30)), None),
        (upgrade_with("\r\n\r\n", &many(50)), None),
        (upgrade_with("\r\n\r\n", &many(59)), None),
        (upgrade_with("\r\n\r\n", &many(60)), None),
        (upgrade_with("\r\n\r\n", &many(495)), None),
        (upgrade_with("\r\n\r\n", &many(496)), Body),
        (upgrade_with("\r\n\r\n", &many(600)), Body),
        (
            upgrade_with("\r\n\r\n", "\r\nX: 1\r\n folded\r\n\r\n"),
            Body,
        ),
        (upgrade_with("GET / ", "GET /closed "), None),
        (upgrade_with("GET / ", "GET /a/b?c=d#e "), None),
        (upgrade_with("GET / ", "GET nowhere "), None),
        (upgrade_with("GET / ", "GET ws://localhost/a "), None),
        (upgrade_with("GET", "POST"), None),
        (upgrade_with("GET", "HEAD"), None),
        (upgrade_with("HTTP/1.1", "HTTP/1.0"), Upgrade),
        // As nginx does with `proxy_set_header Host ""`.
        (
            upgrade_with("Host", "X-Other").replace("HTTP/1.1", "HTTP/1.0"),
            Upgrade,
        ),
        (upgrade_with("HTTP/1.1", "HTTP/3.0"), Body),
        (upgrade_with("Upgrade: websocket", "Upgrade: h2c"), None),
        (
            upgrade_with("Connection: Upgrade", "Connection: close"),
            None,
        ),
        (upgrade_with("Version: 13", "Version: 8"), None),
        (
            upgrade_with("Version: 13", "Version: 13\r\nSec-WebSocket-Version: 13"),
            None,
        ),
        (upgrade_with("Key: dGhl", "Key: !"), None),
        (
            upgrade_with("Host", "Content-Length: 5\r\nHost") + "abcde",
            None,
        ),
        (upgrade_with("Host", "Content-Length: x\r\nHost"), Body),
        (
            upgrade_with("Host", "Transfer-Encoding: chunked\r\nHost") + "0\r\n\r\n",
            None,
        ),
        (
            upgrade_with("Host", "Transfer-Encoding: gzip\r\nHost"),
            Body,
        ),
        (upgrade_with("Host", "No colon here\r\nHost"), Body),
        (upgrade_with("Host", "Not"), None),
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), None),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), None),
        ("GET /readyz HTTP/1.1\nHost: a\n\n".to_owned(), None),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), None),
        ("HEAD /limits HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), None),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2), None),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
            None,
        ),
        ("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_owned(), Body),
    ] {
        let here = ask(connect(address).await.io, &request).await;
        let there = ask(dial(&relay), &request).await;
        assert_eq!(here, there, "{request}");
        if difference == Upgrade {
            assert_eq!(here.status, 101, "{request}");
            continue;
        }
        let theirs = ask(dial_hyper(&relay), &request).await;
        if difference == Body {
            assert_eq!(here.status, theirs.status, "{request}");
            assert!(theirs.body.is_empty() && !here.body.is_empty(), "{request}");
        } else {
            assert_eq!(here, theirs, "{request}");
        }
    }
    until(&relay, "all are gone", |stats| {
        stats.peers == 0 && stats.handshakes == 0
    })
    .await;
}

#[tokio::test]
async fn what_follows_the_request_belongs_to_the_connection() {
    let relay = relay(|_| {});
    let address = serve(&relay);
    let frames = [frame(TEXT, SUBSCRIBE), frame(TEXT, PUBLISH)].concat();
    let request = [UPGRADE.as_bytes(), &frames].concat();
    for cut in [
        request.len(),
        request.len() - 1,
        UPGRADE.len() + 3,
        UPGRADE.len() - 1,
        1,
    ] {
        let mut wire = connect(address).await;
        let connections = relay.stats().connections;
        wire.send_raw(&request[..cut]).await;
        if cut < UPGRADE.len() {
            until(&relay, "the first piece is read", |stats| {
                stats.handshakes == 1
            })
            .await;
        } else {
            let head = wire.head().await;
            assert_eq!(status(&head), 101, "cut after {cut} bytes");
        }
        wire.send_raw(&request[cut..]).await;
        if cut < UPGRADE.len() {
            assert_eq!(status(&wire.head().await), 101, "cut after {cut} bytes");
        }
        assert_eq!(wire.next_json().await["data"], 1, "cut after {cut} bytes");
        assert!(relay.stats().connections >= connections);
    }
}

#[tokio::test]
async fn a_request_byte_by_byte_is_a_request() {
    let relay = relay(|_| {});
    let mut wire = connect(serve(&relay)).await;
    for byte in UPGRADE.bytes() {
        wire.send_raw(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&wire.head().await), 101);
    wire.settle().await;
}

#[tokio::test]
async fn a_client_that_sends_no_request_is_timed_out() {
    let timeout = Duration::from_millis(300);
    let relay = relay(|config| config.handshake_timeout = timeout);
    let address = serve(&relay);
    for sent in ["", "GET / HTTP/1.1\r\n", &UPGRADE[..UPGRADE.len() - 1]] {
        let start = std::time::Instant::now();
        let mut wire = connect(address).await;
        wire.send_raw(sent.as_bytes()).await;
        assert_eq!(status(&wire.head().await), 408, "{sent}");
        // The relay counts in whole milliseconds.
        let waited = start.elapsed() + Duration::from_millis(1);
        assert!(waited >= timeout, "after {waited:?}");
        assert_eq!(wire.rest().await, "the request took too long");
    }
    until(&relay, "all are gone", |stats| stats.handshakes == 0).await;
    let stats = relay.stats();
    assert_eq!((stats.connections, stats.upgrades), (3, 0));
    // Who has not sent a byte is not refused: balancers look so whether somebody listens.
    assert_eq!(count(&relay, RefusalCause::BadHead), 2);
}

#[tokio::test]
async fn a_client_that_leaves_before_its_request_is_forgotten() {
    let relay = relay(|_| {});
    let address = serve(&relay);
    for sent in ["", "GET / HTT"] {
        for resets in [false, true] {
            let mut wire = connect(address).await;
            wire.send_raw(sent.as_bytes()).await;
            until(&relay, "it is noticed", |stats| stats.handshakes == 1).await;
            if resets {
                wire.io.set_zero_linger().expect("a live socket");
            }
            drop(wire);
            until(&relay, "it is forgotten", |stats| stats.handshakes == 0).await;
        }
    }
    assert_eq!(relay.stats().connections, 4);
}

#[tokio::test]
async fn refusals_say_when_to_try_again() {
    let relay = relay(|config| {
        config.addresses.limit_private_ips = true;
        config.addresses.peers_per_ip_max = 1;
        config.drain_seconds = 1;
    });
    let address = serve(&relay);
    let mut first = open_tcp(address).await;
    let refused = |cause, expected| {
        let relay = relay.clone();
        async move {
            let (mut wire, head) = Wire::request(connect(address).await.io, UPGRADE).await;
            assert_eq!(status(&head), expected);
            assert!(head.contains("Connection: close"), "{head}");
            assert!(retry_after(&head) > 0, "{head}");
            assert!(!wire.rest().await.is_empty(), "a reason");
            assert_eq!(count(&relay, cause), 1);
        }
    };
    refused(RefusalCause::PeersPerIp, 429).await;
    first.settle().await;
    let drain = tokio::spawn({
        let relay = relay.clone();
        async move { relay.drain().await }
    });
    until(&relay, "it drains", |stats| {
        stats.lifecycle == signal_tokio::Lifecycle::Draining
    })
    .await;
    refused(RefusalCause::Draining, 503).await;
    assert_eq!(first.next().await.expect("a close").close_code(), 1012);
    drop(first);
    drain.await.expect("it has drained");
}

/// All their requests lie in the kernel before the relay accepts the first of them.
#[tokio::test]
async fn clients_that_come_all_at_once_are_served() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let request = signal_testwire::upgrade("/", &[]);
    let come = || {
        let mut client = std::net::TcpStream::connect(address).expect("a listener");
        client.write_all(request.as_bytes()).expect("room");
        client
    };
    let mut here: Vec<_> = (0..100).map(|_| come()).collect();
    let relay = relay(|config| config.handshakes_max = 16);
    let _serving = relay.serve_per_core(listener, 1).expect("a listener");
    for client in &mut here {
        let mut status = [0; 12];
        client.read_exact(&mut status).expect("an answer");
        assert_eq!(&status, b"HTTP/1.1 101");
    }
    until(&relay, "all are here", |stats| stats.peers == 100).await;
    drop(here);
    until(&relay, "all are gone", |stats| stats.peers == 0).await;
}

/// Takes its time for `/slow`, never answers `/never` and panics at `/panic`.
struct Judge;

impl Authorizer for Judge {
    fn authorize<'a>(&'a self, request: &'a UpgradeRequest<'a>) -> Authorization<'a> {
        Box::pin(async move {
            match request.uri.path() {
                "/slow" => tokio::time::sleep(Duration::from_millis(20)).await,
                "/slow-no" => {
                    tokio::task::yield_now().await;
                    return Err(Refusal::new(403, "not you"));
                }
                "/never" => std::future::pending().await,
                "/panic" => panic!("a mistake of the authorizer"),
                _ => {}
            }
            Ok(Grant::open().into())
        })
    }
}

#[tokio::test]
async fn an_authorizer_may_take_its_time() {
    let mut config = Config::default();
    config.handshake_timeout = Duration::from_millis(300);
    let relay = Relay::with_authorizer(config, Judge).expect("valid settings");
    let address = serve(&relay);
    let mut never = connect(address).await;
    never
        .send_raw(upgrade_with("GET / ", "GET /never ").as_bytes())
        .await;
    let mut slow = connect(address).await;
    let frames = [frame(TEXT, SUBSCRIBE), frame(TEXT, PUBLISH)].concat();
    slow.send_raw(upgrade_with("GET / ", "GET /slow ").as_bytes())
        .await;
    slow.send_raw(&frames).await;
    open_tcp(address).await.settle().await;
    assert_eq!(status(&slow.head().await), 101);
    assert_eq!(slow.next_json().await["data"], 1);
    let (mut refused, head) = Wire::request(
        connect(address).await.io,
        &upgrade_with("GET / ", "GET /slow-no "),
    )
    .await;
    assert_eq!(status(&head), 403);
    assert_eq!(refused.rest().await, "not you");
    let head = never.head().await;
    assert_eq!(status(&head), 503);
    assert!(retry_after(&head) > 0, "{head}");
    until(&relay, "only one is left", |stats| {
        stats.peers == 1 && stats.handshakes == 0
    })
    .await;
}

#[tokio::test]
async fn an_authorizer_that_panics_ends_one_connection() {
    let relay = Relay::with_authorizer(Config::default(), Judge).expect("valid settings");
    let address = serve(&relay);
    let mut peer = open_tcp(address).await;
    let mut wire = connect(address).await;
    wire.send_raw(upgrade_with("GET / ", "GET /panic ").as_bytes())
        .await;
    assert_eq!(wire.rest().await, "");
    peer.settle().await;
    open_tcp(address).await.settle().await;
    until(&relay, "it is forgotten", |stats| {
        stats.handshakes == 0 && stats.peers <= 1
    })
    .await;
}

#[tokio::test]
async fn a_close_is_answered_and_then_the_connection_ends() {
    let relay = relay(|_| {});
    let address = serve(&relay);
    for behind in [Vec::new(), frame(PING, b"too late")] {
        let mut wire = open_tcp(address).await;
        let close = frame(CLOSE, &1001_u16.to_be_bytes());
        wire.send_raw(&[close, behind].concat()).await;
        assert_eq!(wire.next().await.expect("a close").close_code(), 1001);
        assert_eq!(wire.next().await, None);
        until(&relay, "it is forgotten", |stats| stats.peers == 0).await;
    }
    // Half a connection is not one.
    let mut wire = open_tcp(address).await;
    wire.io.shutdown().await.expect("a live socket");
    assert_eq!(wire.next().await, None);
}

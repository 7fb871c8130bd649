//! Clients that a proxy names in a header of the PROXY protocol.

mod common;

use std::net::SocketAddr;

use common::{UPGRADE, Wire, upgrade};
use signal_tokio::{Config, Grant, Refusal, RefusalCause, Relay, TrustedProxies, UpgradeRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Of 203.0.113.7, with 9 bytes that are not addresses.
const V2_PROXIED: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x15\xcb\0\x71\x07\x0a\0\0\x01\x12\x67\x11\x5c\x05\0\x06unique";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// A relay that answers each upgrade with the client and the other end of its socket. Only
/// 127.0.0.2 is a proxy.
fn asks_who(change: impl FnOnce(&mut Config)) -> Relay {
    let judge = |request: &UpgradeRequest<'_>| -> Result<Grant, _> {
        let remote = request.remote.map(|remote| remote.ip());
        Err(Refusal::new(
            403,
            format!("{:?} {remote:?}", request.client),
        ))
    };
    let config = common::config(|config| {
        config.proxy_protocol = true;
        config.trusted_proxies = TrustedProxies::new(["127.0.0.2"]).expect("an address");
        change(config);
    });
    Relay::with_authorizer(config, judge).expect("valid settings")
}

/// In tasks, and in a reactor.
async fn serve(relay: &Relay) -> [SocketAddr; 2] {
    [
        common::listen(relay).await,
        common::listen_in_reactors(relay, 1),
    ]
}

async fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let from = format!("{from}:0").parse().expect("an address");
    socket.bind(from).expect("loopback");
    socket.connect(to).await.expect("the relay listens")
}

/// What a connection that begins so is told, in pieces of this size.
async fn told(from: &str, to: SocketAddr, bytes: &[u8], piece: usize) -> String {
    let mut stream = connect(from, to).await;
    stream.set_nodelay(true).expect("a flag");
    for piece in bytes.chunks(piece) {
        // It may be closed already.
        if stream.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    // A reset counts as an end.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).expect("text");
    answer
        .rsplit("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_trusted_proxy_names_the_client_in_either_version() {
    let relay = asks_who(|_| {});
    for to in serve(&relay).await {
        for (header, who) in [
            (
                &b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 4444\r\n"[..],
                "Some(203.0.113.7) Some(203.0.113.7)",
            ),
            (
                b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n",
                "Some(2001:db8::7) Some(2001:db8::7)",
            ),
            (
                b"PROXY TCP6 ::ffff:203.0.113.7 ::1 4711 443\r\n",
                "Some(203.0.113.7) Some(203.0.113.7)",
            ),
            (V2_PROXIED, "Some(203.0.113.7) Some(203.0.113.7)"),
            // The proxy's own.
            (b"PROXY UNKNOWN\r\n", "Some(127.0.0.2) Some(127.0.0.2)"),
            (V2_LOCAL, "Some(127.0.0.2) Some(127.0.0.2)"),
        ] {
            let whole = [header, UPGRADE.as_bytes()].concat();
            for piece in [1, 7, 4_096] {
                let answer = told("127.0.0.2", to, &whole, piece).await;
                assert_eq!(answer, who, "{}", String::from_utf8_lossy(header));
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_proxy_before_the_proxy_says_is_read_too() {
    let relay = asks_who(|config| {
        config.trusted_proxies =
            TrustedProxies::new(["127.0.0.2", "10.0.0.0/8"]).expect("networks");
    });
    for to in serve(&relay).await {
        let forwarded = upgrade("/", &[("X-Forwarded-For", "198.51.100.9")]);
        for (source, who) in [
            ("10.1.2.3", "Some(198.51.100.9) Some(10.1.2.3)"),
            ("203.0.113.7", "Some(203.0.113.7) Some(203.0.113.7)"),
        ] {
            let all = format!("PROXY TCP4 {source} 10.0.0.1 1 2\r\n{forwarded}");
            assert_eq!(told("127.0.0.2", to, all.as_bytes(), 4_096).await, who);
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_trusted_proxy_without_the_header_is_closed_without_an_answer() {
    let relay = asks_who(|_| {});
    let mut count = 0;
    for to in serve(&relay).await {
        let too_long = [V2, b"\x21\x11\xff\xff"].concat();
        let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 4_000]].concat();
        for begin in [
            UPGRADE.as_bytes(),
            b"PROXY TCP4 203.0.113.777 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 203.0.113.7\r\nGET / HTTP/1.1\r\n\r\n",
            &too_long,
            &endless,
        ] {
            assert_eq!(told("127.0.0.2", to, begin, 4_096).await, "");
            count += 1;
        }
        // A balancer that looks whether somebody listens is not refused.
        drop(connect("127.0.0.2", to).await);
    }
    common::until(&relay, "each is counted", |stats| {
        let mut refusals = stats.refusals.iter();
        refusals.any(|(cause, refused)| *cause == RefusalCause::BadHead && *refused == count)
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn from_anyone_else_the_header_means_nothing() {
    let relay = asks_who(|_| {});
    for to in serve(&relay).await {
        let direct = told("127.0.0.1", to, UPGRADE.as_bytes(), 4_096).await;
        assert_eq!(direct, "Some(127.0.0.1) Some(127.0.0.1)");
        let forged = format!("PROXY TCP4 203.0.113.7 10.0.0.1 1 2\r\n{UPGRADE}");
        let answer = told("127.0.0.1", to, forged.as_bytes(), 4_096).await;
        assert_eq!(answer, "this is not an HTTP/1.1 request");
    }
    // And with the setting off, from nobody.
    let relay = asks_who(|config| config.proxy_protocol = false);
    for to in serve(&relay).await {
        let header = format!("PROXY TCP4 203.0.113.7 10.0.0.1 1 2\r\n{UPGRADE}");
        let answer = told("127.0.0.2", to, header.as_bytes(), 4_096).await;
        assert_eq!(answer, "this is not an HTTP/1.1 request");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_header_that_does_not_come_gives_its_place_back() {
    let relay = asks_who(|config| config.handshake_timeout = std::time::Duration::from_millis(200));
    for to in serve(&relay).await {
        for begin in [&b""[..], b"PROXY TCP4 203.0.113.7 ", &V2_PROXIED[..20]] {
            assert_eq!(told("127.0.0.2", to, begin, 4_096).await, "");
        }
    }
    common::until(&relay, "no handshake is left", |stats| {
        stats.handshakes == 0
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_behind_such_a_proxy_is_served() {
    let relay = common::relay(|config| {
        config.proxy_protocol = true;
        config.addresses.peers_per_ip_max = 1;
        config.trusted_proxies = TrustedProxies::new(["127.0.0.2"]).expect("an address");
    });
    for (number, to) in serve(&relay).await.into_iter().enumerate() {
        let header = format!("PROXY TCP4 203.0.113.{number} 10.0.0.1 1 2\r\n");
        let mut stream = connect("127.0.0.2", to).await;
        stream.write_all(header.as_bytes()).await.expect("room");
        let mut peer = Wire::open(stream).await;
        peer.subscribe("t").await;
        peer.settle().await;
        peer.publish("t", 1).await;
        assert_eq!(peer.next_json().await["clients"], 1);
        let mut second = connect("127.0.0.2", to).await;
        second.write_all(header.as_bytes()).await.expect("room");
        let (_, head) = Wire::request(second, UPGRADE).await;
        assert_eq!(common::status(&head), 429, "the limit is the client's");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn at_a_unix_socket_everyone_is_such_a_proxy() {
    use signal_tokio::Listen;
    let folder = signal_testwire::Folder::new("proxy");
    let path = std::path::PathBuf::from(folder.path("signal.sock"));
    let relay = asks_who(|_| {});
    let place = Listen::Unix {
        path: path.clone(),
        mode: 0o600,
    };
    let _serving = relay.serve_per_core(place, 1).expect("a fresh socket");
    let mut stream = tokio::net::UnixStream::connect(&path)
        .await
        .expect("it listens");
    stream.write_all(V2_PROXIED).await.expect("room");
    let (mut wire, _) = Wire::request(stream, UPGRADE).await;
    assert_eq!(wire.rest().await, "Some(203.0.113.7) Some(203.0.113.7)");
}

#[tokio::test]
async fn the_header_in_which_proxies_name_clients_is_a_setting() {
    for (header, value, client) in [
        ("CF-Connecting-IP", "203.0.113.7", "203.0.113.7"),
        ("X-Real-IP", "2001:db8::7", "2001:db8::7"),
        (
            "Forwarded",
            "for=198.51.100.9, For=\"[2001:db8::7]:4711\";proto=https",
            "2001:db8::7",
        ),
        ("Forwarded", "for=_hidden", "127.0.0.2"),
        ("Forwarded", "proto=https;by=10.0.0.1", "127.0.0.2"),
        // Not the one that is read.
        ("X-Other", "203.0.113.7", "127.0.0.2"),
    ] {
        let relay = asks_who(|config| {
            config.proxy_protocol = false;
            let name = if header == "X-Other" {
                "x-real-ip"
            } else {
                header
            };
            config.forwarded_header = name.parse().expect("a name");
        });
        let stream = common::dial_from(&relay, "127.0.0.2:5");
        let headers = [("X-Forwarded-For", "192.0.2.66"), (header, value)];
        let (mut wire, _) = Wire::request(stream, &upgrade("/", &headers)).await;
        assert_eq!(
            wire.rest().await,
            format!("Some({client}) Some(127.0.0.2)"),
            "{header}: {value}"
        );
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn unfinished_requests_count_for_the_client_that_the_proxy_names() {
    let cause = RefusalCause::HandshakesPerIp;
    let relay = asks_who(|config| config.handshakes_per_ip_max = 3);
    for (before, to) in (0..).zip(serve(&relay).await) {
        let mut silent = Vec::new();
        for client in [7, 7, 7, 8, 8, 8] {
            let mut stream = connect("127.0.0.2", to).await;
            let header = format!("PROXY TCP4 203.0.113.{client} 10.0.0.1 4711 4444\r\nG");
            stream.write_all(header.as_bytes()).await.expect("it reads");
            silent.push(stream);
        }
        common::until(&relay, "all are there", |stats| stats.handshakes == 6).await;
        assert_eq!(common::count(&relay, cause), before);
        let mut one_more = connect("127.0.0.2", to).await;
        let header = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 4444\r\n";
        one_more.write_all(header).await.expect("it reads");
        let is_counted = || common::count(&relay, cause) == before + 1;
        common::until(&relay, "one too many", |_| is_counted()).await;
        common::until(&relay, "one is ended", |stats| stats.handshakes == 6).await;
        drop((silent, one_more));
        common::until(&relay, "all have gone", |stats| stats.handshakes == 0).await;
    }
}

//! Where a relay listens: both loopbacks, every interface, Unix sockets, sockets of others.

mod common;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use common::Wire;
use signal_tokio::{Grant, Listen, ListenError, Listeners, LocalAddress, Refusal, Relay};
use signal_tokio::{Serving, UpgradeRequest};
use tokio::net::TcpStream;

fn relay() -> Relay {
    common::relay(|config| config.drain_seconds = 0)
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn tcp(serving: &Serving) -> Vec<SocketAddr> {
    let addresses = serving.local_addresses().iter();
    addresses.filter_map(LocalAddress::tcp).collect()
}

/// What a relay whose authorizer says it answers: the client, and the other end of the socket.
fn who(request: &UpgradeRequest<'_>) -> Result<Grant, Refusal> {
    let (client, remote) = (request.client, request.remote.map(|remote| remote.ip()));
    Err(Refusal::new(403, format!("{client:?} {remote:?}")))
}

fn asks_who() -> Relay {
    Relay::with_authorizer(common::config(|_| {}), who).expect("valid settings")
}

#[tokio::test]
async fn localhost_is_both_loopbacks_on_one_port_and_one_relay() {
    if !has_ipv6() {
        return;
    }
    for threads in [1, 3] {
        let relay = relay();
        let serving = relay
            .serve_per_core(Listen::Localhost(0), threads)
            .expect("a free port");
        let [v4, v6] = tcp(&serving)[..] else {
            panic!("{serving:?}")
        };
        assert_eq!(v4.ip(), Ipv4Addr::LOCALHOST);
        assert_eq!(v6, (Ipv6Addr::LOCALHOST, v4.port()).into());
        let mut peers = Vec::new();
        for address in [v4, v6].repeat(4) {
            let mut peer = common::open_tcp(address).await;
            peer.subscribe("t").await;
            peer.settle().await;
            peers.push(peer);
        }
        peers[0].publish("t", 1).await;
        for peer in &mut peers {
            assert_eq!(peer.next_json().await["clients"], 8);
        }
        drop(peers);
        relay.drain().await;
        serving.join();
    }
}

#[tokio::test]
async fn every_interface_is_one_socket_for_ipv6_and_ipv4_alike() {
    if !has_ipv6() {
        return;
    }
    for everywhere in [
        Listen::Everywhere(0),
        Listen::Address((Ipv6Addr::UNSPECIFIED, 0).into()),
    ] {
        let serving = asks_who()
            .serve_per_core(everywhere, 2)
            .expect("a free port");
        let [address] = tcp(&serving)[..] else {
            panic!("{serving:?}")
        };
        for (ip, told) in [
            // Not as `::ffff:127.0.0.1`.
            (
                Ipv4Addr::LOCALHOST.into(),
                "Some(127.0.0.1) Some(127.0.0.1)",
            ),
            (Ipv6Addr::LOCALHOST.into(), "Some(::1) Some(::1)"),
        ] {
            let to = SocketAddr::new(ip, address.port());
            let stream = TcpStream::connect(to).await.expect("it listens");
            let (mut wire, _) = Wire::request(stream, common::UPGRADE).await;
            assert_eq!(wire.rest().await, told);
        }
    }
}

#[tokio::test]
async fn an_ipv6_address_is_for_ipv6_alone() {
    if !has_ipv6() {
        return;
    }
    let relay = relay();
    let v6: SocketAddr = (Ipv6Addr::LOCALHOST, 0).into();
    let serving = relay.serve_per_core(v6, 1).expect("a free port");
    let port = tcp(&serving)[0].port();
    let v4 = relay.serve_per_core(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), 1);
    let _both = v4.expect("the port is free there");
}

#[tokio::test]
async fn of_two_addresses_the_one_that_is_taken_is_named() {
    if !has_ipv6() {
        return;
    }
    for taken in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        (Ipv6Addr::LOCALHOST, 0).into(),
    ] {
        let owner = TcpListener::bind(taken).expect("a free port");
        let taken = owner.local_addr().expect("bound");
        for threads in [1, 2] {
            let error = relay().serve_per_core(Listen::Localhost(taken.port()), threads);
            let error = error.expect_err("one is taken");
            assert_eq!(error.to_string(), format!("cannot listen on {taken}"));
            let ListenError::Bind { source, .. } = error else {
                panic!("{error:?}")
            };
            assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
        }
    }
}

#[tokio::test]
async fn a_socket_that_somebody_else_has_opened_is_served_beside_others() {
    let opened = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let first = opened.local_addr().expect("bound");
    let listeners = Listeners::from(opened).and(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let relay = relay();
    let serving = relay.serve_per_core(listeners, 2).expect("a free port");
    let [one, other] = tcp(&serving)[..] else {
        panic!("{serving:?}")
    };
    assert_eq!(one, first);
    for address in [one, other].repeat(3) {
        let mut peer = common::open_tcp(address).await;
        peer.settle().await;
    }
    let nowhere = relay.serve_per_core(Listeners::default(), 1);
    assert!(matches!(nowhere, Err(ListenError::Nowhere)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_passed_in_place_of_a_listener_is_a_mistake_at_the_start() {
    use std::os::fd::OwnedFd;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let connection = std::net::TcpStream::connect(address).expect("it listens");
    let wrong = TcpListener::from(OwnedFd::from(connection));
    let error = relay().serve_per_core(wrong, 1).expect_err("no listener");
    let ListenError::Bind { source, .. } = error else {
        panic!("{error:?}")
    };
    assert!(source.to_string().contains("does not listen"), "{source}");
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use common::upgrade;
    use signal_testwire::Folder;
    use tokio::net::UnixStream;

    use super::*;

    fn socket(folder: &Folder) -> PathBuf {
        folder.path("signal.sock").into()
    }

    fn listen(folder: &Folder, mode: u32) -> Listen {
        let path = socket(folder);
        Listen::Unix { path, mode }
    }

    async fn connect(folder: &Folder) -> UnixStream {
        let connected = UnixStream::connect(socket(folder)).await;
        connected.expect("the relay listens")
    }

    #[tokio::test]
    async fn a_unix_socket_has_its_mode_and_is_removed_at_the_end() {
        for (threads, mode) in [(1, 0o660), (3, 0o606)] {
            let folder = Folder::new("listen");
            let relay = relay();
            let serving = relay.serve_per_core(listen(&folder, mode), threads);
            let serving = serving.expect("a fresh socket");
            assert_eq!(
                serving.local_addresses(),
                [LocalAddress::Unix(socket(&folder))]
            );
            let found = fs::metadata(socket(&folder)).expect("the socket");
            assert_eq!(found.permissions().mode() & 0o777, mode);
            let mut peers = Vec::new();
            for _ in 0..6 {
                let mut peer = Wire::open(connect(&folder).await).await;
                peer.subscribe("t").await;
                peer.settle().await;
                peers.push(peer);
            }
            peers[0].publish("t", 1).await;
            for peer in &mut peers {
                assert_eq!(peer.next_json().await["clients"], 6);
            }
            drop(peers);
            relay.drain().await;
            serving.join();
            assert!(!socket(&folder).exists(), "it is removed");
        }
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_one_in_use_and_other_files_are_not() {
        let folder = Folder::new("listen");
        drop(UnixListener::bind(socket(&folder)).expect("a fresh socket"));
        assert!(socket(&folder).exists(), "as after a crash");
        let serving = relay().serve_per_core(listen(&folder, 0o660), 1);
        let serving = serving.expect("nobody listens there");
        let mut peer = Wire::open(connect(&folder).await).await;
        peer.settle().await;

        let kind = |relay: &Relay| {
            let error = relay.serve_per_core(listen(&folder, 0o660), 1);
            let ListenError::Bind { source, .. } = error.expect_err("somebody listens") else {
                panic!("not its address")
            };
            source.kind()
        };
        assert_eq!(kind(&relay()), io::ErrorKind::AddrInUse);
        peer.settle().await;

        // What somebody has put there since is not ours to remove.
        fs::remove_file(socket(&folder)).expect("the socket");
        fs::write(socket(&folder), "a file").expect("a file can be written");
        drop(serving);
        assert_eq!(kind(&relay()), io::ErrorKind::AlreadyExists);
        let kept = fs::read_to_string(socket(&folder)).expect("the file");
        assert_eq!(kept, "a file");
    }

    #[tokio::test]
    async fn a_unix_socket_is_a_trusted_proxy_or_this_machine_without_a_header() {
        let folder = Folder::new("listen");
        let _serving = asks_who()
            .serve_per_core(listen(&folder, 0o660), 1)
            .expect("a fresh socket");
        for (forwarded, told) in [
            (Some("203.0.113.7"), "Some(203.0.113.7) None"),
            // The last hop is what our proxy has added.
            (Some("198.51.100.9, 203.0.113.7"), "Some(203.0.113.7) None"),
            (Some("unknown"), "Some(127.0.0.1) None"),
            (None, "Some(127.0.0.1) None"),
        ] {
            let headers: Vec<_> = forwarded
                .map(|hops| ("X-Forwarded-For", hops))
                .into_iter()
                .collect();
            let (mut wire, _) =
                Wire::request(connect(&folder).await, &upgrade("/", &headers)).await;
            assert_eq!(wire.rest().await, told, "{forwarded:?}");
        }
    }
}

//! Where `signal serve` listens: what the default, a port, a Unix socket and systemd's sockets are.

#![cfg(unix)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use common::folder::Folder;
use common::{Peer, Relay, clean, run, run_command, signal};
use serde_json::Value;

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn start(arguments: &[&str]) -> Relay {
    Relay::start_command(signal(&[&["serve"], arguments].concat()))
}

fn port(relay: &Relay) -> u16 {
    let port = relay.address().rsplit_once(':').expect("a port").1;
    port.parse().expect("a port")
}

async fn meets(urls: &[String]) {
    let mut peers = Vec::new();
    for url in urls {
        let mut peer = Peer::connect(url).await;
        peer.subscribe("t").await;
        peers.push(peer);
    }
    for peer in &mut peers {
        peer.ping().await;
    }
    peers[0].publish("t", Value::from(7)).await;
    for peer in &mut peers {
        assert_eq!(peer.receive().await["clients"], urls.len());
    }
}

#[tokio::test]
async fn localhost_and_a_port_alone_are_reached_by_ipv4_and_ipv6() {
    if !has_ipv6() {
        return;
    }
    let local = start(&["--listen", "localhost:0"]);
    let reach = local.listening["message"].as_str().expect("text");
    let port_text = port(&local);
    assert_eq!(
        reach,
        format!("listening, on 127.0.0.1:{port_text} and [::1]:{port_text}, for this machine only")
    );
    assert_eq!(
        local.listening["url"],
        format!("ws://localhost:{port_text}")
    );
    let everywhere = start(&["--listen", "0"]);
    assert_eq!(everywhere.listening["others"], Value::Null);
    let mut by_variable = signal(&["serve"]);
    by_variable.env("PORT", "0");
    let by_variable = Relay::start_command(by_variable);
    for relay in [local, everywhere, by_variable] {
        let port = port(&relay);
        meets(&[
            format!("ws://127.0.0.1:{port}"),
            format!("ws://[::1]:{port}"),
            format!("ws://localhost:{port}"),
        ])
        .await;
    }
}

#[test]
fn of_two_addresses_the_one_that_is_taken_is_named() {
    if !has_ipv6() {
        return;
    }
    let owner = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a free port");
    let taken = owner.local_addr().expect("bound");
    let place = format!("localhost:{}", taken.port());
    let ran = run(&["serve", "--listen", &place]);
    assert_eq!(ran.code(), Some(1));
    ran.says(&format!("{taken} is taken"));
    ran.says("--listen localhost:0 takes a free port");
    ran.says(&format!("--listen 127.0.0.1:{}", taken.port()));
    let ran = run(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", &place]);
    ran.says(&format!("{taken} is taken"));
    ran.says("(admin_listen: flag --admin-listen)");
}

#[test]
fn the_admin_address_is_both_loopbacks_too() {
    if !has_ipv6() {
        return;
    }
    let relay = Relay::start(&["--admin-listen", "0"]);
    let admin = relay.listening["admin"].as_str().expect("an address");
    let port: u16 = admin
        .rsplit_once(':')
        .expect("a port")
        .1
        .parse()
        .expect("a port");
    for ip in [Ipv4Addr::LOCALHOST.to_string(), "[::1]".to_owned()] {
        let answer = signal_testwire::ask(
            format!("{ip}:{port}"),
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        );
        assert_eq!(answer.status, 200, "{ip}");
    }
}

/// The first line of the answer to an upgrade.
fn upgrade(socket: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("the relay listens");
    let request = signal_testwire::UPGRADE.as_bytes();
    stream.write_all(request).expect("room");
    let mut line = [0; 12];
    stream.read_exact(&mut line).expect("an answer");
    String::from_utf8_lossy(&line).into_owned()
}

#[test]
fn a_unix_socket_is_served_checked_and_removed() {
    let folder = Folder::new("unix");
    let socket = folder.path("signal.sock");
    let place = format!("unix:{socket}");
    let arguments = [
        "--listen",
        &place,
        "--socket-mode",
        "600",
        "--drain-seconds",
        "0",
    ];
    let relay = start(&arguments);
    assert_eq!(relay.listening["address"], place);
    let mode = fs::metadata(&socket).expect("the socket").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert_eq!(upgrade(&socket), "HTTP/1.1 101");

    let mut check = signal(&["check", "--health"]);
    let health = run_command(check.env("SIGNAL_LISTEN", &place));
    assert_eq!(health.code(), Some(0), "{health:?}");
    health.says(&format!("healthy: {place} answered"));

    let second = run(&[&["serve"], &arguments[..]].concat());
    assert_eq!(second.code(), Some(1));
    second.says(&format!("another program listens at {socket}"));
    assert_eq!(upgrade(&socket), "HTTP/1.1 101", "it is left alone");

    relay.terminate();
    assert_eq!(relay.wait().0, Some(0));
    assert!(!fs::exists(&socket).expect("a folder"), "it is removed");

    drop(UnixListener::bind(&socket).expect("what a crash leaves"));
    let again = start(&arguments);
    assert_eq!(upgrade(&socket), "HTTP/1.1 101");
    drop(again);
    fs::remove_file(&socket).expect("it was killed");
    fs::write(&socket, "not a socket").expect("a file");
    let ran = run(&[&["serve"], &arguments[..]].concat());
    ran.says("is a file that is not a socket, and stays");
    let nowhere = format!("unix:{}", folder.path("none/signal.sock"));
    run(&["serve", "--listen", &nowhere]).says("RuntimeDirectory=signal");
}

/// `signal serve` with a socket where systemd would leave it, for the process that this is.
fn activated(socket: OwnedFd, names: &str, arguments: &[&str]) -> Command {
    let mut command = clean("sh");
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 </dev/null";
    command.args(["-c", script, env!("CARGO_BIN_EXE_signal"), "serve"]);
    command.args(arguments).env("LISTEN_FDNAMES", names);
    command.stdin(Stdio::from(socket));
    command
}

#[tokio::test]
async fn sockets_of_systemd_are_served_in_place_of_our_own() {
    let opened = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = opened.local_addr().expect("bound").to_string();
    let command = activated(opened.into(), "signal.socket", &["--listen", "127.0.0.1:1"]);
    let relay = Relay::start_command(command);
    assert_eq!(relay.address(), address);
    relay.until_logged("listen has no effect, because systemd has opened the sockets");
    meets(&[relay.url(), relay.url()]).await;

    let folder = Folder::new("activated");
    let socket = folder.path("signal.sock");
    let opened = UnixListener::bind(&socket).expect("a fresh socket");
    let relay = Relay::start_command(activated(opened.into(), "", &["--drain-seconds", "0"]));
    assert_eq!(upgrade(&socket), "HTTP/1.1 101");
    relay.terminate();
    assert_eq!(relay.wait().0, Some(0));
    assert!(fs::exists(&socket).expect("a folder"), "it is systemd's");

    let admin = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = admin.local_addr().expect("bound").to_string();
    let command = activated(admin.into(), "admin", &["--listen", "127.0.0.1:0"]);
    let relay = Relay::start_command(command);
    assert_eq!(relay.listening["admin"], address);
}

#[test]
fn what_is_not_a_listener_or_is_for_another_process_is_not_served() {
    let file = fs::File::open("/dev/null").expect("a file");
    let ran = run_command(&mut activated(file.into(), "", &[]));
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("neither a TCP nor a Unix stream socket");
    ran.says("ListenStream=");

    let opened = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = opened.local_addr().expect("bound").to_string();
    for (process, count, said) in [
        ("1", "1", "LISTEN_PID does not name this process"),
        ("1", "one", "LISTEN_FDS is not a number"),
    ] {
        let mut command = signal(&["serve", "--listen", "127.0.0.1:0"]);
        command.envs([("LISTEN_PID", process), ("LISTEN_FDS", count)]);
        let relay = Relay::start_command(command);
        assert_ne!(relay.address(), address);
        relay.until_logged(said);
    }
    let mut command = signal(&["serve", "--listen", "127.0.0.1:0"]);
    command.envs([("LISTEN_PID", "1"), ("LISTEN_FDS", "0")]);
    Relay::start_command(command);
}

/// A `.socket` unit with `Accept=yes`, of UDP, or with fewer sockets than are said to be there.
#[test]
fn what_systemd_has_opened_in_another_way_is_named() {
    let opened = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let connection = TcpStream::connect(opened.local_addr().expect("bound")).expect("a connection");
    let folder = Folder::new("activated-badly");
    let listener = UnixListener::bind(folder.path("a.sock")).expect("a fresh socket");
    let stream = UnixStream::connect(folder.path("a.sock")).expect("a connection");
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    for (socket, names, said) in [
        (
            OwnedFd::from(connection),
            "connection",
            "that Accept=yes hands over",
        ),
        (stream.into(), "", "that Accept=yes hands over"),
        (
            datagrams.into(),
            "",
            "neither a TCP nor a Unix stream socket",
        ),
        (listener.into(), "admin", "the admin address is one of TCP"),
    ] {
        if cfg!(target_vendor = "apple") && said.contains("Accept=yes") {
            // Its system does not say which sockets listen.
            continue;
        }
        let ran = run_command(&mut activated(socket, names, &[]));
        assert_eq!(ran.code(), Some(1), "{ran:?}");
        ran.says("socket 0 of those that systemd has opened cannot be used");
        ran.says(said);
        ran.says("Accept=no");
    }
    let mut command = clean("sh");
    let script = "LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" serve 3<&0 4<&- </dev/null";
    command.args(["-c", script, env!("CARGO_BIN_EXE_signal")]);
    command.stdin(Stdio::from(OwnedFd::from(opened)));
    let ran = run_command(&mut command);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("LISTEN_FDS says 2, and there is none of this number");
}

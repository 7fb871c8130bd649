//! What `signal serve` tells systemd, heard on a socket in its place; and the unit of
//! `examples/systemd`.

#![cfg(target_os = "linux")]

mod common;

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use common::certificate::Certificate;
use common::{PATIENCE, Relay, signal};
use rustix::process::Signal;

/// The socket on which systemd would listen.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("signal-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket, path }
    }

    fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Relay {
        let all = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = signal(&all);
        command.env("NOTIFY_SOCKET", &self.path);
        command.envs(variables.iter().copied());
        Relay::start_command(command)
    }

    /// The lines of the next message.
    fn told(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let length = loop {
            match self.socket.recv(&mut message) {
                // As happens to a socket with a timeout when its process is stopped and goes on.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received.expect("a message in time"),
            }
        };
        let text = std::str::from_utf8(&message[..length]).expect("text");
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[tokio::test]
async fn it_tells_when_it_is_ready_and_when_it_stops() {
    let manager = Manager::new("ready");
    let relay = manager.start(&["--drain-seconds", "0"], &[]);
    assert_eq!(manager.told(), ["READY=1", "STATUS=0 peers in 0 topics"]);
    let mut peer = relay.connect().await;
    peer.ping().await;
    relay.terminate();
    let told = manager.told();
    assert_eq!(
        told,
        ["STOPPING=1", "STATUS=closing 1 connections within 0 s"]
    );
    assert_eq!(peer.closed().await, Some(1012));
    drop(peer);
    assert_eq!(relay.wait().0, Some(0));
}

#[test]
fn systemd_is_notified_when_a_reload_begins_and_ends() {
    let manager = Manager::new("reload");
    let certificate = Certificate::new();
    let (cert, key) = (certificate.path(), certificate.key_path());
    let files = [&cert, &key].map(|path| path.to_str().expect("UTF-8"));
    let relay = manager.start(&["--tls-cert", files[0], "--tls-key", files[1]], &[]);
    assert_eq!(manager.told()[0], "READY=1");
    relay.signal(Signal::HUP);
    let reloading = manager.told();
    assert_eq!(reloading[0], "RELOADING=1");
    let micros = reloading[1]
        .strip_prefix("MONOTONIC_USEC=")
        .expect("a time");
    assert!(
        micros.parse::<u64>().is_ok_and(|micros| micros > 0),
        "{micros}"
    );
    assert_eq!(manager.told()[0], "READY=1");
}

#[test]
fn the_watchdog_is_fed_in_half_its_time_with_the_status() {
    let manager = Manager::new("watchdog");
    let start = std::time::Instant::now();
    let _relay = manager.start(&[], &[("WATCHDOG_USEC", "200000")]);
    assert_eq!(manager.told()[0], "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.told(), ["WATCHDOG=1", "STATUS=0 peers in 0 topics"]);
    }
    let elapsed = start.elapsed().as_millis();
    assert!(
        elapsed >= 300,
        "three times a tenth of a second: {elapsed} ms"
    );
}

/// A watchdog for another process of the service is not ours.
#[tokio::test]
async fn a_watchdog_for_somebody_else_is_not_fed() {
    let manager = Manager::new("other");
    let variables = [("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1")];
    let relay = manager.start(&["--drain-seconds", "0"], &variables);
    assert_eq!(manager.told()[0], "READY=1");
    // As long as a watchdog of ours would have been fed several times.
    let silent = Manager::new("clock");
    let clock = silent.start(&[], &[("WATCHDOG_USEC", "100000")]);
    for _ in 0..5 {
        silent.told();
    }
    drop(clock);
    relay.terminate();
    assert_eq!(manager.told()[0], "STOPPING=1");
}

//! TURN credentials of `signal serve`, and a TURN server that takes them.

mod common;

use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::folder::{Folder, mint, new_key};
use common::{PATIENCE, Relay, clean, run};
use serde_json::Value;
use signal_access::{TurnServers, UnixTime};
use signal_testwire::{Answer, installed, reserve_port};
use tokio::net::TcpSocket;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &str = "fedcba9876543210fedcba9876543210";
const URL: &str = "turn:turn.example.org:3478";

fn get(relay: &Relay, query: &str) -> Answer {
    let request = format!("GET /turn{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    signal_testwire::ask(relay.address(), &request)
}

/// What a client of this relay would show a TURN server: a user name and a password.
#[track_caller]
fn credentials(relay: &Relay, query: &str) -> (String, String) {
    let answer = get(relay, query);
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    let text = |name| {
        answer["iceServers"][0][name]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    (text("username"), text("credential"))
}

/// coturn on a port of this machine, by TCP alone.
struct Coturn {
    child: Child,
    port: u16,
    /// Keeps the port from being given to others until coturn listens.
    _socket: TcpSocket,
}

impl Coturn {
    fn start(folder: &Folder, secret: &str) -> Option<Self> {
        let program = installed("SIGNAL_TURNSERVER")?;
        let (socket, port) = reserve_port();
        let log = std::fs::File::create(folder.path("coturn.out")).expect("a file");
        let mut command = clean(program);
        // Without a file of configuration, and without anything that needs rights.
        command.args(["-n", "--no-udp", "--no-tls", "--no-dtls", "--no-cli"]);
        command.args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"]);
        // What its client sends goes from one place to the other, both on this machine.
        command.arg("--allow-loopback-peers");
        command.args(["--listening-port", &port.to_string()]);
        command.args(["--realm", "signal.example.org", "--use-auth-secret"]);
        command.args(["--static-auth-secret", secret]);
        for (flag, file) in [
            ("--userdb", "coturn.db"),
            ("--pidfile", "coturn.pid"),
            ("--log-file", "coturn.log"),
        ] {
            command.args([flag, &folder.path(file)]);
        }
        command.stdout(log.try_clone().expect("a second handle"));
        let child = command.stderr(log).spawn().expect("coturn starts");
        let mut coturn = Self {
            child,
            port,
            _socket: socket,
        };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = coturn.child.try_wait().expect("the state of the process");
            let log = || std::fs::read_to_string(folder.path("coturn.out"));
            assert!(ended.is_none(), "coturn ended: {:?}", log());
            assert!(Instant::now() < deadline, "not in time: {:?}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(coturn)
    }

    /// Whether a client with these credentials can send a message through it.
    fn takes(&self, (username, password): &(String, String)) -> Option<bool> {
        let mut client = clean(installed("SIGNAL_TURN_CLIENT")?);
        // By TCP, from one end of its own to another.
        client.args(["-t", "-y", "-c", "-n", "1", "-p", &self.port.to_string()]);
        client.args(["-u", username, "-w", password, "127.0.0.1"]);
        client.stdout(Stdio::null()).stderr(Stdio::null());
        Some(client.status().expect("the client runs").success())
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_turn_server_takes_what_the_relay_gives_out() {
    let folder = Folder::new("coturn");
    let Some(coturn) = Coturn::start(&folder, SECRET) else {
        return;
    };
    let secret = folder.write("secret", &format!("{SECRET}\n"));
    let key = new_key(&folder, "key", &[]);
    let open = Relay::start(&["--turn-urls", URL, "--turn-secret-file", &secret]);
    let guest = credentials(&open, "");
    let Some(is_taken) = coturn.takes(&guest) else {
        return;
    };
    assert!(is_taken, "{guest:?}");
    let wrong = (guest.0.clone(), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned());
    assert_eq!(coturn.takes(&wrong), Some(false));
    // The time is part of what is signed.
    let (end, user) = guest.0.split_once(':').expect("a colon");
    let later = end.parse::<u64>().expect("a time") + 1;
    let longer = (format!("{later}:{user}"), guest.1.clone());
    assert_eq!(coturn.takes(&longer), Some(false));

    let mut arguments = vec!["--turn-urls", URL, "--turn-secret-file", &secret];
    arguments.extend(["--token-key-file", &key]);
    let relay = Relay::start(&arguments);
    for subject in ["auth0|5f7c8ec7:1", "Jos\u{e9} \"J\" O'Neil \\ \u{c4}"] {
        let claims = ["--subject", subject, "--topics", "*", "--expires", "1h"];
        let token = mint(&key, &claims);
        let given = credentials(&relay, &format!("?token={token}"));
        assert_eq!(coturn.takes(&given), Some(true), "{given:?}");
    }
}

#[cfg(unix)]
#[test]
fn the_secret_is_read_again_and_one_that_cannot_be_used_changes_nothing() {
    let folder = Folder::new("turn-reload");
    let secret = folder.write("secret", SECRET);
    let relay = Relay::start(&["--turn-urls", URL, "--turn-secret-file", &secret]);
    let uses = |secret: &str| {
        let (username, credential) = credentials(&relay, "");
        let (end, _) = username.split_once(':').expect("a colon");
        let end = end.parse().expect("a time");
        let urls = URL.parse().expect("an address");
        let servers = TurnServers::new(urls, secret, Duration::ZERO).expect("a secret");
        let wanted = servers.credentials(UnixTime::from_secs(end), None, None);
        assert_eq!(wanted.username, username);
        wanted.credential == credential
    };
    assert!(uses(SECRET) && !uses(OTHER_SECRET));
    folder.write("secret", OTHER_SECRET);
    relay.signal(rustix::process::Signal::HUP);
    relay.until_logged("the secret of TURN servers was read again");
    assert!(uses(OTHER_SECRET));
    for unusable in ["", "short", "static-auth-secret=0123456789abcdef"] {
        folder.write("secret", unusable);
        relay.signal(rustix::process::Signal::HUP);
        let line = relay.until_logged("the old secret of TURN servers stays in use");
        assert!(!line.to_string().contains("0123456789"), "{line}");
        assert!(uses(OTHER_SECRET));
    }
    // By itself, as when Kubernetes exchanges it.
    folder.write("secret", SECRET);
    relay.until_logged("the secret of TURN servers was read again");
    assert!(uses(SECRET));
}

#[test]
fn settings_that_cannot_be_used_stop_the_start() {
    let folder = Folder::new("turn-settings");
    let good = folder.write("good", SECRET);
    let gone = folder.path("gone");
    let short = folder.write("short", "north\n");
    let two = folder.write(
        "two",
        "use-auth-secret\nstatic-auth-secret=0123456789abcdef\n",
    );
    let urls = ["--turn-urls", URL];
    for (arguments, sentence) in [
        (vec![urls[0], urls[1]], "needs turn_secret_file beside it"),
        (
            vec!["--turn-secret-file", &good],
            "needs turn_urls beside it",
        ),
        (
            vec![urls[0], urls[1], "--turn-secret-file", &gone],
            "cannot be read",
        ),
        (
            vec![urls[0], urls[1], "--turn-secret-file", &short],
            "the secret has 5 bytes, but needs 16 at least",
        ),
        (
            vec![urls[0], urls[1], "--turn-secret-file", &two],
            "it is not a secret alone, on one line",
        ),
        (vec!["--turn-urls", ""], "is empty"),
        (vec![urls[0], urls[1], "--turn-secret-file", ""], "is empty"),
        (
            vec![
                "--turn-urls",
                "turn.example.org",
                "--turn-secret-file",
                &good,
            ],
            "`turn.example.org` is not an address such as turn:turn.example.org:3478",
        ),
        (
            vec!["--turn-urls", "stun:a", "--turn-secret-file", &good],
            "none of the addresses begins with turn: or turns:",
        ),
        (
            vec![
                urls[0],
                urls[1],
                "--turn-secret-file",
                &good,
                "--turn-ttl",
                "1s",
            ],
            "too small",
        ),
    ] {
        for command in [
            &["config", "check"][..],
            &["serve", "--listen", "127.0.0.1:0"],
        ] {
            let ran = run(&[command, &arguments].concat());
            assert_eq!(ran.code(), Some(2), "{arguments:?}: {ran:?}");
            ran.says(sentence);
            assert!(!ran.stderr.contains("0123456789"), "{ran:?}");
        }
    }
    let ran = run(&[
        "config",
        "check",
        urls[0],
        urls[1],
        "--turn-secret-file",
        &good,
    ]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("TURN credentials: turn:turn.example.org:3478 for 86400 s");
}

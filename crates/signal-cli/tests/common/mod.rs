//! Runs the built `signal` command, and talks to what it serves.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

pub mod certificate;
pub mod folder;
pub mod naive;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub use signal_testwire::PATIENCE;

/// The command, in an environment of its own.
pub fn signal(arguments: &[&str]) -> Command {
    let mut command = clean(env!("CARGO_BIN_EXE_signal"));
    command.args(arguments);
    command
}

/// Any command, with nothing in its environment that concerns ours.
pub fn clean(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let is_proxy = name.to_ascii_lowercase().ends_with("_proxy");
        let is_ours = ["PORT", "NO_COLOR", "CLICOLOR_FORCE"].contains(&&*name);
        if name.starts_with("SIGNAL_") || is_proxy || is_ours {
            command.env_remove(&*name);
        }
    }
    command
}

/// Runs the command to its end.
pub fn run(arguments: &[&str]) -> Ran {
    run_command(&mut signal(arguments))
}

pub fn run_command(command: &mut Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the command runs");
    Ran {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}

/// What a run of the command left.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    #[track_caller]
    pub fn says(&self, needle: &str) {
        let is_said = self.stdout.contains(needle) || self.stderr.contains(needle);
        assert!(
            is_said,
            "{needle:?} is not in:\n{}\n{}",
            self.stdout, self.stderr
        );
    }
}

/// Where the lines of a node of a cluster come from, as they stand in the log.
const NODE_TARGETS: [&str; 2] = [
    "\"target\":\"signal_tokio::cluster",
    "\"target\":\"signal_nats",
];

/// A relay in a process of its own, which ends with this value.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    /// What it logged first: where it listens.
    pub listening: Value,
    /// The lines after it.
    log: Receiver<String>,
}

impl Relay {
    /// Starts `signal serve` on a free port of this machine.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_command(signal(
            &[&["serve", "--listen", "127.0.0.1:0"], arguments].concat(),
        ))
    }

    pub fn start_command(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let (sender, log) = channel();
        let earlier = sender.clone();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        // A node of a cluster has said something before, which is put behind.
        let line = loop {
            let line = log.recv_timeout(PATIENCE).expect("a line of the log");
            if !NODE_TARGETS.iter().any(|target| line.contains(target)) {
                break line;
            }
            let _ = earlier.send(line);
        };
        drop(earlier);
        let listening =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("no log line: {line:?}"));
        Self {
            child,
            listening,
            log,
        }
    }

    pub fn address(&self) -> &str {
        self.listening["address"].as_str().expect("an address")
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address())
    }

    pub async fn connect(&self) -> Peer {
        Peer::connect(&self.url()).await
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in KiB.
    #[cfg(target_os = "linux")]
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most resident memory there ever was, in KiB.
    #[cfg(target_os = "linux")]
    pub fn memory_peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    #[cfg(target_os = "linux")]
    fn status(&self, name: &str) -> u64 {
        self.status_of(name).parse().expect("a number")
    }

    /// The first word of a line of `/proc/PID/status`.
    #[cfg(target_os = "linux")]
    pub fn status_of(&self, name: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.expect("the line").to_owned()
    }

    /// Waits for a line of the log.
    #[track_caller]
    pub fn until_logged(&self, needle: &str) -> Value {
        let mut before = Vec::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            if line.contains(needle) {
                return serde_json::from_str(&line).expect("a line of the log is JSON");
            }
            before.push(line);
        }
        panic!("{needle:?} was not logged, but:\n{}", before.join("\n"))
    }

    #[cfg(unix)]
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.expect("an id"), signal).expect("the process lives");
    }

    #[track_caller]
    pub fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("the state of the process");
        assert!(
            ended.is_none(),
            "the relay ended: {ended:?}\n{}",
            self.rest_of_log()
        );
    }

    /// Waits for the end of the process. Returns its code and the rest of its log.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the state of the process") {
                break status;
            }
            assert!(Instant::now() < deadline, "the relay does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        (status.code(), self.rest_of_log())
    }

    fn rest_of_log(&mut self) -> String {
        let mut log = String::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            log += &line;
            log.push('\n');
        }
        log
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A well-behaved client.
#[derive(Debug)]
pub struct Peer(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Peer {
    pub async fn connect(url: &str) -> Self {
        let connect = tokio_tungstenite::connect_async(url);
        let connected = tokio::time::timeout(PATIENCE, connect)
            .await
            .expect("an upgrade in time");
        Self(connected.expect("an upgrade").0)
    }

    pub async fn send(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .expect("an open connection");
    }

    pub async fn subscribe(&mut self, topic: &str) {
        self.send(json!({"type": "subscribe", "topics": [topic]}))
            .await;
        self.ping().await;
    }

    pub async fn publish(&mut self, topic: &str, data: Value) {
        self.send(json!({"type": "publish", "topic": topic, "data": data}))
            .await;
    }

    /// Sends a ping and drops everything up to its pong.
    pub async fn ping(&mut self) {
        self.send(json!({"type": "ping"})).await;
        while self.receive().await["type"] != "pong" {}
    }

    pub async fn receive(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.next().await.expect("a message, not the end") {
                return serde_json::from_str(&text).expect("JSON");
            }
        }
    }

    /// Waits for the end of the connection; the close code, if there is one.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Some(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Some(_) => {}
                None => return None,
            }
        }
    }

    /// Waits for as many WebSocket pings, and answers them.
    pub async fn answer_pings(&mut self, count: usize) {
        let mut pings = 0;
        while pings < count {
            let message = self.next().await.expect("a ping, not the end");
            pings += usize::from(matches!(message, Message::Ping(_)));
        }
        self.0.flush().await.expect("an open connection");
    }

    async fn next(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        next.expect("a message or the end, in time")
            .and_then(Result::ok)
    }
}

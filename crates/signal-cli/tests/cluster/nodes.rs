//! A NATS server, and relays that are nodes of a cluster on it.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use signal_testwire::installed;

use crate::common::folder::Folder;
use crate::common::{PATIENCE, Relay};

/// A server that ends with this value.
pub(crate) struct Nats {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Nats {
    pub(crate) fn start(folder: &Folder, arguments: &[&str]) -> Option<Self> {
        let program = installed("SIGNAL_NATS_SERVER")?;
        let process = Command::new(program)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
            .arg(folder.path(""))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        let file = format!("nats-server_{}.ports", process.id());
        let file = folder.path(&file);
        let address = until("nats-server listens", || {
            let text = fs::read_to_string(&file).ok()?;
            let ports: Value = serde_json::from_str(&text).ok()?;
            ports["nats"][0]
                .as_str()?
                .rsplit_once("://")?
                .1
                .parse()
                .ok()
        });
        Some(Self { process, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A relay with short beats, which is a node of the cluster on these servers.
pub(crate) fn node(servers: &str, more: &[&str]) -> Relay {
    let arguments = [
        "--admin-listen",
        "127.0.0.1:0",
        "--cluster-beat",
        "100ms",
        "--cluster-nats",
        servers,
    ];
    Relay::start(&[&arguments[..], more].concat())
}

pub(crate) fn get(relay: &Relay, path: &str) -> signal_testwire::Answer {
    let admin = relay.listening["admin"]
        .as_str()
        .expect("the admin address");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    signal_testwire::ask(admin, &request)
}

/// The value of a metric.
pub(crate) fn count(relay: &Relay, metric: &str) -> f64 {
    let page = get(relay, "/metrics").body;
    let mut lines = page.lines().filter_map(|line| line.rsplit_once(' '));
    let line = lines.find(|(name, _)| *name == metric);
    let (_, value) = line.unwrap_or_else(|| panic!("{metric} is not in:\n{page}"));
    value.parse().expect("a number")
}

/// What the status page shows of the node.
pub(crate) fn shown(relay: &Relay) -> Value {
    let status: Value = serde_json::from_str(&get(relay, "/status.json").body).expect("JSON");
    status["cluster"].clone()
}

pub(crate) fn hears(relay: &Relay, others: usize) {
    until("it hears the other nodes", || {
        let shown = shown(relay);
        let is_so = shown["others"].as_array()?.len() == others && shown["is_ready"] == true;
        is_so.then_some(())
    });
}

pub(crate) fn is_ready(relay: &Relay) {
    until("it is ready", || {
        (get(relay, "/readyz").status == 200).then_some(())
    });
}

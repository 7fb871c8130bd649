//! Three relays and three NATS servers, each a process that may be ended, stopped and started again
//! at the same address, and the routes between the servers, which may be cut.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use signal_testwire::{PATIENCE, installed, reserve_port, until_blocking};
use tokio::net::TcpSocket;

use crate::common::folder::Folder;
use crate::common::{Relay, clean};
use crate::route::Route;

/// How many of each there are.
pub(crate) const SIZE: usize = 3;

const PAUSE: Duration = Duration::from_millis(20);

/// All clients are on this machine, so have one address.
const SETTINGS: [&str; 5] = [
    "--peers-per-ip-max=10000",
    "--connects-per-minute-per-ip=60000",
    "--handshakes-per-ip-max=10000",
    "--drain-seconds=2",
    "--log-format=json",
];

/// Nothing listens there. Servers that hear of each other from a third one would connect without a
/// route of ours.
const NOWHERE: &str = "127.0.0.1:1";

/// A port that stays ours while nothing listens there.
struct Port {
    number: u16,
    _reserved: TcpSocket,
}

impl Port {
    fn new() -> Self {
        let (_reserved, number) = reserve_port();
        Self { number, _reserved }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

/// A NATS server, which runs or not.
pub(crate) struct Nats {
    program: PathBuf,
    config: String,
    clients: Port,
    process: Option<Child>,
}

impl Nats {
    fn url(&self) -> String {
        format!("nats://{}", self.clients.address())
    }

    pub(crate) fn start(&mut self) {
        let mut command = clean(&self.program);
        command.args(["--config", &self.config]);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(quiet.spawn().expect("nats-server starts"));
        let address = self.clients.address();
        until_blocking("nats-server listens", || TcpStream::connect(&address).ok());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Tells it to end as an operator does who exchanges it, and waits until it has.
    pub(crate) fn lame_duck(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let mut tell = Command::new(&self.program);
        tell.arg("--signal").arg(format!("ldm={}", process.id()));
        let told = tell.status().expect("nats-server can be run");
        assert!(told.success(), "{told}");
        until_blocking("a lame server ends", || process.try_wait().ok().flatten());
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A relay, which runs or not.
pub(crate) struct Node {
    program: PathBuf,
    peers: Port,
    admin: Port,
    servers: String,
    relay: Option<Relay>,
}

impl Node {
    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.peers.address())
    }

    pub(crate) fn start(&mut self) {
        let mut command = clean(&self.program);
        command.arg("serve").args(SETTINGS);
        command.args(["--listen", &self.peers.address()]);
        command.args(["--admin-listen", &self.admin.address()]);
        command.args(["--cluster-nats", &self.servers]);
        self.relay = Some(Relay::start_command(command));
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.relay = None;
    }

    /// SIGTERM, and waits until the drain is over.
    pub(crate) fn drain(&mut self) {
        let relay = self.relay.take().expect("it runs");
        relay.terminate();
        let (code, log) = relay.wait();
        assert_eq!(code, Some(0), "{log}");
    }

    pub(crate) fn freeze(&self) {
        self.relay.as_ref().expect("it runs").signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.relay.as_ref().expect("it runs").signal(Signal::CONT);
    }

    fn get(&self, path: &str) -> String {
        let address = self.admin.address();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        signal_testwire::ask(&address, &request).body
    }

    /// What the status page shows of the node.
    pub(crate) fn status(&self) -> Value {
        let status: Value = serde_json::from_str(&self.get("/status.json")).expect("JSON");
        status["cluster"].clone()
    }

    /// A metric with its labels, or the sum of one over its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics");
        let samples = metrics.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        let values = samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        values.sum()
    }
}

/// All of them.
pub(crate) struct Processes {
    pub(crate) nodes: Vec<Node>,
    pub(crate) servers: Vec<Nats>,
    /// From one server to another.
    routes: Vec<(usize, usize, Route)>,
    _accepting: [Port; SIZE],
    _folder: Folder,
}

impl Processes {
    /// Starts all and waits until the relays know each other. Nothing where the programs are not
    /// named.
    pub(crate) async fn start(name: &str) -> Option<Self> {
        let (relay, nats) = (
            installed("SIGNAL_PROGRAM")?,
            installed("SIGNAL_NATS_SERVER")?,
        );
        let folder = Folder::new(name);
        let clients = [(); SIZE].map(|()| Port::new());
        let accepting = [(); SIZE].map(|()| Port::new());
        let mut routes = Vec::new();
        for from in 0..SIZE {
            for to in (0..SIZE).filter(|to| *to != from) {
                routes.push((from, to, Route::to(accepting[to].address()).await));
            }
        }
        let mut servers = Vec::new();
        for (index, (clients, accepting)) in clients.into_iter().zip(&accepting).enumerate() {
            let own = routes.iter().filter(|(from, ..)| *from == index);
            let urls: Vec<_> = own
                .map(|(.., route)| format!("nats://{}", route.address))
                .collect();
            let text = format!(
                "listen: {}\n\
                 server_name: nats-{index}\n\
                 lame_duck_grace_period: \"1s\"\n\
                 lame_duck_duration: \"30s\"\n\
                 cluster {{\n  name: signal\n  listen: {}\n  advertise: \"{NOWHERE}\"\n  \
                 no_advertise: true\n  routes: [{}]\n}}\n",
                clients.address(),
                accepting.address(),
                urls.join(", ")
            );
            servers.push(Nats {
                program: nats.clone(),
                config: folder.write(&format!("nats-{index}.conf"), &text),
                clients,
                process: None,
            });
        }
        servers.iter_mut().for_each(Nats::start);
        let urls: Vec<_> = servers.iter().map(Nats::url).collect();
        let node = || Node {
            program: relay.clone(),
            peers: Port::new(),
            admin: Port::new(),
            servers: urls.join(","),
            relay: None,
        };
        let mut nodes: Vec<_> = std::iter::repeat_with(node).take(SIZE).collect();
        nodes.iter_mut().for_each(Node::start);
        let processes = Self {
            nodes,
            servers,
            routes,
            _accepting: accepting,
            _folder: folder,
        };
        processes.are_whole();
        Some(processes)
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Node::url).collect()
    }

    /// Waits until each relay hears all others, and may be sent peers.
    pub(crate) fn are_whole(&self) {
        for node in &self.nodes {
            until_blocking("each relay hears the others", || {
                let status = node.status();
                let others = status["others"].as_array().map_or(0, Vec::len);
                (others == SIZE - 1 && status["is_ready"] == true).then_some(())
            });
        }
    }

    /// The server that a relay uses.
    fn server_of(&self, node: usize) -> Option<usize> {
        let status = self.nodes[node].status();
        let url = status["server"].as_str()?;
        self.servers.iter().position(|server| server.url() == url)
    }

    /// Two servers that relays use. There may be one alone after the others were ended: that one is
    /// then started anew, and relays go where they like.
    pub(crate) fn two_in_use(&mut self) -> (usize, usize) {
        let start = Instant::now();
        loop {
            let mut used: Vec<_> = (0..SIZE).filter_map(|node| self.server_of(node)).collect();
            used.sort_unstable();
            used.dedup();
            match used[..] {
                [one, other, ..] => return (one, other),
                [one] => {
                    self.servers[one].kill();
                    std::thread::sleep(Duration::from_secs(1));
                    self.servers[one].start();
                }
                [] => {}
            }
            assert!(start.elapsed() < PATIENCE, "all relays use one server");
            std::thread::sleep(PAUSE);
        }
    }

    /// Cuts what there is between two servers. Returns how many connections that were.
    pub(crate) fn cut(&self, (one, other): (usize, usize)) -> usize {
        self.between(one, other).map(Route::cut).sum()
    }

    /// Keeps two servers from connecting, or lets them.
    pub(crate) fn close(&self, (one, other): (usize, usize), is_closed: bool) {
        self.between(one, other)
            .for_each(|route| route.close(is_closed));
    }

    fn between(&self, one: usize, other: usize) -> impl Iterator<Item = &Route> {
        let ends = [(one, other), (other, one)];
        let routes = self.routes.iter();
        let between = routes.filter(move |(from, to, _)| ends.contains(&(*from, *to)));
        between.map(|(.., route)| route)
    }
}

//! The servers, installed, started and ended.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::command::{cargo, command, output, run};
use crate::stop::Stop;
use crate::tools::Tools;
use crate::{clients, install, packages, workspace};

/// How often a server is asked whether it listens, and the time between.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Signal,
    YWebrtc,
    Bun,
    Tungstenite,
}

impl Kind {
    /// Ours first, then in the order of a scenario's goals.
    pub(crate) const ALL: [Self; 4] = [Self::Signal, Self::YWebrtc, Self::Bun, Self::Tungstenite];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::YWebrtc => "y-webrtc",
            Self::Bun => "Bun",
            Self::Tungstenite => "tungstenite",
        }
    }
}

/// Where the programs are.
pub(crate) struct Servers {
    signal: PathBuf,
    modules: PathBuf,
    tungstenite: PathBuf,
}

impl Servers {
    /// Builds or installs all of them.
    pub(crate) fn install(tools: &Tools, builds_signal: bool) -> Result<Self, Stop> {
        if builds_signal {
            clients::build_signal(tools)?;
        }
        let folder = workspace::tools().join("tungstenite");
        run(cargo([
            "build",
            "--release",
            "--locked",
            "--manifest-path",
            workspace::TUNGSTENITE_MANIFEST,
            "--target-dir",
        ])
        .arg(&folder))?;
        Ok(Self {
            signal: clients::built_signal()?,
            modules: install::node_modules(packages::BENCH_PEERS)?,
            tungstenite: folder.join("release/tungstenite-peer"),
        })
    }

    pub(crate) fn signal(&self) -> &Path {
        &self.signal
    }

    /// What the servers are, for the table's heading.
    pub(crate) fn versions(&self) -> String {
        let version = |program: &Path| output(&mut command(program, ["--version"]));
        let bun = version(&self.bun()).unwrap_or_default();
        let node = version(Path::new("node")).unwrap_or_default();
        let rustc = version(Path::new("rustc")).unwrap_or_default();
        let commit = output(&mut command("git", ["rev-parse", "--short", "HEAD"]));
        format!(
            "signal {}, y-webrtc 10.3.0 on Node {}, Bun {bun}, tokio-tungstenite 0.30, {rustc}",
            commit.unwrap_or_default(),
            node.trim_start_matches('v'),
        )
    }

    /// Starts one on a free port of 127.0.0.1, pinned to a core, and waits until it listens.
    pub(crate) fn start(&self, kind: Kind, core: &str) -> Result<Running, Stop> {
        let port = workspace::free_port()?;
        let mut server = command("taskset", ["--cpu-list", core]);
        match kind {
            Kind::Signal => {
                let address = format!("127.0.0.1:{port}");
                server
                    .arg(&self.signal)
                    .args(["serve", "--listen", &address]);
                server.args(RATES);
            }
            Kind::YWebrtc => {
                let script = self.modules.join("y-webrtc/bin/server.js");
                server.arg("node").arg(script);
            }
            Kind::Bun => {
                let script = workspace::bench_peers().join("bun/server.js");
                server.arg(self.bun()).arg(script);
            }
            Kind::Tungstenite => {
                server.arg(&self.tungstenite);
            }
        }
        server.env("PORT", port.to_string());
        let child = server
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Stop::Failed(format!("{} did not start: {error}", kind.name())))?;
        let mut running = Running { child, port };
        for _ in 0..TRIES {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(running);
            }
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(Stop::Failed(format!("{} ended with {status}", kind.name())));
            }
            std::thread::sleep(PAUSE);
        }
        Err(Stop::Failed(format!("{} does not listen", kind.name())))
    }

    fn bun(&self) -> PathBuf {
        self.modules.join(".bin/bun")
    }
}

/// The load exceeds what one peer may send by default; all other limits stay as they are.
pub(crate) const RATES: [&str; 16] = [
    "--messages-per-second",
    "1000000",
    "--messages-burst",
    "1000000",
    "--fan-out-per-second",
    "1000000000",
    "--fan-out-burst",
    "1000000000",
    "--bytes-per-second",
    "4000000000",
    "--bytes-burst",
    "4000000000",
    "--fan-out-bytes-per-second",
    "1000GiB",
    "--fan-out-bytes-burst",
    "1000GiB",
];

/// A server that ends when this is dropped.
pub(crate) struct Running {
    child: Child,
    port: u16,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The servers, installed, started and ended.

use std::path::{Path, PathBuf};

use crate::command::{cargo, command, output, run};
use crate::measuring::{RATES, SERVER_CORE, pinned};
use crate::relay::Relay;
use crate::stop::Stop;
use crate::tools::Tools;
use crate::{clients, install, packages, workspace};

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

    /// Starts one on a free port of 127.0.0.1, and waits until it listens.
    pub(crate) fn start(&self, kind: Kind) -> Result<Relay, Stop> {
        let port = workspace::free_port()?.to_string();
        let address = format!("127.0.0.1:{port}");
        let mut server = match kind {
            Kind::Signal => {
                let mut signal = pinned(SERVER_CORE, &self.signal);
                signal.args(["serve", "--listen", &address]).args(RATES);
                signal
            }
            Kind::YWebrtc => {
                let mut node = pinned(SERVER_CORE, "node");
                node.arg(self.modules.join("y-webrtc/bin/server.js"));
                node
            }
            Kind::Bun => {
                let mut bun = pinned(SERVER_CORE, self.bun());
                bun.arg(workspace::bench_peers().join("bun/server.js"));
                bun
            }
            Kind::Tungstenite => pinned(SERVER_CORE, &self.tungstenite),
        };
        Relay::run(server.env("PORT", port), address)
    }

    fn bun(&self) -> PathBuf {
        self.modules.join(".bin/bun")
    }
}

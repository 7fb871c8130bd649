use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::{Folder, installed, until_blocking};

/// A NATS server in a folder of its own, which ends with this value.
#[derive(Debug)]
pub struct NatsServer {
    /// The server itself, for signals.
    pub process: Child,
    /// Where clients connect.
    pub clients: SocketAddr,
    /// Where other servers do, if it is one of a cluster.
    pub routes: Option<SocketAddr>,
    folder: Folder,
}

impl NatsServer {
    /// Starts one with more lines of configuration, which `cargo xtask test` has installed. Nothing
    /// where it is not.
    #[must_use]
    pub fn start(more: &str) -> Option<Self> {
        let program = installed("SIGNAL_NATS_SERVER")?;
        let folder = Folder::new("nats");
        let text = format!("host: 127.0.0.1\nport: -1\n{more}\n");
        let process = Command::new(program)
            .args(["--config", &folder.write("nats.conf", &text)])
            .args(["--ports_file_dir", &folder.path("")])
            .args(["--log", &folder.path("log")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        let mut server = Self {
            process,
            clients: ([127, 0, 0, 1], 0).into(),
            routes: None,
            folder,
        };
        server.read_ports();
        Some(server)
    }

    /// Its addresses stand in a file once it listens.
    fn read_ports(&mut self) {
        let file = format!("nats-server_{}.ports", self.process.id());
        let file = self.folder.path(&file);
        let ports = until_blocking("nats-server listens", || {
            let ended = self.process.try_wait().expect("a child");
            assert_eq!(ended, None, "{}", self.log());
            let text = std::fs::read_to_string(&file).ok()?;
            serde_json::from_str::<serde_json::Value>(&text).ok()
        });
        let address = |of: &str| {
            let url = ports[of][0].as_str()?;
            url.rsplit_once("://")?.1.parse().ok()
        };
        self.clients = address("nats").expect("an address for clients");
        self.routes = address("cluster");
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path("log")).unwrap_or_default()
    }

    /// Its address as a setting.
    pub fn url(&self) -> String {
        format!("nats://{}", self.clients)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

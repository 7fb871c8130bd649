//! NATS servers, each a process with a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signal_testwire::installed;

/// How long anything may take on a busy machine before a test gives it up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A server that ends with this value.
pub(crate) struct Server {
    process: Child,
    folder: Folder,
    pub(crate) clients: SocketAddr,
    /// For the routes of other servers, if it is one of a cluster.
    pub(crate) routes: Option<SocketAddr>,
}

impl Server {
    /// Starts one with more lines of configuration. Nothing where the program is not installed.
    pub(crate) fn start(more: &str) -> Option<Self> {
        let program = installed("SIGNAL_NATS_SERVER")?;
        let folder = Folder::new();
        let text = format!("host: 127.0.0.1\nport: -1\n{more}\n");
        let config = folder.write("nats.conf", &text);
        let process = Command::new(program)
            .arg("--config")
            .arg(config)
            .arg("--ports_file_dir")
            .arg(&folder.0)
            .arg("--log")
            .arg(folder.0.join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        let mut server = Self {
            process,
            folder,
            clients: ([127, 0, 0, 1], 0).into(),
            routes: None,
        };
        server.read_ports();
        Some(server)
    }

    /// With a cluster port, and a route to those.
    pub(crate) fn in_cluster(routes: &[SocketAddr], more: &str) -> Option<Self> {
        let routes: Vec<_> = routes
            .iter()
            .map(|route| format!("nats://{route}"))
            .collect();
        let routes = routes.join(", ");
        Self::start(&format!(
            "cluster {{ name: c, host: 127.0.0.1, port: -1, routes: [{routes}] }}\n{more}"
        ))
    }

    /// The addresses stand in a file once it listens.
    fn read_ports(&mut self) {
        let name = format!("nats-server_{}.ports", self.process.id());
        let (file, start) = (self.folder.0.join(name), Instant::now());
        let ports = loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Ok(ports) = serde_json::from_str::<serde_json::Value>(&text) {
                break ports;
            }
            assert!(
                start.elapsed() < PATIENCE && matches!(self.process.try_wait(), Ok(None)),
                "no nats-server: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        };
        let address = |of: &str| {
            let url = ports[of][0].as_str()?;
            url.rsplit_once("://")?.1.parse().ok()
        };
        self.clients = address("nats").expect("an address for clients");
        self.routes = address("cluster");
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.0.join("log")).unwrap_or_default()
    }

    /// Its address as a setting.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.clients)
    }

    /// Stops it as SIGSTOP does: it answers nothing, and its connections stay.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Announces its end to its clients, and lets them go one after another.
    pub(crate) fn make_lame(&self) {
        self.signal(Signal::USR2);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, signal).expect("the process is there");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder that goes with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("signal-nats-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

//! A relay as a process, serving while this value lives.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::command::{command, output};
use crate::stop::Stop;
use crate::workspace;

/// wrangler builds before it serves.
const START_TIMEOUT: Duration = Duration::from_secs(90);

const STOP_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Relay {
    child: Child,
    name: String,
    address: String,
}

impl Relay {
    /// Starts `signal serve` on a free port and waits until it takes connections.
    pub(crate) fn start(signal: &Path) -> Result<Self, Stop> {
        Self::start_with(signal, &[])
    }

    /// The same with settings.
    pub(crate) fn start_with(signal: &Path, settings: &[&str]) -> Result<Self, Stop> {
        let address = format!("127.0.0.1:{}", workspace::free_port()?);
        let mut serve = command(signal, ["serve", "--listen", &address]);
        Self::run(serve.args(settings), address)
    }

    /// Runs a command that serves at this address and waits until it takes connections.
    pub(crate) fn run(command: &mut Command, address: String) -> Result<Self, Stop> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .spawn()
            .map_err(|error| Stop::Failed(format!("`{name}` did not start: {error}")))?;
        let mut relay = Self {
            child,
            name,
            address,
        };
        let start = Instant::now();
        while TcpStream::connect(&relay.address).is_err() {
            relay.check_alive()?;
            if start.elapsed() > START_TIMEOUT {
                return Err(Stop::Failed(format!(
                    "nothing listens on {}",
                    relay.address
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(relay)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Fails if the process has ended by itself.
    pub(crate) fn check_alive(&mut self) -> Result<(), Stop> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Stop::Failed(format!("`{}` ended with {status}", self.name))),
            Err(error) => Err(Stop::Failed(format!(
                "`{}` cannot be waited for: {error}",
                self.name
            ))),
        }
    }
}

impl Relay {
    /// Asks the process to end, as one must that has children to end itself, and waits for it.
    pub(crate) fn terminate(mut self) {
        let pid = self.child.id().to_string();
        let asked = output(&mut command("kill", ["-TERM", &pid]));
        let start = Instant::now();
        while asked.is_some() && start.elapsed() < STOP_TIMEOUT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

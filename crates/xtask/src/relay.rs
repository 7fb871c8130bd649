//! The built `signal` binary, serving while this value lives.

use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::step::{Stop, command};
use crate::workspace;

const START_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Relay {
    child: Child,
    address: String,
}

impl Relay {
    /// Starts `signal serve` on a free port and waits until it takes connections.
    pub(crate) fn start(signal: &Path) -> Result<Self, Stop> {
        let address = format!("127.0.0.1:{}", workspace::free_port()?);
        let child = command(signal, ["serve", "--listen", &address]).spawn();
        let child = child
            .map_err(|error| Stop::Failed(format!("`signal serve` did not start: {error}")))?;
        let mut relay = Self { child, address };
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

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Fails if the process has ended by itself.
    pub(crate) fn check_alive(&mut self) -> Result<(), Stop> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Stop::Failed(format!("`signal serve` ended with {status}"))),
            Err(error) => Err(Stop::Failed(format!(
                "`signal serve` cannot be waited for: {error}"
            ))),
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

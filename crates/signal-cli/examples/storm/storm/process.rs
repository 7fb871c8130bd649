//! The relay's process, and what it costs. Linux only: it reads `/proc`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::storm::Error;

const START_MAX: Duration = Duration::from_secs(20);

/// `signal serve` in a process that ends with this value.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    pub(crate) address: SocketAddr,
}

/// What the process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Processor time of all threads.
    pub(crate) processor: Duration,
    pub(crate) resident_kib: u64,
    pub(crate) resident_peak_kib: u64,
    pub(crate) log_bytes: u64,
}

impl Process {
    /// Starts it with its log, as JSON, in a file of this folder, and waits until it listens.
    pub(crate) fn start(program: &Path, arguments: &[&str], folder: &Path) -> Result<Self, Error> {
        let log = folder.join("signal.log");
        let mut command = Command::new(program);
        // Settings in the environment are not part of what is measured.
        let settings = std::env::vars_os().map(|(name, _)| name);
        for setting in settings.filter(|name| name.to_string_lossy().starts_with("SIGNAL_")) {
            command.env_remove(setting);
        }
        let child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut process = Self {
            child,
            log,
            address: ([0, 0, 0, 0], 0).into(),
        };
        process.address = process.listening()?;
        Ok(process)
    }

    /// Where it listens, as soon as it says so.
    fn listening(&mut self) -> Result<SocketAddr, Error> {
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            for line in BufReader::new(File::open(&self.log)?).lines() {
                let line: serde_json::Value = serde_json::from_str(&line?).unwrap_or_default();
                if let Some(address) = line["address"].as_str() {
                    return Ok(address.parse()?);
                }
            }
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(&self.log)?;
                return Err(format!("signal serve ended with {status}: {log}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("signal serve does not say where it listens".into())
    }

    pub(crate) fn usage(&self) -> Result<Usage, Error> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let mut processor = Duration::ZERO;
        for task in fs::read_dir(folder.join("task"))? {
            // The first number is the time on a processor in nanoseconds.
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let nanos = text.split(' ').next().unwrap_or_default().parse()?;
            processor += Duration::from_nanos(nanos);
        }
        let status = fs::read_to_string(folder.join("status"))?;
        let kib = |name: &str| -> Result<u64, Error> {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            let value = value.ok_or_else(|| format!("no {name} in /proc"))?;
            Ok(value.trim().trim_end_matches(" kB").parse()?)
        };
        Ok(Usage {
            processor,
            resident_kib: kib("VmRSS:")?,
            resident_peak_kib: kib("VmHWM:")?,
            log_bytes: fs::metadata(&self.log)?.len(),
        })
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> Result<String, Error> {
        Ok(fs::read_to_string(&self.log)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The example that people copy who bring their own sockets: `signal-core/examples/own_io`. The
//! test is here because the suite cannot be a dev-dependency of the crate that it is built on.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use signal_conformance::{Declared, Level, RunOptions, Suite, UrlBackend};
use signal_core::{Limit, Limits};

/// The example as a process, on a port of its own choice.
struct OwnIo {
    process: Child,
    url: String,
}

impl OwnIo {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", "signal-core"])
            .args(["--example", "own_io", "--", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo runs");
        let stdout = process.stdout.take().expect("it is piped");
        let mut line = String::new();
        let said = BufReader::new(stdout).read_line(&mut line);
        let url = line.strip_prefix("listening on ").unwrap_or_default();
        assert!(said.is_ok() && !url.is_empty(), "it said {line:?}");
        let url = url.trim_end().to_owned();
        Self { process, url }
    }
}

impl Drop for OwnIo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_on_threads_passes_stock_robust_and_limits() {
    let relay = OwnIo::start();
    let server = UrlBackend::new(&relay.url).expect("an address").patient();
    let limits = Limits::default();
    let server = server.declare(|declared| {
        let declared = declared.levels([Level::Limits]);
        let declared = declared.limit("outbound_bytes_max", 1024 * 1024);
        let declare = |declared: Declared, limit: &Limit<Limits>| {
            declared.limit(limit.name, (limit.get)(&limits))
        };
        Limits::ALL.iter().fold(declared, declare)
    });
    let mut options = RunOptions::default();
    options.concurrency = 8;
    options.patience = Duration::from_secs(30);
    options.deadline = Duration::from_secs(180);
    let levels = [Level::Stock, Level::Robust, Level::Limits];
    let report = Suite::all().levels(levels).run(&server, &options).await;
    println!("{}", report.to_text());
    let tally = report.levels();
    for level in levels {
        let tally = &tally[&level];
        assert_eq!(tally.failed, 0, "{}", report.to_text());
        assert!(tally.passed > 0, "{}", report.to_text());
    }
    assert_eq!(tally[&Level::Stock].skipped, 0, "{}", report.to_text());
}

//! One relay, or nodes on a NATS server.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::loads::Load;
use crate::measuring::{RATES, Report, SERVER_CORE, bench, measure, pinned};
use crate::relay::Relay;
use crate::stop::Stop;
use crate::workspace;

/// Three beats, on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Until each node has heard from all others that they are ready: topics have their homes then.
const SETTLE: Duration = Duration::from_secs(2);
/// Until a node without others takes itself for alone, 15 seconds after its start.
const SETTLE_ALONE: Duration = Duration::from_secs(15);

pub(crate) struct Service {
    relays: Vec<Relay>,
    /// Ends after the relays.
    nats: Option<Relay>,
}

impl Service {
    /// One relay.
    pub(crate) fn single(signal: &Path) -> Result<Self, Stop> {
        Ok(Self {
            relays: vec![start(signal, &[])?.0],
            nats: None,
        })
    }

    /// So many nodes, once they know each other.
    pub(crate) fn cluster(signal: &Path, nats: &Path, nodes: usize) -> Result<Self, Stop> {
        let port = workspace::free_port()?.to_string();
        let mut server = pinned(SERVER_CORE, nats);
        server.args(["--addr", "127.0.0.1", "--port", &port]);
        let address = format!("127.0.0.1:{port}");
        let nats = Relay::run(&mut server, address.clone())?;
        let url = format!("nats://{address}");
        let mut service = Self {
            relays: Vec::new(),
            nats: Some(nats),
        };
        let mut admins = Vec::new();
        for _ in 0..nodes {
            let (relay, admin) = start(signal, &["--cluster-nats", &url])?;
            service.relays.push(relay);
            admins.push(admin);
        }
        admins.iter().try_for_each(|admin| until_ready(admin))?;
        std::thread::sleep(if nodes == 1 { SETTLE_ALONE } else { SETTLE });
        Ok(service)
    }

    /// Puts it under a load.
    pub(crate) fn measure(
        &self,
        signal: &Path,
        load: &Load,
        duration: &str,
    ) -> Result<Measurement, Stop> {
        let pids = self.relays.iter().map(|relay| relay.pid().to_string());
        let mut bench = bench(signal);
        bench.args(["--warmup", "700ms"]);
        bench.args(["--duration", duration, "--timeout", "30s"]);
        bench.args(["--pid", &pids.collect::<Vec<_>>().join(",")]);
        bench.args(load.arguments);
        bench.args(self.relays.iter().map(Relay::url));
        if let Some(nats) = self.nats.as_ref().filter(|_| self.relays.len() > 1) {
            bench.args(["--bus-pid", &nats.pid().to_string()]);
        }
        measure(&mut bench, |report, is_success| {
            is_success.then(|| Measurement::of(report))
        })
    }
}

/// How many nodes there are.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.relays.len();
        f.pad(&match self.nats {
            None => "one".to_owned(),
            Some(_) => format!("{nodes} nodes"),
        })
    }
}

/// A relay on free ports, with where it says whether it is ready.
fn start(signal: &Path, more: &[&str]) -> Result<(Relay, String), Stop> {
    let [address, admin] =
        [workspace::free_port()?, workspace::free_port()?].map(|port| format!("127.0.0.1:{port}"));
    let mut serve = pinned(SERVER_CORE, signal);
    serve.args(["serve", "--listen", &address, "--admin-listen", &admin]);
    serve.args(RATES).args(more);
    Ok((Relay::run(&mut serve, address)?, admin))
}

fn until_ready(admin: &str) -> Result<(), Stop> {
    let start = Instant::now();
    while start.elapsed() < READY_TIMEOUT {
        if status_line(admin).is_some_and(|line| line.contains(" 200 ")) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(Stop::Failed(format!("the node at {admin} is not ready")))
}

fn status_line(admin: &str) -> Option<String> {
    let mut stream = TcpStream::connect(admin).ok()?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().next().map(str::to_owned)
}

/// What counts of a report of `signal bench`. What was not measured is not a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measurement {
    /// Processor time for a delivery in microseconds, of all relays together.
    pub(crate) cpu: f64,
    /// The same of the NATS server.
    pub(crate) bus_cpu: f64,
    /// Memory for a connection in bytes, of all relays together.
    pub(crate) memory: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The share of deliveries that went from one node to another, and how long those took.
    pub(crate) crossed: f64,
    pub(crate) crossed_p50: f64,
    pub(crate) crossed_p99: f64,
}

impl Measurement {
    fn of(report: &Report) -> Self {
        let of = |name| report.number(name).unwrap_or(f64::NAN);
        Self {
            cpu: of("cpu_us_per_delivery"),
            bus_cpu: of("bus_cpu_us_per_delivery"),
            memory: of("memory_per_connection"),
            p50: of("p50_ms"),
            p99: of("p99_ms"),
            crossed: of("crossed_share"),
            crossed_p50: of("crossed_p50_ms"),
            crossed_p99: of("crossed_p99_ms"),
        }
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cpu, bus_cpu, p50, ..
        } = self;
        write!(
            f,
            "{cpu:>8.3} µs CPU, NATS {bus_cpu:>7.3} µs, p50 {p50:>7.3} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_by_its_names() {
        let csv =
            "deliveries,p50_ms,p99_ms,cpu_us_per_delivery,memory_per_connection\n9,1,2,4.25,\n";
        let one = Measurement::of(&Report::parse(csv).expect("a report"));
        assert_eq!((one.cpu, one.p50, one.p99), (4.25, 1.0, 2.0));
        assert!(one.memory.is_nan() && one.crossed.is_nan());
        assert!(Report::parse("a,b").is_none());
    }
}

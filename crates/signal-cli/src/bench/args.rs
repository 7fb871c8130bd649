use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use http::header::{HeaderName, HeaderValue};
use signal_bench::{Plan, Scenario, Threshold};
use signal_core::parse_time;

use crate::bench::compare::Entry;
use crate::check::{Target, header, timeout};
use crate::token::TokenFlags;

const LOAD: &str = "Load";
const REPORT: &str = "Report";
const ACCESS: &str = "Access";

/// Which load, on what, and what to report of it.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// The server, such as ws://localhost:4444; several are the nodes of a cluster
    ///
    /// Several addresses are put under load as one service: the members of each room are connected
    /// to them in turn, and each delivery is checked from node to node. Member m of room r is on
    /// node (seed + r + m) modulo their number.
    #[arg(value_name = "URL", required_unless_present = "compare")]
    pub(crate) urls: Vec<Target>,

    /// Put several servers under the same load in turn, A B A B, and print how many times better
    /// the first is
    #[arg(long, value_name = "NAME=URL[,PID]", num_args = 1.., conflicts_with_all = ["urls", "pid", "bus_pid", "csv", "fail_if"], help_heading = REPORT)]
    pub(crate) compare: Vec<Entry>,

    /// With --compare: how many times each server has its turn
    #[arg(long, value_name = "N", default_value_t = 3, requires = "compare", value_parser = clap::value_parser!(u16).range(1..=1_000), help_heading = REPORT)]
    pub(crate) rounds: u16,

    /// What to do: fanout, paced, join, idle, churn or slow
    ///
    /// fanout: messages circulate in rooms as fast as they are delivered. paced: at a fixed --rate,
    /// counted from when each was due. join: rooms fill up; each newcomer announces itself and each
    /// member answers with 3 to 6 messages of 0.5 to 3 KB. idle: --connections that only ping.
    /// churn: --connections at a time that come, subscribe, publish, hear themselves and go. slow:
    /// as fanout, with --slow-readers that never read.
    #[arg(long, value_name = "NAME", default_value = "fanout", help_heading = LOAD)]
    scenario: Scenario,

    /// How many rooms [default: 100; slow: 4]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    rooms: Option<usize>,

    /// How many members each room has, each on a connection of its own [default: 10]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    members: Option<usize>,

    /// How many members of each room publish, in turn [default: 1]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    publishers: Option<usize>,

    /// How many messages of each room are on their way at once [default: 1; slow: 8]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    window: Option<usize>,

    /// The length of a message as it is sent, in bytes of JSON [default: 168; slow: 3000]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    bytes: Option<usize>,

    /// paced: deliveries in a second, of all rooms together [default: 20000]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    rate: Option<f64>,

    /// idle: how many connections; churn: how many at a time [default: 10000; churn: 50]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    connections: Option<usize>,

    /// idle: how often each connection sends a ping [default: 15s]
    #[arg(long, value_name = "TIME", value_parser = timeout, help_heading = LOAD)]
    ping_interval: Option<Duration>,

    /// slow: how many subscribers never read [default: 1]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    slow_readers: Option<usize>,

    /// How long the load runs before anything is measured
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time, help_heading = LOAD)]
    warmup: Duration,

    /// How long to measure
    #[arg(long, alias = "seconds", value_name = "TIME", default_value = "5s", value_parser = timeout, help_heading = LOAD)]
    duration: Duration,

    /// How long a delivery may take before it counts as lost
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout, help_heading = LOAD)]
    timeout: Duration,

    /// How many threads generate the load; more only if the report says so
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = LOAD)]
    threads: usize,

    /// What sizes and counts are drawn from: the same seed, the same load
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = LOAD)]
    seed: u64,

    /// The server's process on this machine: measures its processor time and memory, children
    /// included. With several addresses one for each, in their order: 11,12,13
    #[arg(long, value_name = "PID", help_heading = REPORT)]
    pid: Option<Pids>,

    /// With several addresses: the processes that carry messages between them, such as NATS
    /// servers, to measure them apart: 21,22
    #[arg(long, value_name = "PID", help_heading = REPORT)]
    bus_pid: Option<Pids>,

    /// Report as JSON
    #[arg(long, conflicts_with = "csv", help_heading = REPORT)]
    json: bool,

    /// Report as a line of CSV under a header
    #[arg(long, help_heading = REPORT)]
    csv: bool,

    /// Fail if this is true, such as 'p99>50ms'; may be repeated
    ///
    /// The numbers are p50, p99, p99.9 and max (ms), lost, deliveries_per_second, and with --pid
    /// cpu_per_delivery (us) and memory_per_connection (B, KiB).
    #[arg(long, value_name = "CONDITION", help_heading = REPORT)]
    pub(crate) fail_if: Vec<Threshold>,

    /// Show no progress
    #[arg(long, short, help_heading = REPORT)]
    pub(crate) quiet: bool,

    #[command(flatten, next_help_heading = ACCESS)]
    token: TokenFlags,

    /// Sent as the address of the page the client runs in, such as `https://your.app`
    #[arg(long, value_name = "URL", help_heading = ACCESS)]
    origin: Option<HeaderValue>,

    /// A header to send with each upgrade; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header, help_heading = ACCESS)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// Needed for a server that is not on this machine
    #[arg(long, help_heading = ACCESS)]
    pub(crate) i_own_this_server: bool,
}

/// Numbers of processes: with commas between them, or blanks, as `pidof` prints them.
#[derive(Clone, Debug)]
struct Pids(Vec<u32>);

impl FromStr for Pids {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        let pids = words.map(|word| {
            let pid = word.parse();
            pid.map_err(|_| format!("{word:?} is not the number of a process"))
        });
        let pids = pids.collect::<Result<Vec<_>, _>>()?;
        match pids[..] {
            [] => Err("it names no process".to_owned()),
            _ => Ok(Self(pids)),
        }
    }
}

/// How to write the report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    Text,
    Json,
    Csv,
}

impl BenchArgs {
    /// A server with the token in its address.
    pub(crate) fn with_token(&self, target: &Target) -> Target {
        match self.token.in_address() {
            Some(token) => target.clone().with_token(token),
            None => target.clone(),
        }
    }

    pub(crate) fn format(&self) -> Format {
        match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            (false, false) => Format::Text,
        }
    }

    /// The load, or what is wrong with it and what to write instead.
    pub(crate) fn plan(&self) -> Result<Plan, (String, String)> {
        let mut plan = Plan::new(self.scenario);
        let numbers = [
            (&mut plan.rooms, self.rooms),
            (&mut plan.members, self.members),
            (&mut plan.publishers, self.publishers),
            (&mut plan.window, self.window),
            (&mut plan.bytes, self.bytes),
            (&mut plan.connections, self.connections),
            (&mut plan.slow_readers, self.slow_readers),
        ];
        for (number, given) in numbers {
            *number = given.unwrap_or(*number);
        }
        plan.rate = self.rate.unwrap_or(plan.rate);
        plan.ping_interval = self.ping_interval.unwrap_or(plan.ping_interval);
        plan.warmup = self.warmup;
        plan.duration = self.duration;
        plan.timeout = self.timeout;
        plan.threads = self.threads;
        plan.seed = self.seed;
        self.check_processes()?;
        plan.pid = match (&self.urls[..], self.pids()) {
            ([_], [pid]) => Some(*pid),
            _ => None,
        };
        if self.pid.is_none()
            && let Some(threshold) = self.fail_if.iter().find(|one| one.needs_process())
        {
            return Err((
                format!("--fail-if '{threshold}' needs the server's process"),
                "add --pid".to_owned(),
            ));
        }
        plan.check().map_err(|error| (error.what, error.fix))?;
        Ok(plan)
    }

    /// The process of each address, or none.
    pub(crate) fn pids(&self) -> &[u32] {
        self.pid.as_ref().map_or(&[], |pids| &pids.0)
    }

    /// The processes between the nodes.
    pub(crate) fn bus_pids(&self) -> &[u32] {
        self.bus_pid.as_ref().map_or(&[], |pids| &pids.0)
    }

    fn check_processes(&self) -> Result<(), (String, String)> {
        let (addresses, pids) = (self.urls.len(), self.pids().len());
        if self.pid.is_some() && pids != addresses {
            return Err((
                format!("processes named by --pid: {pids}; addresses: {addresses}"),
                "name one process for each address, in their order, with commas between them"
                    .to_owned(),
            ));
        }
        if self.bus_pid.is_some() && addresses < 2 {
            return Err((
                "--bus-pid is for what is between several nodes".to_owned(),
                "name the addresses of all nodes, or leave it out".to_owned(),
            ));
        }
        Ok(())
    }

    /// What every upgrade says.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let origin = self
            .origin
            .iter()
            .map(|origin| (http::header::ORIGIN, origin.clone()));
        self.headers
            .iter()
            .cloned()
            .chain(origin)
            .chain(self.token.header())
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), value)
            })
            .collect()
    }
}

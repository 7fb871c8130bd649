//! What the system knows of this process.

use std::fmt;

use serde::Serialize;
use signal_tokio::metrics::prometheus_client::collector::Collector;
use signal_tokio::metrics::prometheus_client::encoding::DescriptorEncoder;
use signal_tokio::metrics::{self, Metric, Read, Sample, Value};

/// What Prometheus expects to know of any process, as far as the system says.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Process {
    cpu_seconds: Option<f64>,
    memory_bytes: Option<u64>,
    open_files: Option<u64>,
    open_files_max: Option<u64>,
    /// Since 1970.
    started_seconds: Option<f64>,
}

pub(super) static METRICS: &[Metric<Process>] = &[
    Metric::new(
        "process_cpu_seconds_total",
        &[],
        Read::Counter(|process| one(process.cpu_seconds)),
        "Processor time, of the program and of the kernel for it",
    ),
    Metric::new(
        "process_resident_memory_bytes",
        &[],
        Read::Gauge(|process| one(process.memory_bytes)),
        "Resident memory",
    ),
    Metric::new(
        "process_open_fds",
        &[],
        Read::Gauge(|process| one(process.open_files)),
        "Open files; each peer is one",
    ),
    Metric::new(
        "process_max_fds",
        &[],
        Read::Gauge(|process| one(process.open_files_max)),
        "The limit on open files",
    ),
    Metric::new(
        "process_start_time_seconds",
        &[],
        Read::Gauge(|process| one(process.started_seconds)),
        "When the process started, in seconds since 1970",
    ),
];

fn one(value: Option<impl Into<Value>>) -> Vec<Sample> {
    value.map_or_else(Vec::new, Sample::only)
}

/// Gives a registry the metrics of this process.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        metrics::encode(METRICS, &Process::read(), &mut encoder)
    }
}

#[cfg(target_os = "linux")]
impl Process {
    pub(super) fn read() -> Self {
        use rustix::process::{Resource, getrlimit};

        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let stat = Stat::parse(&stat);
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        Self {
            cpu_seconds: stat.map(|stat| stat.cpu_ticks as f64 / ticks),
            memory_bytes: pages.map(|pages| pages * rustix::param::page_size() as u64),
            open_files: open_files(),
            open_files_max: getrlimit(Resource::Nofile).current,
            started_seconds: stat
                .and_then(|stat| Some(booted()? + stat.start_ticks as f64 / ticks)),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Process {
    pub(super) fn read() -> Self {
        Self::default()
    }
}

/// The fields of `/proc/self/stat` that concern us.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    /// Since the system started.
    start_ticks: u64,
}

#[cfg(target_os = "linux")]
impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name of the program is in brackets and may hold anything. Behind it the third field
        // comes first.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            start_ticks: field(22)?,
        })
    }
}

/// How many files are open. Linux 6.2 and newer give it as the size of the folder; older ones must
/// be counted.
#[cfg(target_os = "linux")]
fn open_files() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    let size = std::fs::metadata(FOLDER).ok()?.len();
    if size > 0 {
        return Some(size);
    }
    let count = std::fs::read_dir(FOLDER).ok()?.count() as u64;
    // One of them is the folder itself.
    Some(count.saturating_sub(1))
}

/// When the system started, in seconds since 1970.
#[cfg(target_os = "linux")]
fn booted() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn this_process_is_read() {
        let file = std::fs::File::open("/proc/self/stat").expect("a file");
        let process = Process::read();
        drop(file);
        let memory = process.memory_bytes.expect("memory");
        assert!((1 << 20..1 << 36).contains(&memory), "{memory} bytes");
        assert!(process.open_files.expect("files") >= 4, "{process:?}");
        assert!(process.open_files_max >= process.open_files, "{process:?}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let age =
            now.expect("after 1970").as_secs_f64() - process.started_seconds.expect("a start");
        assert!((-2.0..3_600.0).contains(&age), "{age} s old");
    }

    #[test]
    fn a_program_may_be_called_anything() {
        let text = "7 (a) 1 (b) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 9000 1 2";
        let stat = Stat {
            cpu_ticks: 300,
            start_ticks: 9_000,
        };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("nonsense"), None);
    }

    #[test]
    fn the_page_of_metrics_has_those_of_the_process() {
        let page = include_str!("../../../signal-tokio/METRICS.md");
        let mut table = "| name | type | what |\n|---|---|---|\n".to_owned();
        for metric in METRICS {
            table += &format!(
                "| `{}` | {} | {} |\n",
                metric.name,
                metric.kind(),
                metric.help
            );
        }
        let shown = page
            .split_once("<!-- process -->\n")
            .and_then(|(_, rest)| Some(rest.split_once("<!-- end -->")?.0));
        assert!(shown == Some(&table), "METRICS.md must show\n{table}");
    }
}
/// The name of this machine, if it has one.
pub(super) fn host() -> Option<String> {
    #[cfg(unix)]
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    (!name.is_empty()).then_some(name)
}

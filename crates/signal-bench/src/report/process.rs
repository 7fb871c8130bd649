//! What a process on this machine uses, by `/proc`. Linux only.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use crate::cluster::{Cluster, Node};
use crate::error::BenchError;

/// What a process and its children have used, and hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time, in the process and in the kernel for it.
    pub(crate) cpu: Duration,
    /// Times it waited.
    pub(crate) waits: u64,
    /// Times it was interrupted for another.
    pub(crate) preemptions: u64,
    /// Its share of memory: what several processes map is divided among them.
    pub(crate) memory: u64,
}

/// A server's process, with all its children.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
}

impl Process {
    /// # Errors
    ///
    /// If there is no such process, or nothing can be learned about it.
    pub(crate) fn new(pid: u32) -> Result<Self, BenchError> {
        let process = Self { pid };
        if memory(pid).is_none() || stat(pid).is_none() {
            let what = format!("process {pid} of the server cannot be measured");
            let fix = if cfg!(target_os = "linux") {
                "pass the number of a running process that belongs to you: --pid"
            } else {
                "that works on Linux only, from /proc: leave --pid out"
            };
            return Err(BenchError::new(what, fix));
        }
        Ok(process)
    }

    /// What it has used until now. A process that has ended has used nothing more.
    fn usage(self, parents: &[(u32, u32)]) -> Usage {
        let mut usage = Usage::default();
        for pid in family(self.pid, parents) {
            let Some(stat) = stat(pid) else { continue };
            usage.cpu += stat.cpu;
            usage.memory += memory(pid).unwrap_or_default();
            let (waits, preemptions) = switches(pid);
            usage.waits += waits;
            usage.preemptions += preemptions;
        }
        usage
    }
}

/// The processes of a service: of each node, and of what carries messages between them.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    nodes: Vec<Option<Process>>,
    bus: Vec<Process>,
}

/// What they have used, and hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usages {
    pub(crate) nodes: Vec<Option<Usage>>,
    /// All of the bus together.
    pub(crate) bus: Option<Usage>,
}

impl Processes {
    /// # Errors
    ///
    /// If there is no such process, or nothing can be learned about it.
    pub(crate) fn new(cluster: &Cluster) -> Result<Self, BenchError> {
        let of_node = |node: &Node| node.pid.map(Process::new).transpose();
        let bus = cluster.bus_pids.iter().map(|pid| Process::new(*pid));
        Ok(Self {
            nodes: cluster
                .nodes
                .iter()
                .map(of_node)
                .collect::<Result<_, _>>()?,
            bus: bus.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bus.is_empty() && self.nodes.iter().all(Option::is_none)
    }

    pub(crate) fn usages(&self) -> Usages {
        if self.is_empty() {
            let nodes = vec![None; self.nodes.len()];
            return Usages { nodes, bus: None };
        }
        let parents = parents();
        let of = |process: &Process| process.usage(&parents);
        let nodes = self.nodes.iter().map(|node| node.as_ref().map(of));
        let bus = self.bus.iter().map(of).reduce(Usage::and);
        Usages {
            nodes: nodes.collect(),
            bus,
        }
    }
}

impl Usage {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            waits: self.waits + other.waits,
            preemptions: self.preemptions + other.preemptions,
            memory: self.memory + other.memory,
        }
    }
}

struct Stat {
    parent: u32,
    cpu: Duration,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses and may contain anything.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = field(11)? + field(12)?;
    Some(Stat {
        parent: field(1)?.try_into().ok()?,
        cpu: Duration::from_secs(ticks) / ticks_per_second(),
    })
}

#[cfg(unix)]
fn ticks_per_second() -> u32 {
    u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
}

#[cfg(not(unix))]
fn ticks_per_second() -> u32 {
    100
}

/// All processes, each with its parent.
fn parents() -> Vec<(u32, u32)> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect()
}

/// The process and all that descend from it.
fn family(pid: u32, parents: &[(u32, u32)]) -> BTreeSet<u32> {
    let mut family = BTreeSet::from([pid]);
    loop {
        let before = family.len();
        for (child, parent) in parents {
            if family.contains(parent) {
                family.insert(*child);
            }
        }
        if family.len() == before {
            return family;
        }
    }
}

/// Proportional set size, or resident set size where the system does not give that.
fn memory(pid: u32) -> Option<u64> {
    kib(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
        .or_else(|| kib(&format!("/proc/{pid}/status"), "VmRSS:"))
}

fn kib(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Context switches of all threads: by itself, and by others.
fn switches(pid: u32) -> (u64, u64) {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let mut sum = (0, 0);
    for task in tasks {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            value.unwrap_or_default()
        };
        sum.0 += field("voluntary_ctxt_switches:");
        sum.1 += field("nonvoluntary_ctxt_switches:");
    }
    sum
}

/// The processor time of this process, all threads together.
#[cfg(unix)]
pub(crate) fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}

/// How long threads of this process could have run, but another process had the processor. Zero
/// where the system does not say.
pub(crate) fn own_starvation() -> Duration {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let nanos = tasks.filter_map(|task| {
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        schedstat.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Not told on other systems.
#[cfg(not(unix))]
pub(crate) fn own_cpu() -> Duration {
    Duration::ZERO
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_measured_with_its_children() {
        let me = std::process::id();
        let before = Process::new(me).unwrap().usage(&parents());
        assert!(before.memory > 0);
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert!(family(me, &parents()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_is_none_is_an_error() {
        let error = Process::new(u32::MAX).unwrap_err();
        assert!(error.what.contains(&u32::MAX.to_string()), "{error}");
    }
}

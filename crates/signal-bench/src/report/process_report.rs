use serde::Serialize;

use crate::report::per;
use crate::report::snapshot::Observed;

/// What a process of the server and its children used while measuring, or several together.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct ProcessReport {
    /// Its number; none where several processes are added up.
    pub pid: Option<u32>,
    /// Processor time in seconds.
    pub cpu_seconds: f64,
    /// Processor time for each delivery, in microseconds.
    pub cpu_us_per_delivery: f64,
    /// Deliveries for each second of processor time.
    pub deliveries_per_cpu_second: f64,
    /// How many processors were busy with it.
    pub cores: f64,
    /// Context switches because it waited.
    pub waits: u64,
    /// Context switches because another process had its turn.
    pub preemptions: u64,
    /// Its memory when all connections were open and idle, in bytes.
    pub memory_idle: u64,
    /// Its memory after the load, in bytes.
    pub memory_loaded: u64,
    /// What one more idle, subscribed connection costs, in bytes. None in `churn`, where there is
    /// no such. Only a server that was just started shows it: others have memory left from
    /// connections before.
    pub memory_per_connection: Option<f64>,
}

impl ProcessReport {
    pub(crate) fn new(
        pid: Option<u32>,
        observed: &Observed,
        seconds: f64,
        deliveries: u64,
    ) -> Self {
        let Observed {
            growth,
            before,
            after,
        } = observed;
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        Self {
            pid,
            cpu_seconds: cpu,
            cpu_us_per_delivery: per(cpu * 1e6, deliveries as f64),
            deliveries_per_cpu_second: per(deliveries as f64, cpu),
            cores: cpu / seconds,
            waits: after.waits.saturating_sub(before.waits),
            preemptions: after.preemptions.saturating_sub(before.preemptions),
            memory_idle: growth.memory_idle(),
            memory_loaded: after.memory,
            memory_per_connection: growth.per_connection(),
        }
    }
}

use std::time::{Duration, Instant};

use crate::report::growth::Growth;
use crate::report::process::{Usage, Usages};

/// All counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) at: Instant,
    pub(crate) publishes: u64,
    pub(crate) deliveries: u64,
    pub(crate) own_cpu: Duration,
    pub(crate) own_starvation: Duration,
    /// Of the processes that are known.
    pub(crate) usages: Usages,
}

/// The moments between which things are measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// How many connections each node had while they were opened: with the first ones, with half
    /// of the others, and with all.
    pub(crate) open: Vec<[usize; 3]>,
    /// The memory of the processes at these times.
    pub(crate) idle: [Usages; 3],
    /// Where measuring began.
    pub(crate) before: Snapshot,
    /// Where it ended.
    pub(crate) after: Snapshot,
}

/// What a process, or several together, did meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed {
    pub(crate) growth: Growth,
    pub(crate) before: Usage,
    pub(crate) after: Usage,
}

impl Measured {
    /// Of one node, if its process is known.
    pub(crate) fn of_node(&self, node: usize) -> Option<Observed> {
        self.of(self.open[node], |usages| usages.nodes[node])
    }

    /// Of all nodes together, if their processes are known.
    pub(crate) fn of_nodes(&self) -> Option<Observed> {
        let nodes = (0..self.open.len()).map(|node| self.of_node(node));
        let nodes = nodes.collect::<Option<Vec<_>>>()?;
        nodes.into_iter().reduce(|one, other| Observed {
            growth: one.growth.and(other.growth),
            before: one.before.and(other.before),
            after: one.after.and(other.after),
        })
    }

    /// Of what is between the nodes, if its processes are known.
    pub(crate) fn of_bus(&self) -> Option<Observed> {
        let sum = |time: usize| self.open.iter().map(|open| open[time]).sum();
        self.of([0, 1, 2].map(sum), |usages| usages.bus)
    }

    fn of(&self, open: [usize; 3], usage: impl Fn(&Usages) -> Option<Usage>) -> Option<Observed> {
        let bytes = self
            .idle
            .each_ref()
            .map(|usages| Some(usage(usages)?.memory));
        Some(Observed {
            growth: Growth::new(open, bytes)?,
            before: usage(&self.before.usages)?,
            after: usage(&self.after.usages)?,
        })
    }
}

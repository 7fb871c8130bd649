use serde::Serialize;

use crate::cluster::Cluster;
use crate::load::tally::Tally;
use crate::report::process_report::ProcessReport;
use crate::report::snapshot::Measured;
use crate::report::{Latency, per};

/// What only a service of several nodes has.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ClusterReport {
    /// The nodes, in the order given.
    pub nodes: Vec<NodeReport>,
    /// What went from one node to another.
    pub crossed: Crossed,
    /// What the processes between the nodes used, all together, if they are known.
    pub bus: Option<ProcessReport>,
}

/// One of several nodes.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct NodeReport {
    /// Its name.
    pub server: String,
    /// How many connections it had before the load began.
    pub connections: usize,
    /// What it used, if its process is known. Processor time is that for each delivery of the whole
    /// service, so that those of all nodes add up.
    pub process: Option<ProcessReport>,
}

/// Deliveries whose receiver is on another node than the sender, of all that was sent while
/// measuring.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Crossed {
    /// How many.
    pub deliveries: u64,
    /// Their share of all, 0 to 1.
    pub share: f64,
    /// How long they took.
    pub latency: Latency,
}

impl ClusterReport {
    pub(crate) fn new(
        cluster: &Cluster,
        measured: &Measured,
        tally: &Tally,
        seconds: f64,
        deliveries: u64,
    ) -> Self {
        let nodes = cluster.nodes.iter().enumerate().map(|(index, node)| {
            let observed = measured.of_node(index);
            NodeReport {
                server: node.server.name.clone(),
                connections: measured.open[index][2],
                process: observed
                    .map(|one| ProcessReport::new(node.pid, &one, seconds, deliveries)),
            }
        });
        let (crossed, all) = (tally.crossed.len(), tally.latency.len());
        Self {
            nodes: nodes.collect(),
            crossed: Crossed {
                deliveries: crossed,
                share: per(crossed as f64, all as f64),
                latency: Latency::new(&tally.crossed),
            },
            bus: measured
                .of_bus()
                .map(|bus| ProcessReport::new(None, &bus, seconds, deliveries)),
        }
    }
}

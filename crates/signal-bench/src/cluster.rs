use crate::error::BenchError;
use crate::server::Server;

/// Several addresses that are one service: nodes of a cluster.
///
/// Members of each room are connected to the nodes in turn, so that most of what is published
/// crosses from one to another: member `m` of room `r` is on node `(seed + r + m) % nodes`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The processes on this machine of what carries messages between the nodes, such as NATS
    /// servers, whose processor time is reported apart. Default: none.
    pub bus_pids: Vec<u32>,
}

/// A node of a [`Cluster`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Node {
    /// Where it is.
    pub server: Server,
    /// Its process on this machine, to measure its processor time and memory. Default: none.
    pub pid: Option<u32>,
}

impl Node {
    /// A node without its process.
    pub fn new(server: Server) -> Self {
        Self { server, pid: None }
    }
}

impl Cluster {
    /// A service of these nodes.
    pub fn new(nodes: Vec<Node>) -> Self {
        Self {
            nodes,
            bus_pids: Vec::new(),
        }
    }

    /// Checks that there are several nodes, each once.
    ///
    /// # Errors
    ///
    /// There are not, and what to write instead.
    pub fn check(&self) -> Result<(), BenchError> {
        if self.nodes.len() < 2 {
            return Err(BenchError::new(
                format!("a cluster of {}", self.nodes.len()),
                "name two nodes or more; a single server needs no cluster",
            ));
        }
        let is_same =
            |one: &Server, other: &Server| (one.address, &one.path) == (other.address, &other.path);
        for (index, node) in self.nodes.iter().enumerate() {
            let before = self.nodes[..index].iter();
            if before.clone().any(|one| is_same(&one.server, &node.server)) {
                return Err(BenchError::new(
                    format!("{} leads to a node that was named before", node.server.name),
                    "name each node once: what goes from one to another would be counted wrong",
                ));
            }
        }
        Ok(())
    }
}

//! What clients wrote down, and what was done to the processes meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

/// Since the start of the run.
pub(crate) type Time = Duration;

/// All that is judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Each was open for a time; a client has one after the other.
    pub(crate) connections: Vec<Connection>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) faults: Vec<Fault>,
    /// Rooms with all their clients on one node.
    pub(crate) local: BTreeSet<usize>,
}

/// A connection of a client that is in one room, after it was subscribed.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) client: usize,
    pub(crate) room: usize,
    pub(crate) node: usize,
    /// When the relay had carried out the subscribe.
    pub(crate) opened: Time,
    /// Nothing where it was open at the end of the run.
    pub(crate) closed: Option<Time>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) heard: Vec<Heard>,
}

/// A publish. A client counts its own over all its connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) number: u64,
    pub(crate) at: Time,
}

/// A publish that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) from: usize,
    pub(crate) number: u64,
    pub(crate) clients: u64,
    pub(crate) at: Time,
}

/// Two that opened a room on two nodes in the same moment.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) opened: Time,
    /// When the first of them heard the other.
    pub(crate) met: Option<Time>,
}

/// Something done to the processes.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) from: Time,
    pub(crate) until: Time,
    /// Who cannot hear whom meanwhile.
    pub(crate) apart: Apart,
    /// The node that it is done to, if it is done to one.
    pub(crate) node: Option<usize>,
    /// When nodes come and go, as long as that takes.
    pub(crate) changes: Vec<(Time, Time)>,
}

/// For longer than `cluster_dead_after`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Apart {
    /// Any two that live hear each other.
    Nobody,
    /// Nobody hears this one, though it lives.
    Node(usize),
    /// Some two, or all.
    All,
}

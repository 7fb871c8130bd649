use std::collections::BTreeMap;
use std::fmt;

use super::fault::Fault;

/// What happened in some worlds: what a good result of them is worth.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Worlds.
    pub worlds: u64,
    /// Pairs of people that had to meet.
    pub pairs: u64,
    /// Publishes.
    pub publishes: u64,
    /// Publishes that had to reach a certain subscriber on another node, and did.
    pub arrivals: u64,
    /// Messages that people received.
    pub received: u64,
    /// Pairs that met although both came to different nodes while none could hear another.
    pub apart: u64,
    /// Publishes heard on other nodes whose charge was compared.
    pub charges: u64,
    /// Publishes that were charged for in part once their home had said so.
    pub owed: u64,
    /// Counts compared.
    pub counts: u64,
    /// Messages between nodes.
    pub messages: u64,
    /// People made to announce again.
    pub nudged: u64,
    /// Frames that nodes sent again.
    pub resent: u64,
    /// Publishes that came to a node again, and were dropped.
    pub duplicates: u64,
    /// Links that began anew.
    pub sessions: u64,
    /// Links that began anew because a ring had overflowed.
    pub overflows: u64,
    /// Times that a node was alone until another came.
    pub found: u64,
    /// Nodes that took another identity.
    pub twins: u64,
    /// Messages for another node, or for another life of the node that they came to.
    pub misdirected: u64,
    /// Worlds with two versions of the wire.
    pub mixed_versions: u64,
    /// Faults, by kind.
    pub faults: BTreeMap<Fault, u64>,
}

impl Stats {
    /// Adds those of other worlds.
    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.pairs += other.pairs;
        self.publishes += other.publishes;
        self.arrivals += other.arrivals;
        self.received += other.received;
        self.apart += other.apart;
        self.charges += other.charges;
        self.owed += other.owed;
        self.counts += other.counts;
        self.messages += other.messages;
        self.nudged += other.nudged;
        self.resent += other.resent;
        self.duplicates += other.duplicates;
        self.sessions += other.sessions;
        self.overflows += other.overflows;
        self.found += other.found;
        self.twins += other.twins;
        self.misdirected += other.misdirected;
        self.mixed_versions += other.mixed_versions;
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
    }

    /// Adds what a node has counted.
    pub(super) fn add_node(&mut self, node: &signal_cluster::Stats) {
        self.resent += node.resent;
        self.duplicates += node.duplicates;
        self.sessions += node.sessions;
        self.overflows += node.overflows;
        self.twins += node.twins;
        self.misdirected += node.misdirected;
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            worlds,
            pairs,
            publishes,
            arrivals,
            received,
            apart,
            charges,
            owed,
            counts,
            messages,
            nudged,
            resent,
            duplicates,
            sessions,
            overflows,
            found,
            twins,
            misdirected,
            mixed_versions,
            faults,
        } = self;
        writeln!(
            f,
            "worlds {worlds}, pairs {pairs}, of which {apart} came apart, publishes {publishes}, received {received}, \
             arrivals {arrivals}, counts {counts}, charges {charges}, charged later {owed}"
        )?;
        writeln!(
            f,
            "messages {messages}, resent {resent}, duplicates {duplicates}, sessions {sessions}, overflows {overflows}, nudged {nudged}, \
             found {found}, twins {twins}, misdirected {misdirected}, mixed versions {mixed_versions}"
        )?;
        write!(f, "faults:")?;
        faults
            .iter()
            .try_for_each(|(fault, count)| write!(f, " {fault:?} {count}"))
    }
}

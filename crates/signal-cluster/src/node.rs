use core::fmt;

use crate::mix::mix;

/// The address of a node on the bus: a number that the host chooses, best at random at each start.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId(u64);

impl NodeId {
    /// The id of this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// In hexadecimal, as it stands in the subject of an inbox.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

/// One life of a node. A process that starts again under the id it had is another node to the
/// others, and so are two that were given one id by mistake: what is meant for one of them is
/// dropped by the other.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Node {
    /// Where it is reached.
    pub id: NodeId,
    /// Drawn from the seed at its start.
    pub life: u32,
}

impl Node {
    /// What it contributes to the hashes of views and homes; the same on every machine.
    pub(crate) const fn salt(self) -> u64 {
        mix(self.id.0 ^ mix(self.life as u64))
    }
}

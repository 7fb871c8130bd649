use signal_core::{Instant, Publish};

use crate::NodeId;

/// The way to the other nodes.
///
/// It may lose, delay and repeat what it carries; what it carries from one node to another should
/// keep its order. It must not wait, and must not bring a node what that node sent itself.
pub trait Bus {
    /// Sends to one node.
    fn to(&mut self, node: NodeId, message: &[u8]);

    /// Sends to all nodes.
    fn to_all(&mut self, message: &[u8]);
}

/// The peers of this node.
pub trait Local {
    /// Sends a publish of another node to all local subscribers of its topic. Its `clients` is
    /// their number and `elsewhere` together.
    fn pass(&mut self, publish: &Publish<'_>, elsewhere: u32);

    /// Takes how many subscribers a topic has on other nodes. It is added to the number of local
    /// ones in `clients` of what local peers publish, and in what that costs them.
    ///
    /// It is 0 until this is called. A host forgets the number when the last local subscriber of
    /// the topic leaves: nobody says it anew unless somebody subscribes again.
    fn elsewhere(&mut self, topic: &str, subscribers: u32);

    /// Makes those local subscribers of a topic announce themselves again that have published since
    /// then: others may have missed it. A stock client does so when it is closed with 1012 and
    /// comes back, within milliseconds; what it has set up with others goes on. The closes are to
    /// be spread over a few seconds, as a drain spreads them.
    fn announce_again(&mut self, topic: &str, since: Instant);
}

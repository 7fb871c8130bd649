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
    /// Names each topic that has local subscribers, with how many: another node has been heard,
    /// and this one [was alone](crate::Cluster::is_alone). From then on the host calls
    /// [`Cluster::local`](crate::Cluster::local) and
    /// [`Cluster::publish`](crate::Cluster::publish) again for what happens after a topic was
    /// named.
    fn topics(&mut self, name: &mut dyn FnMut(&str, u32));

    /// Sends a publish of another node to all local subscribers of its topic. Its `clients` is
    /// their number and `elsewhere` together.
    fn pass(&mut self, publish: &Publish<'_>, elsewhere: u32);

    /// Takes how many subscribers a topic has on other nodes. It is added to the number of local
    /// ones in `clients` of what local peers publish, and in what that costs them.
    ///
    /// It is 0 until this is called. A host forgets the number when the last local subscriber of
    /// the topic leaves: what it costs to publish to it from then on is said by
    /// [`reach`](Self::reach).
    fn elsewhere(&mut self, topic: &str, subscribers: u32);

    /// Takes how many subscribers a topic has on other nodes as far as nobody here is subscribed to
    /// it: what a publish from outside costs. Where `elsewhere` is more, that is what it costs.
    ///
    /// It is 0 until this is called, and is not forgotten before this says so.
    fn reach(&mut self, topic: &str, subscribers: u32);

    /// Takes what a publish of a local peer has caused on other nodes beyond what the peer was
    /// charged for: so many deliveries of a message of so many bytes. A peer that has left in the
    /// meantime is normal.
    fn owe(&mut self, peer: u64, deliveries: u32, message_bytes: usize);

    /// Makes those local subscribers of a topic announce themselves again that have published since
    /// then: others may have missed it. A stock client does so when it is closed with 1012 and
    /// comes back, within milliseconds; what it has set up with others goes on. The closes are to
    /// be spread over a few seconds, as a drain spreads them.
    fn announce_again(&mut self, topic: &str, since: Instant);
}

/// Whom a publish is charged to, and for what so far.
///
/// It travels with the publish to the home of its topic, which knows how many deliveries it causes,
/// and back with the difference. So no node remembers who has published what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Payer {
    /// The publisher, by a number that means something to its host alone.
    pub peer: u64,
    /// The deliveries on other nodes that it has been charged for.
    pub charged: u32,
}

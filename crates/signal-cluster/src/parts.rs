/// The parts that are there for a fault each. Tests take one out to see that the fault is found;
/// nobody else should.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Lost frames are asked for again.
    pub nack: bool,
    /// A node that was forgotten forgets too.
    pub pairs: bool,
    /// An edge sends its latest publishes again to a new home.
    pub keep: bool,
    /// A home sends the latest publishes to nodes that moved to it.
    pub recent: bool,
    /// A publish is passed on to local peers once.
    pub dedupe: bool,
    /// After a gap local peers announce again.
    pub nudge: bool,
    /// What a publish causes elsewhere is charged when its home has said so.
    pub owe: bool,
    /// The newest version of the wire that the node speaks.
    pub newest_version: u8,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            nack: true,
            pairs: true,
            keep: true,
            recent: true,
            dedupe: true,
            nudge: true,
            owe: true,
            newest_version: crate::wire::VERSION,
        }
    }
}

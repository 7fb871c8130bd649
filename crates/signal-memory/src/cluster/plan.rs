use signal_cluster::Parts;

use super::fault::Fault;

/// How the worlds are that [`simulate`](super::simulate) makes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The faults that may happen. Default: all.
    pub faults: Vec<Fault>,
    /// How many of them happen at most. Default: 4.
    pub faults_max: usize,
    /// Whether the world begins with a node alone, or with nodes that hear each other only after a
    /// time, and others come later. Default: no.
    pub begins_alone: bool,
    /// Whether what is not right at the beginning is as bad as [`Fault::HARSH`], and people come to
    /// nodes that are young, as no load balancer lets them. Default: no.
    pub is_harsh: bool,
    /// A part of the machine that is taken out, to see that its absence is found. Default: none.
    pub without: Option<Part>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            faults: Fault::ALL.to_vec(),
            faults_max: 4,
            begins_alone: false,
            is_harsh: false,
            without: None,
        }
    }
}

/// A part of the machine that is there for some fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Lost frames are asked for again.
    Nack,
    /// A node that was forgotten forgets too.
    Pairs,
    /// An edge sends its latest publishes again to a new home.
    Keep,
    /// A home sends the latest publishes to nodes that move to it.
    Recent,
    /// A publish is passed on to local peers once.
    Dedupe,
    /// After a gap local peers announce again.
    Nudge,
    /// What a publish causes elsewhere is charged when its home has said so.
    Owe,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Nack,
        Self::Pairs,
        Self::Keep,
        Self::Recent,
        Self::Dedupe,
        Self::Nudge,
        Self::Owe,
    ];
}

impl Plan {
    pub(super) fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        match self.without {
            None => {}
            Some(Part::Nack) => parts.nack = false,
            Some(Part::Pairs) => parts.pairs = false,
            Some(Part::Keep) => parts.keep = false,
            Some(Part::Recent) => parts.recent = false,
            Some(Part::Dedupe) => parts.dedupe = false,
            Some(Part::Nudge) => parts.nudge = false,
            Some(Part::Owe) => parts.owe = false,
        }
        parts
    }
}

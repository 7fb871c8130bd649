use std::collections::{BTreeMap, BTreeSet};

use crate::rng::Rng;

/// The bus between nodes, by their numbers: what it does to a message on its way.
///
/// Messages from one node to another keep their order.
#[derive(Debug, Default)]
pub(super) struct Bus {
    /// The latest arrival from one node at another.
    latest: BTreeMap<(usize, usize), u64>,
    cuts: BTreeMap<u64, Cut>,
}

/// Something that is wrong with it.
#[derive(Clone, Debug)]
pub(super) enum Cut {
    /// Who is not heard by whom.
    Ways(BTreeSet<(usize, usize)>),
    All,
    /// Of a hundred messages.
    Loss(u64),
    /// Milliseconds at most.
    Delay(u64),
    /// Of a hundred messages.
    Repeat(u64),
    /// A node, and milliseconds at most.
    Slow(usize, u64),
}

impl Bus {
    pub(super) fn begin(&mut self, number: u64, cut: Cut) {
        self.cuts.insert(number, cut);
    }

    pub(super) fn end(&mut self, number: u64) {
        self.cuts.remove(&number);
    }

    /// When a message arrives, which may be never or twice.
    pub(super) fn carry(
        &mut self,
        now: u64,
        (from, to): (usize, usize),
        rng: &mut Rng,
    ) -> impl Iterator<Item = u64> + use<> {
        let (mut copies, mut delay) = (1, rng.within(1..=20));
        for cut in self.cuts.values() {
            match cut {
                Cut::Ways(ways) if ways.contains(&(from, to)) => copies = 0,
                Cut::Ways(_) => {}
                Cut::All => copies = 0,
                Cut::Loss(chance) if rng.percent(*chance) => copies = 0,
                Cut::Repeat(chance) if rng.percent(*chance) => copies *= 2,
                Cut::Loss(_) | Cut::Repeat(_) => {}
                Cut::Delay(most) => delay += rng.within(0..=*most),
                Cut::Slow(node, most) if *node == to => delay += rng.within(0..=*most),
                Cut::Slow(..) => {}
            }
        }
        let latest = self.latest.entry((from, to)).or_default();
        if copies > 0 {
            *latest = (*latest).max(now + delay);
        }
        std::iter::repeat_n(*latest, copies)
    }
}

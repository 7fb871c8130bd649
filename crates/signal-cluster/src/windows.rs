use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::node::Node;

/// Which publishes have been passed on, by their origin and number.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    /// Numbers remembered of one origin.
    size: u32,
    /// Origins remembered.
    origins_max: usize,
    /// Of each origin, and when it was asked for last, in calls.
    origins: BTreeMap<Node, (u64, Window)>,
    calls: u64,
}

impl Windows {
    pub(crate) const fn new(size: u32, origins_max: usize) -> Self {
        Self {
            size,
            origins_max,
            origins: BTreeMap::new(),
            calls: 0,
        }
    }

    /// Whether this publish comes for the first time. One from before the window may have come, and
    /// counts as if it had: a copy does more harm than a loss.
    pub(crate) fn is_first(&mut self, origin: Node, number: u64) -> bool {
        self.calls = self.calls.wrapping_add(1);
        if !self.origins.contains_key(&origin) && self.origins.len() >= self.origins_max {
            let idle = self.origins.iter().min_by_key(|(_, (call, _))| *call);
            if let Some(idle) = idle.map(|(node, _)| *node) {
                self.origins.remove(&idle);
            }
        }
        let size = self.size;
        let (call, window) = self
            .origins
            .entry(origin)
            .or_insert_with(|| (0, Window::new(size)));
        *call = self.calls;
        window.is_first(number)
    }
}

/// The latest numbers of one origin, a bit each.
#[derive(Clone, Debug)]
struct Window {
    highest: u64,
    bits: Vec<u64>,
}

impl Window {
    fn new(size: u32) -> Self {
        Self {
            highest: 0,
            bits: vec![0; size.div_ceil(64).max(1) as usize],
        }
    }

    fn is_first(&mut self, number: u64) -> bool {
        let size = self.bits.len() as u64 * 64;
        if number > self.highest {
            if number - self.highest >= size {
                self.bits.fill(0);
            } else {
                (self.highest + 1..number).for_each(|skipped| {
                    self.set(skipped, false);
                });
                self.set(number, false);
            }
            self.highest = number;
        } else if self.highest - number >= size {
            return false;
        }
        !self.set(number, true)
    }

    /// Sets the bit of a number, and returns what it was.
    fn set(&mut self, number: u64, value: bool) -> bool {
        let place = (number / 64) as usize % self.bits.len().max(1);
        let Some(word) = self.bits.get_mut(place) else {
            return true;
        };
        let bit = 1 << (number % 64);
        let was = *word & bit != 0;
        *word = if value { *word | bit } else { *word & !bit };
        was
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::NodeId;

    fn node(number: u64) -> Node {
        Node {
            id: NodeId::new(number),
            life: 0,
        }
    }

    #[test]
    fn each_number_is_first_once_in_whatever_order() {
        let mut windows = Windows::new(256, 8);
        let mut seen = BTreeSet::new();
        let mut number: u64 = 7;
        for step in 0..50_000_u64 {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Numbers around a moving place, never further back than the window.
            let next = step / 4 + (number >> 33) % 100 + 1;
            assert_eq!(windows.is_first(node(1), next), seen.insert(next), "{next}");
        }
    }

    #[test]
    fn what_is_from_before_the_window_counts_as_seen() {
        let mut windows = Windows::new(128, 8);
        assert!(windows.is_first(node(1), 1_000));
        assert!(windows.is_first(node(1), 873));
        assert!(!windows.is_first(node(1), 872));
        assert!(!windows.is_first(node(1), 0));
        assert!(windows.is_first(node(1), u64::MAX));
        assert!(!windows.is_first(node(1), u64::MAX));
    }

    #[test]
    fn origins_are_bounded_and_the_idle_one_goes() {
        let mut windows = Windows::new(64, 2);
        for number in [1, 2, 1, 3] {
            windows.is_first(node(number), number * 10);
        }
        assert!(!windows.is_first(node(3), 30));
        assert_eq!(windows.origins.len(), 2);
        assert!(windows.origins.contains_key(&node(3)));
    }
}

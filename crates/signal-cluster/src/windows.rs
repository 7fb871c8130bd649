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
    size: u64,
    highest: u64,
    /// A word more than there are numbers for: that of the highest is begun as a whole.
    bits: Vec<u64>,
}

impl Window {
    fn new(size: u32) -> Self {
        let words = size.div_ceil(64).max(1);
        Self {
            size: u64::from(words) * 64,
            highest: 0,
            bits: vec![0; words as usize + 1],
        }
    }

    fn is_first(&mut self, number: u64) -> bool {
        if number > self.highest {
            self.forget(number);
            self.highest = number;
        } else if self.highest - number >= self.size {
            return false;
        }
        self.insert(number)
    }

    /// Forgets what has the places of the numbers behind the highest, up to this one. Whole words
    /// at once: a number far ahead must not take long.
    fn forget(&mut self, number: u64) {
        let (first, last) = (self.highest / 64 + 1, number / 64);
        if last.saturating_sub(first) >= self.bits.len() as u64 {
            self.bits.fill(0);
            return;
        }
        for word in first..=last {
            let place = word as usize % self.bits.len().max(1);
            if let Some(bits) = self.bits.get_mut(place) {
                *bits = 0;
            }
        }
    }

    /// Sets the bit of a number. False if it was set.
    fn insert(&mut self, number: u64) -> bool {
        let place = (number / 64) as usize % self.bits.len().max(1);
        let Some(word) = self.bits.get_mut(place) else {
            return false;
        };
        let bit = 1 << (number % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
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
    fn numbers_that_were_skipped_may_still_come_and_none_that_came_does() {
        for skipped in [
            1,
            63,
            64,
            65,
            127,
            191,
            192,
            193,
            255,
            256,
            257,
            1_000,
            1 << 40,
        ] {
            let mut windows = Windows::new(192, 8);
            let mut seen = BTreeSet::new();
            let mut highest = 1_000;
            for _ in 0..50 {
                highest += skipped;
                for back in [0, 190, 191, 1, 64, 63, 2, 0] {
                    let number = highest - back;
                    assert_eq!(
                        windows.is_first(node(1), number),
                        seen.insert(number),
                        "{number} after steps of {skipped}"
                    );
                }
            }
        }
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

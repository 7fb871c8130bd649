#![expect(clippy::box_collection, reason = "no larger than its one item")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::ops::Deref;

/// A sorted list without repeats, read as a slice.
///
/// One item, which is what most of these have, is kept without an allocation.
#[derive(Clone, Eq, PartialEq)]
pub(crate) enum SortedSet<T> {
    One(T),
    /// None, or more than one.
    Many(Option<Box<Vec<T>>>),
}

impl<T> SortedSet<T> {
    /// The set of these, if they are sorted and none comes twice.
    pub(crate) fn from_sorted(items: Vec<T>) -> Option<Self>
    where
        T: Ord,
    {
        let is_set = items.is_sorted_by(|a, b| a < b);
        is_set.then(|| Self::of(Box::new(items)))
    }

    fn of(mut items: Box<Vec<T>>) -> Self {
        match items.len() {
            0 | 1 => items.pop().map_or_else(Self::default, Self::One),
            _ => Self::Many(Some(items)),
        }
    }

    /// Adds an item where a binary search has said that it belongs.
    pub(crate) fn insert(&mut self, place: usize, item: T) {
        *self = match mem::take(self) {
            Self::One(known) if place == 0 => Self::of(Box::new(Vec::from([item, known]))),
            Self::One(known) => Self::of(Box::new(Vec::from([known, item]))),
            Self::Many(None) => Self::One(item),
            Self::Many(Some(mut items)) => {
                items.insert(place, item);
                Self::Many(Some(items))
            }
        };
    }

    /// Removes the item that a binary search has found here.
    pub(crate) fn remove(&mut self, place: usize) {
        if let Self::Many(Some(mut items)) = mem::take(self) {
            items.remove(place);
            *self = Self::of(items);
        }
    }
}

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self::Many(None)
    }
}

impl<T> Deref for SortedSet<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(item) => core::slice::from_ref(item),
            Self::Many(items) => items.as_deref().map_or(&[], Vec::as_slice),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for SortedSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::format;

    use super::*;

    /// All ways to add and remove some of four items, six steps long.
    #[test]
    fn it_holds_what_a_tree_holds_whatever_came_before() {
        const ITEMS: u32 = 4;
        for ways in 0..ITEMS.pow(6) {
            let (mut set, mut tree) = (SortedSet::default(), BTreeSet::new());
            for step in 0..6 {
                let item = ways / ITEMS.pow(step) % ITEMS;
                match set.binary_search(&item) {
                    Ok(place) => {
                        set.remove(place);
                        assert!(tree.remove(&item));
                    }
                    Err(place) => {
                        set.insert(place, item);
                        assert!(tree.insert(item));
                    }
                }
                let items: Vec<u32> = tree.iter().copied().collect();
                assert_eq!(*set, *items, "way {ways}, step {step}");
                assert_eq!(SortedSet::from_sorted(items.clone()), Some(set.clone()));
                assert_eq!(format!("{set:?}"), format!("{items:?}"));
            }
        }
    }

    #[test]
    fn what_is_out_of_order_or_repeated_is_not_a_set() {
        assert_eq!(SortedSet::from_sorted(Vec::from([2, 1])), None);
        assert_eq!(SortedSet::from_sorted(Vec::from([1, 1])), None);
    }
}

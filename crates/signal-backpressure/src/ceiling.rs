use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

/// Which part of what may be held is freed beyond what is too much.
const FREED: u64 = 16;

/// What all readers together may have wait for them, on a host that has to be asked for it.
///
/// To ask costs as much as there are readers, so it is asked once for much that was queued, and a
/// part of the ceiling is not seen to be passed: a sixty-fourth.
#[derive(Clone, Copy, Debug)]
pub struct Ceiling {
    bytes_max: u64,
    /// What waited when it was asked last.
    held: u64,
    /// What was queued since.
    queued: u64,
}

/// What waits for one reader.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Holder<K> {
    /// Who it is.
    pub key: K,
    /// How many bytes it keeps: it takes them too slowly, or not at all.
    pub kept: u64,
    /// How many are on their way to it.
    pub passing: u64,
    /// Whether it is being ended already, so that nothing more can be done about it.
    pub is_ending: bool,
}

impl<K> Holder<K> {
    /// A reader that keeps all that waits for it if it [is late](crate::Backlog::is_late), and
    /// else nothing of it.
    pub const fn new(key: K, bytes: u64, is_late: bool) -> Self {
        let (kept, passing) = if is_late { (bytes, 0) } else { (0, bytes) };
        Self {
            key,
            kept,
            passing,
            is_ending: false,
        }
    }

    const fn bytes(&self) -> u64 {
        self.kept.saturating_add(self.passing)
    }
}

impl Ceiling {
    /// How much of it is queued at most until it is asked again: those who take nothing are known
    /// before it is passed.
    const ASKED: u64 = 8;
    const UNSEEN: u64 = 64;

    /// A ceiling under which nothing waits yet.
    pub const fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            held: 0,
            queued: 0,
        }
    }

    /// Notes that so much was queued, of all readers together.
    pub fn note_queued(&mut self, bytes: u64) {
        self.queued = self.queued.saturating_add(bytes);
    }

    /// Whether all readers are to be weighed.
    pub fn is_due(&self) -> bool {
        let left = self.bytes_max.saturating_sub(self.held);
        let [asked, unseen] = [Self::ASKED, Self::UNSEEN].map(|part| self.part(part));
        self.queued > left.min(asked).max(unseen)
    }

    /// Weighs all that wait: returns [whom to end](whom_to_end), so that the rest is under the
    /// ceiling.
    pub fn weigh<K: Copy>(&mut self, holders: Vec<Holder<K>>) -> Vec<K> {
        let bytes = holders.iter().map(Holder::bytes);
        self.held = bytes.fold(0, u64::saturating_add);
        self.queued = 0;
        let excess = self.held.saturating_sub(self.bytes_max);
        whom_to_end(holders, excess, self.bytes_max)
    }

    fn part(&self, of: u64) -> u64 {
        part(self.bytes_max, of)
    }
}

/// Whom to end, where all readers together hold so much more than they may: nobody, if they do not.
///
/// First come those that keep most, and then those that have most on its way, if that is not
/// enough. Nobody is who holds no more than 8 KiB, which a connection costs anyway, or than half of
/// an even share; if all together hold too much, somebody holds more. A sixteenth of what may be
/// held is freed beside what is too much, so that it is not passed again at once.
pub fn whom_to_end<K: Copy>(mut holders: Vec<Holder<K>>, excess: u64, bytes_max: u64) -> Vec<K> {
    if excess == 0 {
        return Vec::new();
    }
    let little = little(bytes_max, holders.len());
    let mut left = excess.saturating_add(part(bytes_max, FREED));
    let mut parts = Vec::new();
    for (place, holder) in holders.iter().enumerate() {
        let both = [(true, holder.kept, place), (false, holder.passing, place)];
        let ends = |(_, bytes, _): &(bool, u64, usize)| *bytes >= little && !holder.is_ending;
        parts.extend(both.into_iter().filter(ends));
    }
    // A heap, as few of them are taken out.
    let mut parts = BinaryHeap::from(parts);
    let mut ended = Vec::new();
    while left > 0 {
        let Some((_, _, place)) = parts.pop() else {
            break;
        };
        // With both of its parts.
        let holder = holders.get_mut(place).filter(|holder| !holder.is_ending);
        if let Some(holder) = holder {
            holder.is_ending = true;
            left = left.saturating_sub(holder.bytes());
            ended.push(holder.key);
        }
    }
    ended
}

fn part(bytes_max: u64, of: u64) -> u64 {
    bytes_max.checked_div(of).unwrap_or_default()
}

/// What a reader may hold without being ended for it: no more than half of its even share, so that
/// all of them can hold that; and no more than a connection costs anyway, which is what it would
/// cost again when it comes back.
fn little(bytes_max: u64, readers: usize) -> u64 {
    const CONNECTION: u64 = 8 * 1024;
    let readers = (readers as u64).max(1).saturating_mul(2);
    let half_share = bytes_max.checked_div(readers).unwrap_or_default();
    half_share.clamp(1, CONNECTION)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn holder(key: u32, bytes: u64) -> Holder<u32> {
        Holder::new(key, bytes, false)
    }

    fn late(key: u32, bytes: u64) -> Holder<u32> {
        Holder::new(key, bytes, true)
    }

    #[test]
    fn nobody_is_ended_under_the_ceiling() {
        let mut ceiling = Ceiling::new(64 * MIB);
        assert!(
            ceiling
                .weigh(alloc::vec![late(1, 63 * MIB), holder(2, MIB)])
                .is_empty()
        );
    }

    #[test]
    fn the_late_are_ended_first_and_of_them_those_that_hold_most() {
        let mut ceiling = Ceiling::new(64 * MIB);
        let holders = alloc::vec![
            holder(1, 40 * MIB),
            late(2, 2 * MIB),
            late(3, 20 * MIB),
            late(4, 9 * MIB),
        ];
        // Seven too much, and four beside it.
        assert_eq!(ceiling.weigh(holders), [3]);
    }

    #[test]
    fn one_that_is_on_time_is_ended_if_the_late_are_not_enough() {
        let mut ceiling = Ceiling::new(64 * MIB);
        let holders = alloc::vec![holder(1, 50 * MIB), holder(2, 20 * MIB), late(3, MIB)];
        assert_eq!(ceiling.weigh(holders), [3, 1]);
    }

    #[test]
    fn one_that_keeps_some_and_has_more_on_its_way_is_ended_once_with_all_of_it() {
        let both = Holder {
            kept: 3 * MIB,
            ..holder(1, 40 * MIB)
        };
        let holders = alloc::vec![both, late(2, 2 * MIB), holder(3, 50 * MIB)];
        assert_eq!(whom_to_end(holders, 35 * MIB, 64 * MIB), [1]);
    }

    #[test]
    fn one_that_holds_little_stays_and_one_that_is_ending_is_not_ended_again() {
        let mut ceiling = Ceiling::new(MIB);
        let ending = Holder {
            is_ending: true,
            ..late(1, 2 * MIB)
        };
        assert_eq!(ceiling.weigh(alloc::vec![ending, late(2, 8_191)]), []);
        assert_eq!(ceiling.weigh(alloc::vec![ending, late(2, 8_192)]), [2]);
    }

    #[test]
    fn all_are_weighed_once_for_an_eighth_and_more_often_near_the_ceiling() {
        let mut ceiling = Ceiling::new(64 * MIB);
        ceiling.note_queued(8 * MIB);
        assert!(!ceiling.is_due());
        ceiling.note_queued(1);
        assert!(ceiling.is_due());
        ceiling.weigh(alloc::vec![holder(1, 62 * MIB)]);
        assert!(!ceiling.is_due());
        ceiling.note_queued(2 * MIB + 1);
        assert!(ceiling.is_due());
        ceiling.weigh(alloc::vec![holder(1, 64 * MIB)]);
        ceiling.note_queued(MIB);
        assert!(!ceiling.is_due(), "not with each message");
        ceiling.note_queued(1);
        assert!(ceiling.is_due());
    }

    #[test]
    fn all_can_hold_little_together() {
        for (bytes_max, readers) in [(MIB, 1), (MIB, 1_000), (64 * MIB, 20_000), (1, 7)] {
            let little = little(bytes_max, readers);
            assert!((1..=8_192).contains(&little));
            assert!(little == 1 || little * readers as u64 <= bytes_max / 2 + 1);
        }
    }
}

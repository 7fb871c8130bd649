//! Which messages are on their way, and whether each arrives once, in order, at everybody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::load::marker::Marker;

/// Deliveries that went wrong.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Faults {
    /// Deliveries that did not come within the timeout.
    pub lost: u64,
    /// Deliveries that came again.
    pub duplicated: u64,
    /// Deliveries that came after a later one of the same sender.
    pub reordered: u64,
    /// Messages that were meant for another room, or that nobody sent.
    pub foreign: u64,
    /// Of the lost ones, those of messages that reached nobody at all, as when a server drops what
    /// exceeds its rates.
    pub undelivered: u64,
}

impl Faults {
    /// Whether there was none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.foreign += other.foreign;
        self.undelivered += other.undelivered;
    }
}

/// The messages of one sender to one room.
#[derive(Debug, Default)]
struct Flow {
    /// The number of the next message.
    next: u32,
    /// Those that have not reached everybody, and some that have, from `next - outstanding.len()`
    /// on.
    outstanding: VecDeque<Outstanding>,
    /// How many of them have not reached everybody.
    open: u32,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    /// When it was sent, or should have been.
    at: u64,
    /// How many it has yet to reach.
    waiting: u32,
    /// How many it should reach.
    receivers: u32,
}

/// What a delivery means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Delivery {
    /// The room it belongs to.
    pub(crate) room: usize,
    /// Who sent it, counted in the room.
    pub(crate) sender: usize,
    /// When it was sent, or should have been.
    pub(crate) sent_at: u64,
    /// Whether it was the last one of its message.
    pub(crate) completes: bool,
}

/// The messages of all rooms of one thread.
///
/// Receivers are numbered through all rooms: `members` for each.
#[derive(Debug)]
pub(crate) struct Flows {
    members: usize,
    senders: usize,
    flows: Vec<Flow>,
    /// For each receiver and each sender of its room, the number that should come next.
    expected: Vec<u32>,
    /// What receivers have missed so far: receiver, flow and number. Empty with a server that
    /// works.
    missed: BTreeSet<(usize, u32, u32)>,
    /// What receivers may or may not hear, because it was on its way between nodes when they came:
    /// receiver and flow, and the number.
    excused: BTreeMap<(usize, u32), u32>,
    pub(crate) faults: Faults,
}

impl Flows {
    /// `senders` of the `members` of each room ever send.
    pub(crate) fn new(rooms: usize, members: usize, senders: usize) -> Self {
        Self {
            members,
            senders,
            flows: (0..rooms * senders).map(|_| Flow::default()).collect(),
            expected: vec![0; rooms * members * senders],
            missed: BTreeSet::new(),
            excused: BTreeMap::new(),
            faults: Faults::default(),
        }
    }

    /// Notes a message that is sent now, for so many receivers.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        room: usize,
        sender: usize,
        at: u64,
        receivers: usize,
    ) -> Marker {
        let index = room * self.senders + sender;
        let flow = &mut self.flows[index];
        let sequence = flow.next;
        flow.next += 1;
        flow.open += 1;
        let receivers = receivers as u32;
        flow.outstanding.push_back(Outstanding {
            at,
            waiting: receivers,
            receivers,
        });
        Marker {
            flow: index as u32,
            sequence,
        }
    }

    /// How many messages of a sender have not reached everybody.
    #[inline]
    pub(crate) fn open(&self, room: usize, sender: usize) -> usize {
        self.flows[room * self.senders + sender].open as usize
    }

    /// How many messages a sender has sent.
    pub(crate) fn sent(&self, room: usize, sender: usize) -> u32 {
        self.flows[room * self.senders + sender].next
    }

    /// From now on a receiver is in its room: what comes next is what is sent next.
    pub(crate) fn join(&mut self, receiver: usize) {
        let room = receiver / self.members;
        for sender in 0..self.senders {
            self.expected[receiver * self.senders + sender] = self.sent(room, sender);
        }
    }

    /// Whether a receiver hears a message from before it came says nothing about the server.
    pub(crate) fn excuse(&mut self, receiver: usize, marker: Marker) {
        self.excused
            .insert((receiver, marker.flow), marker.sequence);
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.flows.iter().all(|flow| flow.open == 0)
    }

    /// Judges a delivery. None if it is not the first of its kind, or nobody's.
    #[inline]
    pub(crate) fn deliver(&mut self, receiver: usize, marker: Marker) -> Option<Delivery> {
        let index = marker.flow as usize;
        let room = index / self.senders;
        let sender = index % self.senders;
        let is_sent = self
            .flows
            .get(index)
            .is_some_and(|flow| marker.sequence < flow.next);
        if !is_sent || room != receiver / self.members {
            self.faults.foreign += 1;
            return None;
        }
        let expected = &mut self.expected[receiver * self.senders + sender];
        if marker.sequence == *expected {
            *expected += 1;
        } else if self.excused.get(&(receiver, marker.flow)) == Some(&marker.sequence) {
            self.excused.remove(&(receiver, marker.flow));
            return None;
        } else if !self.is_first(receiver, sender, marker) {
            self.faults.duplicated += 1;
            return None;
        }
        let flow = &mut self.flows[index];
        let first = flow.next - flow.outstanding.len() as u32;
        // Written off already.
        let place = marker.sequence.checked_sub(first)?;
        let outstanding = flow.outstanding.get_mut(place as usize)?;
        outstanding.waiting = outstanding.waiting.checked_sub(1)?;
        let sent_at = outstanding.at;
        let completes = outstanding.waiting == 0;
        if completes {
            flow.open -= 1;
            while flow.outstanding.front().is_some_and(|one| one.waiting == 0) {
                flow.outstanding.pop_front();
            }
        }
        Some(Delivery {
            room,
            sender,
            sent_at,
            completes,
        })
    }

    /// Sorts out a delivery that is not the expected one: too early, too late, or there before.
    #[cold]
    fn is_first(&mut self, receiver: usize, sender: usize, marker: Marker) -> bool {
        let expected = &mut self.expected[receiver * self.senders + sender];
        if marker.sequence > *expected {
            let missed = *expected..marker.sequence;
            self.missed
                .extend(missed.map(|sequence| (receiver, marker.flow, sequence)));
            *expected = marker.sequence + 1;
            return true;
        }
        let is_first = self
            .missed
            .remove(&(receiver, marker.flow, marker.sequence));
        self.faults.reordered += u64::from(is_first);
        is_first
    }

    /// Writes off what was sent before a time. Returns whether there was anything.
    pub(crate) fn expire(&mut self, before: u64) -> bool {
        let mut is_any = false;
        for flow in &mut self.flows {
            while let Some(oldest) = flow.outstanding.front().copied() {
                if oldest.waiting > 0 {
                    if oldest.at >= before {
                        break;
                    }
                    is_any = true;
                    flow.open -= 1;
                    self.faults.lost += u64::from(oldest.waiting);
                    if oldest.waiting == oldest.receivers {
                        self.faults.undelivered += u64::from(oldest.waiting);
                    }
                }
                flow.outstanding.pop_front();
            }
        }
        is_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One room of two, of whom the first sends.
    fn sent(count: u32) -> (Flows, Vec<Marker>) {
        let mut flows = Flows::new(1, 2, 1);
        let markers = (0..count).map(|at| flows.publish(0, 0, at.into(), 2));
        let markers = markers.collect();
        (flows, markers)
    }

    #[test]
    fn a_message_is_complete_when_all_have_it() {
        let (mut flows, markers) = sent(1);
        let first = flows.deliver(0, markers[0]).unwrap();
        assert!(!first.completes && !flows.is_empty());
        let second = flows.deliver(1, markers[0]).unwrap();
        assert!(second.completes && flows.is_empty());
        assert!(flows.faults.is_none());
    }

    #[test]
    fn what_does_not_come_is_lost() {
        let (mut flows, markers) = sent(3);
        flows.deliver(0, markers[0]);
        assert!(flows.expire(2));
        let faults = flows.faults;
        assert_eq!((faults.lost, faults.undelivered), (3, 2));
        assert_eq!(flows.open(0, 0), 1);
        // It comes after all: the verdict stands, and nothing is counted twice.
        assert_eq!(flows.deliver(1, markers[0]), None);
        assert_eq!(flows.faults, faults);
    }

    #[test]
    fn what_comes_twice_is_duplicated() {
        let (mut flows, markers) = sent(1);
        flows.deliver(0, markers[0]);
        assert_eq!(flows.deliver(0, markers[0]), None);
        assert_eq!(flows.faults.duplicated, 1);
        assert_eq!(flows.open(0, 0), 1);
    }

    #[test]
    fn what_comes_late_is_reordered_and_not_lost() {
        let (mut flows, markers) = sent(3);
        for marker in [markers[2], markers[0], markers[1]] {
            assert!(flows.deliver(0, marker).is_some());
        }
        assert_eq!(flows.faults.reordered, 2);
        for marker in markers {
            flows.deliver(1, marker);
        }
        assert!(flows.is_empty());
        assert_eq!(flows.faults.lost, 0);
    }

    #[test]
    fn what_nobody_sent_or_belongs_elsewhere_is_foreign() {
        let mut flows = Flows::new(2, 1, 1);
        let marker = flows.publish(0, 0, 0, 1);
        let later = Marker {
            sequence: 5,
            ..marker
        };
        let nobodys = Marker { flow: 9, ..marker };
        assert_eq!(flows.deliver(1, marker), None);
        assert_eq!(flows.deliver(0, later), None);
        assert_eq!(flows.deliver(0, nobodys), None);
        assert_eq!(flows.faults.foreign, 3);
    }

    #[test]
    fn what_was_on_its_way_when_a_member_came_may_be_heard_once() {
        let mut flows = Flows::new(1, 2, 1);
        let before = flows.publish(0, 0, 0, 1);
        flows.deliver(0, before);
        flows.join(1);
        flows.excuse(1, before);
        assert_eq!(flows.deliver(1, before), None);
        assert!(flows.faults.is_none());
        flows.deliver(1, before);
        assert_eq!(flows.faults.duplicated, 1);
    }

    #[test]
    fn a_member_that_joins_later_misses_nothing() {
        let mut flows = Flows::new(1, 2, 1);
        let before = flows.publish(0, 0, 0, 1);
        flows.deliver(0, before);
        flows.join(1);
        let after = flows.publish(0, 0, 1, 2);
        flows.deliver(0, after);
        flows.deliver(1, after);
        assert!(flows.is_empty() && flows.faults.is_none());
    }
}

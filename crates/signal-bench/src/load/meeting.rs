//! Whether what is published on one node arrives on the others, before the load begins.

use crate::load::marker::Marker;

/// When those who were not heard by all speak again for the first time, in nanoseconds, and how
/// long the pauses between grow at most.
const PAUSE: u64 = 100_000_000;
const PAUSE_MAX: u64 = 1_000_000_000;

/// The rooms of one thread in which members on different nodes get to know each other.
///
/// A node learns that a room has members elsewhere some time after they have subscribed, and what
/// is published until then does not arrive, as the protocol of a cluster has it. So the first
/// member on each node speaks until all members have heard it.
#[derive(Debug)]
pub(crate) struct Meeting {
    members: usize,
    /// How many members of each room speak: the first ones, of which no two share a node.
    speakers: usize,
    /// For each room, speaker and member, whether it has heard.
    heard: Vec<bool>,
    /// For each room and speaker, how many have not.
    missing: Vec<usize>,
    /// How many speakers were not heard by all.
    left: usize,
    speak_at: u64,
    pause: u64,
    /// When somebody was heard for the first time.
    progress_at: Option<u64>,
}

/// Somebody who was not heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unheard {
    pub(crate) room: usize,
    pub(crate) speaker: usize,
    pub(crate) listener: usize,
}

impl Meeting {
    /// Rooms of so many members on so many nodes.
    pub(crate) fn new(rooms: usize, members: usize, nodes: usize) -> Self {
        let speakers = if nodes > 1 && members > 1 {
            nodes.min(members)
        } else {
            0
        };
        Self {
            members,
            speakers,
            heard: vec![false; rooms * speakers * members],
            missing: vec![members; rooms * speakers],
            left: rooms * speakers,
            speak_at: 0,
            pause: PAUSE,
            progress_at: None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Who is to speak now: rooms and speakers, with what they say.
    pub(crate) fn speak(&mut self, now: u64) -> Vec<(usize, usize, Marker)> {
        self.progress_at.get_or_insert(now);
        if now < self.speak_at {
            return Vec::new();
        }
        self.speak_at = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        let unheard = (0..self.missing.len()).filter(|place| self.missing[*place] > 0);
        let of = |place| (place / self.speakers, place % self.speakers);
        unheard
            .map(|place| (of(place).0, of(place).1, Marker::probe(place as u32)))
            .collect()
    }

    /// A member has heard somebody.
    pub(crate) fn hear(&mut self, now: u64, receiver: usize, marker: Marker) {
        let place = marker.flow as usize;
        let (room, member) = (receiver / self.members, receiver % self.members);
        // What comes after the meeting is a copy that was on its way.
        if self.is_over() || place / self.speakers != room {
            return;
        }
        let heard = &mut self.heard[place * self.members + member];
        if !std::mem::replace(heard, true) {
            self.progress_at = Some(now);
            self.missing[place] -= 1;
            self.left -= usize::from(self.missing[place] == 0);
        }
    }

    /// Somebody who was not heard although nobody new was heard for so long.
    pub(crate) fn stuck(&self, now: u64, timeout: u64) -> Option<Unheard> {
        if self.is_over() || now <= self.progress_at?.saturating_add(timeout) {
            return None;
        }
        let place = self.heard.iter().position(|heard| !heard)?;
        let (speaker, listener) = (place / self.members, place % self.members);
        Some(Unheard {
            room: speaker / self.speakers,
            speaker: speaker % self.speakers,
            listener,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_member_on_each_node_speaks_until_all_have_heard_it() {
        let mut meeting = Meeting::new(2, 3, 2);
        let said = meeting.speak(0);
        let who: Vec<_> = said
            .iter()
            .map(|(room, speaker, _)| (*room, *speaker))
            .collect();
        assert_eq!(who, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!(meeting.speak(PAUSE - 1), []);
        for (room, speaker, marker) in said {
            for member in 0..3 {
                if (room, speaker, member) != (1, 0, 2) {
                    meeting.hear(5, room * 3 + member, marker);
                    meeting.hear(6, room * 3 + member, marker);
                }
            }
        }
        let again = meeting.speak(PAUSE);
        let [(1, 0, marker)] = again[..] else {
            panic!("{again:?}")
        };
        let unheard = Unheard {
            room: 1,
            speaker: 0,
            listener: 2,
        };
        assert_eq!(meeting.stuck(15, 10), None);
        assert_eq!(meeting.stuck(16, 10), Some(unheard));
        meeting.hear(17, 3 + 2, marker);
        assert!(meeting.is_over() && meeting.stuck(1_000, 10).is_none());
    }

    #[test]
    fn where_all_members_share_a_node_there_is_nothing_to_wait_for() {
        assert!(Meeting::new(5, 10, 1).is_over());
        assert!(Meeting::new(5, 1, 3).is_over());
    }
}

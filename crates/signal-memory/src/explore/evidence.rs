use std::collections::VecDeque;

use signal_core::{Instant, Limits, Message, Output, Room};

use super::intent::{Access, Intent, Payload};
use crate::RoomId;
use crate::naive::NaiveRoom;

/// What is known about one room.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) naive: NaiveRoom,
    pub(super) twin: Room,
    /// The latest time its clock has shown.
    pub(super) clock: Instant,
    pub(super) has_jumped: bool,
    /// When it acted on its deadlines last, if that has not been looked at.
    pub(super) acted_at: Option<Instant>,
    /// Whether there have been lines about it since it was looked at.
    pub(super) has_news: bool,
    /// What the call that is being read must cause, and what it has caused so far.
    pub(super) expected: Vec<Output>,
    pub(super) actual: Vec<Output>,
}

/// What is known about one peer.
#[derive(Debug)]
pub(super) struct Dossier {
    pub(super) room: RoomId,
    pub(super) access: Access,
    pub(super) expires: Option<Instant>,
    /// What it has sent and the room has not yet read.
    pub(super) sent: VecDeque<(Intent, Payload)>,
    /// What the room has sent and it has not yet received.
    pub(super) due: VecDeque<Message>,
    /// It never stalled, vanished or read slowly, so it must get everything and must never be timed
    /// out.
    pub(super) is_healthy: bool,
    /// It may miss what was due: it was too slow, left without waiting, or vanished.
    pub(super) may_miss: bool,
    pub(super) heard_at: Instant,
    pub(super) has_left: bool,
}

impl Bench {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            naive: NaiveRoom::new(limits.clone()),
            twin: Room::new(limits.clone()),
            clock: Instant::ZERO,
            has_jumped: false,
            acted_at: None,
            has_news: false,
            expected: Vec::new(),
            actual: Vec::new(),
        }
    }
}

impl Dossier {
    pub(super) const fn new(room: RoomId, access: Access, expires: Option<Instant>) -> Self {
        Self {
            room,
            access,
            expires,
            sent: VecDeque::new(),
            due: VecDeque::new(),
            is_healthy: true,
            may_miss: false,
            heard_at: Instant::ZERO,
            has_left: false,
        }
    }
}

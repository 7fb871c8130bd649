use crate::error::BenchError;
use crate::load::driver::{Step, share};
use crate::load::flows::{Delivery, Flows};
use crate::load::marker::Search;
use crate::load::tally::Tally;
use crate::load::template::{Template, Topics};
use crate::plan::Plan;

/// Rooms of one thread, whose members are subscribed, and the messages in them. Connection `room *
/// members + member` is that member's.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub(crate) count: usize,
    pub(crate) members: usize,
    /// How many members of each room publish.
    pub(crate) publishers: usize,
    /// The number of the first room among those of all threads.
    pub(crate) first: usize,
    pub(crate) topics: Topics,
    pub(crate) flows: Flows,
    template: Template,
    search: Search,
    /// How much each sender had sent when it was last counted.
    sent_before: Vec<u32>,
}

impl Rooms {
    pub(crate) fn new(
        plan: &Plan,
        thread: usize,
        topics: Topics,
        mask: [u8; 4],
    ) -> Result<Self, BenchError> {
        let share = share(plan.rooms, thread, plan.threads);
        let count = share.len();
        Ok(Self {
            count,
            members: plan.members,
            publishers: plan.publishers,
            first: share.start,
            template: Template::new(&topics, mask, plan.bytes)?,
            topics,
            flows: Flows::new(count, plan.members, plan.publishers),
            search: Search::new(),
            sent_before: vec![0; count * plan.publishers],
        })
    }

    pub(crate) fn connections(&self) -> usize {
        self.count * self.members
    }

    /// Subscribes a connection to a room's topic.
    pub(crate) fn subscribe(&self, step: &mut Step<'_>, id: usize, room: usize) {
        let request = self.topics.subscribe(self.first + room);
        step.links.send_text(id, &request);
    }

    /// Sends a message that is due at a time to everybody in the room.
    #[inline]
    pub(crate) fn publish(&mut self, step: &mut Step<'_>, room: usize, sender: usize, at: u64) {
        let marker = self.flows.publish(room, sender, at, self.members);
        let out = step.links.out(room * self.members + sender);
        self.template.write(out, self.first + room, marker);
        step.tally.publishes += 1;
    }

    /// Judges a message that came in.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        step: &mut Step<'_>,
        id: usize,
        payload: &[u8],
    ) -> Option<Delivery> {
        let Some(marker) = self.search.find(payload) else {
            self.flows.faults.foreign += 1;
            return None;
        };
        let delivery = self.flows.deliver(id, marker)?;
        step.tally.delivered(delivery.sent_at, step.now);
        Some(delivery)
    }

    /// How many messages of a room have not reached everybody.
    pub(crate) fn open(&self, room: usize) -> usize {
        let senders = 0..self.publishers;
        senders.map(|sender| self.flows.open(room, sender)).sum()
    }

    pub(crate) fn settle(&mut self, tally: &mut Tally) {
        let rooms = 0..self.count;
        let senders = rooms.flat_map(|room| (0..self.publishers).map(move |one| (room, one)));
        let sent: Vec<u32> = senders
            .map(|(room, sender)| self.flows.sent(room, sender))
            .collect();
        let counts = sent.iter().zip(&self.sent_before);
        let most = counts.map(|(now, before)| now - before).max();
        tally.busiest_sender = most.unwrap_or(0).into();
        self.sent_before = sent;
    }
}

use crate::error::BenchError;
use crate::explain;
use crate::load::driver::{Step, share};
use crate::load::flows::{Delivery, Flows};
use crate::load::marker::Search;
use crate::load::meeting::{Meeting, Unheard};
use crate::load::placement::Placement;
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
    placement: Placement,
    meeting: Meeting,
    /// How long a message may take.
    timeout: u64,
    template: Template,
    search: Search,
    /// How much each sender had sent when it was last counted.
    sent_before: Vec<u32>,
}

impl Rooms {
    pub(crate) fn new(
        plan: &Plan,
        placement: Placement,
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
            meeting: Meeting::new(count, plan.members, placement.nodes()),
            placement,
            timeout: plan.timeout.as_nanos() as u64,
            search: Search::new(),
            sent_before: vec![0; count * plan.publishers],
        })
    }

    pub(crate) fn connections(&self) -> usize {
        self.count * self.members
    }

    /// The node of a member. One that is further than the last is a guest of the room.
    pub(crate) fn node(&self, room: usize, member: usize) -> usize {
        self.placement.node(self.first + room, member)
    }

    /// Whether the members of all rooms hear each other, wherever they are. If not, they speak.
    ///
    /// # Errors
    ///
    /// If somebody is not heard for as long as a message may take.
    pub(crate) fn meet(&mut self, step: &mut Step<'_>) -> Result<bool, BenchError> {
        for (room, speaker, marker) in self.meeting.speak(step.now) {
            let out = step.links.out(room * self.members + speaker);
            self.template.write(out, self.first + room, marker);
        }
        match self.meeting.stuck(step.now, self.timeout) {
            None => Ok(self.meeting.is_over()),
            Some(Unheard {
                room,
                speaker,
                listener,
            }) => {
                let [from, to] = [speaker, listener].map(|member| room * self.members + member);
                Err(explain::apart(step.links, from, to, self.timeout))
            }
        }
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
        if marker.is_probe() {
            self.meeting.hear(step.now, id, marker);
            return None;
        }
        let delivery = self.flows.deliver(id, marker)?;
        let member = id % self.members;
        let has_crossed = self.placement.are_apart(delivery.sender, member);
        step.tally
            .delivered(delivery.sent_at, step.now, has_crossed);
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

use crate::driver::{Driver, Step, share};
use crate::error::BenchError;
use crate::flows::Flows;
use crate::marker::Search;
use crate::plan::Plan;
use crate::stage::Stage;
use crate::tally::Tally;
use crate::template::{Template, Topics};

/// Rooms in which messages circulate: as soon as one has reached everybody, the next is sent.
#[derive(Debug)]
pub(crate) struct Fanout {
    rooms: usize,
    members: usize,
    publishers: usize,
    window: usize,
    /// The number of this thread's first room among all.
    first_room: usize,
    topics: Topics,
    template: Template,
    flows: Flows,
    search: Search,
    /// What each room has on its way, and who is the next to send.
    turns: Vec<Turn>,
    /// The rooms that may send.
    due: Vec<usize>,
    has_begun: bool,
    /// How much each sender had sent when measuring began.
    sent_before: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct Turn {
    open: usize,
    next_sender: usize,
    is_due: bool,
}

impl Fanout {
    pub(crate) fn new(
        plan: &Plan,
        thread: usize,
        topics: Topics,
        mask: [u8; 4],
    ) -> Result<Self, BenchError> {
        let share = share(plan.rooms, thread, plan.threads);
        let rooms = share.len();
        Ok(Self {
            rooms,
            members: plan.members,
            publishers: plan.publishers,
            window: plan.window,
            first_room: share.start,
            template: Template::new(&topics, mask, plan.bytes)?,
            topics,
            flows: Flows::new(rooms, plan.members, plan.publishers),
            search: Search::new(),
            turns: vec![Turn::default(); rooms],
            due: Vec::with_capacity(rooms),
            has_begun: false,
            sent_before: vec![0; rooms * plan.publishers],
        })
    }

    fn make_due(&mut self, room: usize) {
        let turn = &mut self.turns[room];
        if !turn.is_due {
            turn.is_due = true;
            self.due.push(room);
        }
    }

    fn publish(&mut self, step: &mut Step<'_>, room: usize) {
        let turn = &mut self.turns[room];
        let sender = turn.next_sender;
        turn.next_sender = (sender + 1) % self.publishers;
        turn.open += 1;
        let marker = self.flows.publish(room, sender, step.now, self.members);
        let out = step.links.out(room * self.members + sender);
        self.template.write(out, self.first_room + room, marker);
        step.tally.publishes += 1;
    }

    fn senders(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let publishers = self.publishers;
        (0..self.rooms).flat_map(move |room| (0..publishers).map(move |sender| (room, sender)))
    }
}

impl Driver for Fanout {
    fn connections(&self) -> usize {
        self.rooms * self.members
    }

    fn opened(&mut self, step: &mut Step<'_>, id: usize) {
        let room = self.first_room + id / self.members;
        let request = self.topics.request("subscribe", room);
        step.links.send_text(id, &request);
    }

    #[inline]
    fn message(&mut self, step: &mut Step<'_>, id: usize, payload: &[u8]) {
        let Some(marker) = self.search.find(payload) else {
            self.flows.faults.foreign += 1;
            return;
        };
        let Some(delivery) = self.flows.deliver(id, marker) else {
            return;
        };
        step.tally.delivered(delivery.sent_at, step.now);
        if delivery.completes {
            self.turns[delivery.room].open -= 1;
            self.make_due(delivery.room);
        }
    }

    fn turn(&mut self, step: &mut Step<'_>) -> Result<Option<u64>, BenchError> {
        if step.stage >= Stage::Drain {
            return Ok(None);
        }
        if !self.has_begun {
            self.has_begun = true;
            (0..self.rooms).for_each(|room| self.make_due(room));
        }
        let due = std::mem::take(&mut self.due);
        for &room in &due {
            self.turns[room].is_due = false;
            while self.turns[room].open < self.window {
                self.publish(step, room);
            }
        }
        self.due = due;
        self.due.clear();
        Ok(None)
    }

    fn expire(&mut self, before: u64) {
        if !self.flows.expire(before) {
            return;
        }
        for room in 0..self.rooms {
            let senders = 0..self.publishers;
            self.turns[room].open = senders.map(|sender| self.flows.open(room, sender)).sum();
            self.make_due(room);
        }
    }

    fn is_drained(&self) -> bool {
        self.flows.is_empty()
    }

    fn settle(&mut self, tally: &mut Tally) {
        let sent = self
            .senders()
            .map(|(room, sender)| self.flows.sent(room, sender));
        let sent: Vec<u32> = sent.collect();
        let most = sent.iter().zip(&self.sent_before);
        let most = most
            .map(|(after, before)| after - before)
            .max()
            .unwrap_or(0);
        tally.busiest_sender = most.into();
        self.sent_before = sent;
    }

    fn finish(&mut self, tally: &mut Tally) {
        tally.faults = self.flows.faults;
    }
}

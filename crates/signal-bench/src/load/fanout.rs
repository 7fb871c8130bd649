use crate::error::BenchError;
use crate::load::driver::{Driver, Step};
use crate::load::rooms::Rooms;
use crate::load::stage::Stage;
use crate::load::tally::Tally;
use crate::plan::Plan;

/// Rooms in which messages circulate: as soon as one has reached everybody, the next is sent.
#[derive(Debug)]
pub(crate) struct Fanout {
    rooms: Rooms,
    window: usize,
    /// What each room has on its way, and who is the next to send.
    turns: Vec<Turn>,
    /// The rooms that may send.
    due: Vec<usize>,
    has_begun: bool,
}

#[derive(Clone, Debug, Default)]
struct Turn {
    open: usize,
    next_sender: usize,
    is_due: bool,
}

impl Fanout {
    pub(crate) fn new(plan: &Plan, rooms: Rooms) -> Self {
        Self {
            window: plan.window,
            turns: vec![Turn::default(); rooms.count],
            due: Vec::with_capacity(rooms.count),
            has_begun: false,
            rooms,
        }
    }

    pub(crate) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    fn make_due(&mut self, room: usize) {
        let turn = &mut self.turns[room];
        if !turn.is_due {
            turn.is_due = true;
            self.due.push(room);
        }
    }

    /// Fills the window of a room.
    fn publish(&mut self, step: &mut Step<'_>, room: usize) {
        let turn = &mut self.turns[room];
        turn.is_due = false;
        while turn.open < self.window {
            let sender = turn.next_sender;
            turn.next_sender = (sender + 1) % self.rooms.publishers;
            turn.open += 1;
            self.rooms.publish(step, room, sender, step.now);
        }
    }
}

impl Driver for Fanout {
    fn connections(&self) -> usize {
        self.rooms.connections()
    }

    fn node(&self, id: usize) -> usize {
        let members = self.rooms.members;
        self.rooms.node(id / members, id % members)
    }

    fn meet(&mut self, step: &mut Step<'_>) -> Result<bool, BenchError> {
        self.rooms.meet(step)
    }

    fn opened(&mut self, step: &mut Step<'_>, id: usize) {
        self.rooms.subscribe(step, id, id / self.rooms.members);
    }

    #[inline]
    fn message(&mut self, step: &mut Step<'_>, id: usize, payload: &[u8]) {
        if let Some(delivery) = self.rooms.receive(step, id, payload) {
            if delivery.completes {
                self.turns[delivery.room].open -= 1;
                self.make_due(delivery.room);
            }
        }
    }

    fn turn(&mut self, step: &mut Step<'_>) -> Result<Option<u64>, BenchError> {
        if step.stage >= Stage::Drain {
            return Ok(None);
        }
        if !self.has_begun {
            self.has_begun = true;
            (0..self.rooms.count).for_each(|room| self.make_due(room));
        }
        let mut due = std::mem::take(&mut self.due);
        for room in due.drain(..) {
            self.publish(step, room);
        }
        self.due = due;
        Ok(None)
    }

    fn expire(&mut self, before: u64) {
        if self.rooms.flows.expire(before) {
            for room in 0..self.rooms.count {
                self.turns[room].open = self.rooms.open(room);
                self.make_due(room);
            }
        }
    }

    fn is_drained(&self) -> bool {
        self.rooms.flows.is_empty()
    }

    fn settle(&mut self, tally: &mut Tally) {
        self.rooms.settle(tally);
    }

    fn finish(&mut self, tally: &mut Tally) {
        tally.faults = self.rooms.flows.faults;
    }
}

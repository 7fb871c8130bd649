use crate::error::BenchError;
use crate::load::driver::{Driver, Step};
use crate::load::rooms::Rooms;
use crate::load::stage::Stage;
use crate::load::tally::Tally;
use crate::plan::Plan;

/// Messages at a fixed rate, whatever the server does: one room after the other, evenly spaced.
///
/// A message counts from when it was due, not from when it was sent. So a server that stalls is
/// charged with all that would have come meanwhile, and not only with what it held (the mistake
/// known as coordinated omission).
#[derive(Debug)]
pub(crate) struct Paced {
    rooms: Rooms,
    /// Nanoseconds between two messages.
    interval: f64,
    /// When the first was due. None before the load begins.
    began: Option<u64>,
    /// How many were sent.
    sent: u64,
}

impl Paced {
    pub(crate) fn new(plan: &Plan, rooms: Rooms) -> Self {
        let share = rooms.count as f64 / plan.rooms as f64;
        let per_second = plan.rate / plan.members as f64 * share;
        Self {
            rooms,
            interval: 1e9 / per_second,
            began: None,
            sent: 0,
        }
    }

    fn due(&self, began: u64) -> u64 {
        began + (self.sent as f64 * self.interval) as u64
    }
}

impl Driver for Paced {
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
        self.rooms.receive(step, id, payload);
    }

    fn turn(&mut self, step: &mut Step<'_>) -> Result<Option<u64>, BenchError> {
        if step.stage >= Stage::Drain {
            return Ok(None);
        }
        let began = *self.began.get_or_insert(step.now);
        let mut due = self.due(began);
        while due <= step.now {
            let number = self.sent as usize;
            let sender = number / self.rooms.count % self.rooms.publishers;
            self.rooms
                .publish(step, number % self.rooms.count, sender, due);
            step.tally.sent_late(due, step.now);
            self.sent += 1;
            due = self.due(began);
        }
        Ok(Some(due))
    }

    fn expire(&mut self, before: u64) {
        self.rooms.flows.expire(before);
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

use crate::error::BenchError;
use crate::explain;
use crate::load::driver::{Driver, Step};
use crate::load::rooms::Rooms;
use crate::load::stage::Stage;
use crate::load::tally::Tally;
use crate::net::ended::Ended;

/// Visitors that come and go: each connects, subscribes, publishes, hears itself, unsubscribes and
/// closes, and then the next takes its place. A delivery counts from the first packet of its
/// connection.
#[derive(Debug)]
pub(crate) struct Churn {
    /// One room for each place, with one member.
    rooms: Rooms,
    visits: Vec<Visit>,
    /// The places to fill.
    empty: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Visit {
    began: u64,
    is_here: bool,
    is_leaving: bool,
}

impl Churn {
    pub(crate) fn new(rooms: Rooms) -> Self {
        Self {
            visits: vec![Visit::default(); rooms.count],
            // The lowest first: places are numbered as they are filled.
            empty: (0..rooms.count).rev().collect(),
            rooms,
        }
    }
}

impl Driver for Churn {
    fn connections(&self) -> usize {
        0
    }

    fn node(&self, id: usize) -> usize {
        self.rooms.node(id, 0)
    }

    fn opened(&mut self, step: &mut Step<'_>, id: usize) {
        self.rooms.subscribe(step, id, id);
        self.rooms.publish(step, id, 0, self.visits[id].began);
    }

    fn message(&mut self, step: &mut Step<'_>, id: usize, payload: &[u8]) {
        if self.rooms.receive(step, id, payload).is_some() {
            let topics = &self.rooms.topics;
            let request = topics.unsubscribe(self.rooms.first + id);
            step.links.send_text(id, &request);
            step.links.close(id);
            self.visits[id].is_leaving = true;
        }
    }

    fn turn(&mut self, step: &mut Step<'_>) -> Result<Option<u64>, BenchError> {
        if step.stage >= Stage::Drain {
            return Ok(None);
        }
        while let Some(id) = self.empty.pop() {
            self.visits[id] = Visit {
                began: step.now,
                is_here: true,
                is_leaving: false,
            };
            step.links.dial(id, self.rooms.node(id, 0))?;
        }
        Ok(None)
    }

    fn ended(&mut self, step: &mut Step<'_>, id: usize, how: &Ended) -> Result<(), BenchError> {
        if !self.visits[id].is_leaving {
            return Err(explain::ended(step.links, id, how));
        }
        self.visits[id].is_here = false;
        self.empty.push(id);
        Ok(())
    }

    fn expire(&mut self, before: u64) {
        self.rooms.flows.expire(before);
    }

    fn is_drained(&self) -> bool {
        self.visits.iter().all(|visit| !visit.is_here)
    }

    fn settle(&mut self, tally: &mut Tally) {
        self.rooms.settle(tally);
    }

    fn finish(&mut self, tally: &mut Tally) {
        tally.faults = self.rooms.flows.faults;
    }
}

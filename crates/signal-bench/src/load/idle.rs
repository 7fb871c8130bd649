use memchr::memmem;
use signal_core::client;

use crate::error::BenchError;
use crate::load::driver::{Driver, Step, share};
use crate::load::placement::Placement;
use crate::load::stage::Stage;
use crate::load::tally::Tally;
use crate::load::template::Topics;
use crate::plan::Plan;

/// Connections that do what an idle page does: each is subscribed to a topic of its own, sends a
/// ping now and then, and answers the server's.
#[derive(Debug)]
pub(crate) struct Idle {
    count: usize,
    first: usize,
    topics: Topics,
    placement: Placement,
    /// Nanoseconds between the pings of one connection.
    interval: u64,
    began: Option<u64>,
    /// How many pings were sent, one connection after the other.
    sent: u64,
    /// When the ping was due that each connection waits for. 0: none.
    waiting: Vec<u64>,
    open: usize,
    lost: u64,
    foreign: u64,
}

impl Idle {
    pub(crate) fn new(plan: &Plan, placement: Placement, thread: usize, topics: Topics) -> Self {
        let share = share(plan.connections, thread, plan.threads);
        Self {
            count: share.len(),
            first: share.start,
            topics,
            placement,
            interval: plan.ping_interval.as_nanos() as u64,
            began: None,
            sent: 0,
            waiting: vec![0; share.len()],
            open: 0,
            lost: 0,
            foreign: 0,
        }
    }

    /// When the next ping is due: all connections have their turn within an interval, evenly
    /// spaced.
    fn due(&self, began: u64) -> u64 {
        let share = self.sent as f64 / self.count as f64;
        began + (share * self.interval as f64) as u64
    }
}

impl Driver for Idle {
    fn connections(&self) -> usize {
        self.count
    }

    fn node(&self, id: usize) -> usize {
        self.placement.node(self.first + id, 0)
    }

    fn opened(&mut self, step: &mut Step<'_>, id: usize) {
        let request = self.topics.subscribe(self.first + id);
        step.links.send_text(id, &request);
    }

    fn message(&mut self, step: &mut Step<'_>, id: usize, payload: &[u8]) {
        let due = std::mem::take(&mut self.waiting[id]);
        if due == 0 || memmem::find(payload, br#""pong""#).is_none() {
            self.waiting[id] = due;
            self.foreign += 1;
            return;
        }
        self.open -= 1;
        step.tally.delivered(due, step.now, false);
    }

    fn turn(&mut self, step: &mut Step<'_>) -> Result<Option<u64>, BenchError> {
        if step.stage >= Stage::Drain {
            return Ok(None);
        }
        let began = *self.began.get_or_insert(step.now);
        let mut due = self.due(began);
        while due <= step.now {
            let id = (self.sent % self.count as u64) as usize;
            self.sent += 1;
            // One that still waits is overdue by a whole interval, and is not asked again.
            if self.waiting[id] == 0 {
                self.waiting[id] = due;
                self.open += 1;
                step.tally.publishes += 1;
                step.tally.sent_late(due, step.now);
                step.links.send_text(id, client::PING);
            }
            due = self.due(began);
        }
        Ok(Some(due))
    }

    fn expire(&mut self, before: u64) {
        for due in &mut self.waiting {
            if *due != 0 && *due < before {
                *due = 0;
                self.open -= 1;
                self.lost += 1;
            }
        }
    }

    fn is_drained(&self) -> bool {
        self.open == 0
    }

    fn settle(&mut self, _: &mut Tally) {}

    fn finish(&mut self, tally: &mut Tally) {
        tally.faults.lost = self.lost;
        tally.faults.foreign = self.foreign;
    }
}

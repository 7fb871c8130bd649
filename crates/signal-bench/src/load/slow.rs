use crate::error::BenchError;
use crate::load::driver::{Driver, Step, share};
use crate::load::fanout::Fanout;
use crate::load::stage::Stage;
use crate::load::tally::{SlowReaders, Tally};
use crate::net::ended::Ended;
use crate::plan::Plan;

/// Messages circulate as in [`Fanout`], but some further subscribers never read. The others must
/// not suffer.
#[derive(Debug)]
pub(crate) struct Slow {
    fanout: Fanout,
    /// Their connections come after those of the members.
    readers: usize,
    /// When they stopped reading.
    began: Option<u64>,
    ended: u64,
    first_ended_after: Option<u64>,
}

impl Slow {
    pub(crate) fn new(plan: &Plan, thread: usize, fanout: Fanout) -> Self {
        Self {
            fanout,
            readers: share(plan.slow_readers, thread, plan.threads).len(),
            began: None,
            ended: 0,
            first_ended_after: None,
        }
    }

    fn is_reader(&self, id: usize) -> bool {
        id >= self.fanout.connections()
    }

    /// The room of a reader, and how many of them came to it before.
    fn place(&self, id: usize) -> (usize, usize) {
        let rooms = self.fanout.rooms();
        let number = id - rooms.connections();
        (number % rooms.count, number / rooms.count)
    }
}

impl Driver for Slow {
    fn connections(&self) -> usize {
        self.fanout.connections() + self.readers
    }

    fn node(&self, id: usize) -> usize {
        if !self.is_reader(id) {
            return self.fanout.node(id);
        }
        let (room, guest) = self.place(id);
        let rooms = self.fanout.rooms();
        rooms.node(room, rooms.members + guest)
    }

    fn meet(&mut self, step: &mut Step<'_>) -> Result<bool, BenchError> {
        self.fanout.meet(step)
    }

    fn opened(&mut self, step: &mut Step<'_>, id: usize) {
        if self.is_reader(id) {
            let (room, _) = self.place(id);
            self.fanout.rooms().subscribe(step, id, room);
        } else {
            self.fanout.opened(step, id);
        }
    }

    #[inline]
    fn message(&mut self, step: &mut Step<'_>, id: usize, payload: &[u8]) {
        // What came before it stopped reading does not count.
        if !self.is_reader(id) {
            self.fanout.message(step, id, payload);
        }
    }

    fn turn(&mut self, step: &mut Step<'_>) -> Result<Option<u64>, BenchError> {
        if self.began.is_none() {
            self.began = Some(step.now);
            let first = self.fanout.connections();
            (first..first + self.readers).for_each(|id| step.links.stop_reading(id));
        }
        self.fanout.turn(step)
    }

    fn ended(&mut self, step: &mut Step<'_>, id: usize, how: &Ended) -> Result<(), BenchError> {
        if !self.is_reader(id) || step.stage < Stage::WarmUp {
            return self.fanout.ended(step, id, how);
        }
        self.ended += 1;
        let after = step.now - self.began.unwrap_or(step.now);
        self.first_ended_after.get_or_insert(after);
        Ok(())
    }

    fn expire(&mut self, before: u64) {
        self.fanout.expire(before);
    }

    fn is_drained(&self) -> bool {
        self.fanout.is_drained()
    }

    fn settle(&mut self, tally: &mut Tally) {
        self.fanout.settle(tally);
    }

    fn finish(&mut self, tally: &mut Tally) {
        self.fanout.finish(tally);
        tally.slow_readers = SlowReaders {
            count: self.readers as u64,
            ended: self.ended,
            first_ended_after: self.first_ended_after,
        };
    }
}

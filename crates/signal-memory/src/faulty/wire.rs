use signal_core::Instant;

use crate::Fault;
use crate::frame::Up;
use crate::wire;

/// How often a frame overtakes another: seldom, since what goes wrong always is found too easily.
const EVERY: usize = 5;

/// What is under way to the host, wrong where the fault is in what the host is given of it.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    sound: wire::Wire<Up>,
    fault: Option<Fault>,
    count: usize,
}

impl Wire {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self {
            sound: wire::Wire::default(),
            fault,
            count: 0,
        }
    }

    /// As [`wire::Wire::push`].
    pub(crate) fn push(&mut self, at: Instant, frame: Up) -> Instant {
        let at = self.sound.push(at, frame);
        self.count += 1;
        let overtakes = self.fault == Some(Fault::OvertakeUp) && self.count % EVERY == 0;
        match self.sound.0.make_contiguous() {
            [.., (_, before), (_, last)] if overtakes => std::mem::swap(before, last),
            _ => {}
        }
        at
    }

    /// As [`wire::Wire::pop`].
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Up> {
        let frame = self.sound.pop(now)?;
        let is_swallowed = self.fault == Some(Fault::SwallowPongs) && matches!(frame, Up::Pong);
        (!is_swallowed).then_some(frame)
    }
}

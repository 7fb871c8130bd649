use std::ops::{Deref, DerefMut};

use crate::Fault;
use crate::frame::Down;
use crate::queue;

/// What waits for a client, wrong where the fault is in queues.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sound: queue::Queue,
    fault: Option<Fault>,
}

impl Queue {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self {
            sound: queue::Queue::default(),
            fault,
        }
    }

    /// As [`queue::Queue::offer`].
    pub(crate) fn offer(&mut self, frame: Down, frames_max: usize, bytes_max: usize) -> bool {
        let queue = &mut self.sound;
        match self.fault {
            Some(Fault::GrowQueue) => {
                queue.push(frame);
                true
            }
            Some(Fault::DropWhenFull) => {
                queue.offer(frame, frames_max, bytes_max);
                true
            }
            Some(Fault::ShrinkQueue) => queue.offer(frame, frames_max / 2, bytes_max / 2),
            Some(Fault::SwapInQueue) => {
                let has_room = queue.offer(frame, frames_max, bytes_max);
                if let [.., before, last] = queue.frames.make_contiguous() {
                    std::mem::swap(before, last);
                }
                has_room
            }
            _ => queue.offer(frame, frames_max, bytes_max),
        }
    }
}

impl Deref for Queue {
    type Target = queue::Queue;

    fn deref(&self) -> &queue::Queue {
        &self.sound
    }
}

impl DerefMut for Queue {
    fn deref_mut(&mut self) -> &mut queue::Queue {
        &mut self.sound
    }
}

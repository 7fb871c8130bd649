use std::collections::VecDeque;

use crate::frame::Down;

/// What waits at the host until the client reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    pub(crate) frames: VecDeque<Down>,
    bytes: usize,
}

impl Queue {
    /// Adds a frame, or says that the queue is full: it has `frames_max` frames, or would have more
    /// than `bytes_max` bytes.
    pub(crate) fn offer(&mut self, frame: Down, frames_max: usize, bytes_max: usize) -> bool {
        let has_room = self.len() < frames_max && self.bytes + frame.bytes() <= bytes_max;
        if has_room {
            self.push(frame);
        }
        has_room
    }

    pub(crate) fn push(&mut self, frame: Down) {
        self.bytes += frame.bytes();
        self.frames.push_back(frame);
    }

    pub(crate) fn pop(&mut self) -> Option<Down> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.bytes();
        Some(frame)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

//! What waits to be written to one peer.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use signal_core::CloseReason;

use crate::lock;
use crate::websocket::{Frame, close_frame};

/// Past it the peer reads too slowly.
const BYTES_MAX: usize = 1024 * 1024;

/// A bounded queue: filling it never waits, and a peer that does not empty it is ended alone.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    socket: TcpStream,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    bytes: usize,
    is_finished: bool,
}

impl Queue {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            socket,
        }
    }

    pub(crate) fn push(&self, frame: &Frame) {
        let mut waiting = lock(&self.waiting);
        if waiting.is_finished {
            return;
        }
        if waiting.bytes + frame.len() > BYTES_MAX {
            let reason = CloseReason::SlowConsumer;
            waiting.finish(Some(close_frame(reason)), reason.drops_queue());
            // The thread that reads finds the end of the stream, and leaves the topics.
            let _ = self.socket.shutdown(Shutdown::Read);
        } else {
            waiting.bytes += frame.len();
            waiting.frames.push_back(Arc::clone(frame));
        }
        self.changed.notify_one();
    }

    /// Adds the last frame, for which there is always room. Only the first time counts.
    pub(crate) fn finish(&self, last: Option<Frame>, drops_queue: bool) {
        lock(&self.waiting).finish(last, drops_queue);
        self.changed.notify_one();
    }

    /// Writes until the last frame is written.
    pub(crate) fn write_to(&self, socket: &mut TcpStream) {
        while let Some(frame) = self.pop() {
            if socket.write_all(&frame).is_err() {
                self.finish(None, true);
            }
        }
        let _ = socket.shutdown(Shutdown::Write);
    }

    fn pop(&self) -> Option<Frame> {
        let is_idle = |waiting: &mut Waiting| waiting.frames.is_empty() && !waiting.is_finished;
        let waiting = self.changed.wait_while(lock(&self.waiting), is_idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let frame = waiting.frames.pop_front()?;
        waiting.bytes = waiting.bytes.saturating_sub(frame.len());
        Some(frame)
    }
}

impl Waiting {
    fn finish(&mut self, last: Option<Frame>, drops_queue: bool) {
        if drops_queue {
            self.frames.clear();
        }
        if !std::mem::replace(&mut self.is_finished, true) {
            self.frames.extend(last);
        }
    }
}

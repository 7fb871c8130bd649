//! The bounded queue of frames for one peer.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use signal_core::CloseReason;

use crate::config::QueueLimits;
use crate::hub::batch::Batch;
use crate::hub::wake::Home;
use crate::lock::Lock;

/// What became of a pushed frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    Queued,
    /// The queue was full: the peer is ended, and this frame with it.
    Overflowed,
    /// The peer is being ended already.
    Closed,
}

/// Frames on their way to one peer, filled by whoever publishes and emptied by the connection that
/// owns the socket.
///
/// The lock is held for a push or a swap of two pointers, never while a socket is written.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    /// Where the connection lives, if it is no task: its reactor is told of frames then.
    home: Option<Home>,
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Bytes>,
    /// What comes after `frames`, and grows until it is taken or something follows it.
    batch: Option<Arc<Batch>>,
    /// Bytes and frames not yet written, those the connection has taken included.
    bytes: usize,
    frame_count: usize,
    /// Whether a part of the first frame is written, so that the rest must follow whatever happens.
    is_begun: bool,
    /// Why others want this connection ended.
    ending: Option<CloseReason>,
    is_closed: bool,
    /// Set while the connection sleeps.
    sleeper: Option<Sleeper>,
    /// Whether it sleeps with an empty queue and a frame is news to it; so it is woken once per
    /// batch.
    wants_frames: bool,
    /// Whether its reactor is told to write what is queued.
    is_listed: bool,
}

/// How a connection is woken.
#[derive(Debug)]
enum Sleeper {
    Task(Waker),
    InReactor,
}

/// Who is to hear of a frame.
enum News {
    Nobody,
    Connection(Option<Sleeper>),
    Writer,
}

/// How full a queue is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Load {
    pub(crate) bytes: usize,
    pub(crate) frames: usize,
}

impl Outbound {
    pub(crate) fn new(home: Option<Home>) -> Self {
        Self {
            home,
            state: Lock::default(),
        }
    }

    /// Whether a reactor writes what is queued.
    pub(crate) fn is_in_reactor(&self) -> bool {
        self.home.is_some()
    }

    /// Queues a frame that is shared with other queues.
    pub(crate) fn push(&self, frame: &Bytes, limits: QueueLimits) -> Pushed {
        let (pushed, news) = {
            let mut state = self.state.lock();
            let pushed = state.push(frame, limits);
            let news = match pushed {
                Pushed::Queued if state.wants_frames => self.tell_of_frames(&mut state),
                Pushed::Overflowed => News::Connection(state.sleeper.take()),
                Pushed::Queued | Pushed::Closed => News::Nobody,
            };
            (pushed, news)
        };
        self.tell(news);
        pushed
    }

    /// Queues a batch, to which more may be added up to half of the limits. False if a frame must
    /// be pushed instead.
    pub(crate) fn push_batch(&self, batch: &Arc<Batch>, limits: QueueLimits) -> bool {
        // To other transports a batch would be one long frame.
        if !self.is_in_reactor() {
            return false;
        }
        let news = {
            let mut state = self.state.lock();
            state.seal_batch();
            if !state.can_take_batch(limits) {
                return false;
            }
            state.batch = Some(Arc::clone(batch));
            if state.wants_frames {
                self.tell_of_frames(&mut state)
            } else {
                News::Nobody
            }
        };
        self.tell(news);
        true
    }

    /// Whether the reactor will write what is queued, so that the connection may sleep.
    pub(crate) fn leave_to_writer(&self) -> bool {
        let mut state = self.state.lock();
        let is_left = state.is_listed && !state.is_closed;
        is_left && state.sleep(Sleeper::InReactor, false)
    }

    /// Writes until the queue is empty or `write` takes no more; what is left stays. `frames` is
    /// empty before and after.
    ///
    /// Only the connection itself, or its reactor, does so.
    pub(crate) fn write_all(
        &self,
        frames: &mut VecDeque<Bytes>,
        mut write: impl FnMut(&VecDeque<Bytes>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state.lock();
        state.is_listed = false;
        while !frames.is_empty() || state.take_all(frames) {
            drop(state);
            let written = write(frames);
            state = self.state.lock();
            let error = match written {
                Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(bytes)) => {
                    state.count_written(frames, bytes);
                    continue;
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            };
            state.put_back(frames);
            return error;
        }
        state.wants_frames = true;
        Poll::Ready(Ok(()))
    }

    /// Queues the last frame of a connection, whatever is queued already, and takes no others.
    pub(crate) fn finish(&self, frame: Bytes) {
        let mut state = self.state.lock();
        state.seal_batch();
        state.is_closed = true;
        state.bytes += frame.len();
        state.frame_count += 1;
        state.frames.push_back(frame);
    }

    /// Drops what the connection has not taken yet, and takes no more. A frame that is half written
    /// stays: what is sent after it would be taken for its rest.
    pub(crate) fn discard(&self) {
        let mut state = self.state.lock();
        state.seal_batch();
        state.is_closed = true;
        let begun = usize::from(state.is_begun);
        let dropped = state.frames.split_off(begun);
        state.bytes -= dropped.iter().map(Bytes::len).sum::<usize>();
        state.frame_count -= dropped.len();
    }

    /// Asks the connection to end.
    pub(crate) fn end(&self, reason: CloseReason) {
        let sleeper = {
            let mut state = self.state.lock();
            state.ending.get_or_insert(reason);
            state.sleeper.take()
        };
        self.wake(sleeper);
    }

    /// Why others want this connection ended, once.
    pub(crate) fn take_ending(&self) -> Option<CloseReason> {
        self.state.lock().ending.take()
    }

    /// Moves everything queued to the end of `frames`.
    pub(crate) fn take(&self, frames: &mut VecDeque<Bytes>) {
        let mut state = self.state.lock();
        state.seal_batch();
        if frames.is_empty() {
            std::mem::swap(&mut state.frames, frames);
        } else {
            frames.append(&mut state.frames);
        }
    }

    /// Counts off what has been written.
    pub(crate) fn written(&self, bytes: usize, frames: usize) {
        let mut state = self.state.lock();
        state.bytes -= bytes;
        state.frame_count -= frames;
    }

    /// Arranges a wake-up for the next frame or end; false if there is one already.
    pub(crate) fn sleep(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state.lock();
        state.frames.is_empty() && state.batch.is_none() && state.sleep(self.sleeper(cx), true)
    }

    /// Arranges a wake-up for the end, for a connection whose socket is full: more frames are no
    /// news to it. False if the end is there already.
    pub(crate) fn sleep_until_end(&self, cx: &Context<'_>) -> bool {
        self.state.lock().sleep(self.sleeper(cx), false)
    }

    pub(crate) fn load(&self) -> Load {
        let state = self.state.lock();
        let batch = state.batch.as_ref();
        Load {
            bytes: state.bytes + batch.map_or(0, |batch| batch.len()),
            frames: state.frame_count + usize::from(batch.is_some()),
        }
    }

    /// Who empties this queue once it has a frame.
    fn tell_of_frames(&self, state: &mut State) -> News {
        if self.is_in_reactor() {
            state.wants_frames = false;
            state.is_listed = true;
            return News::Writer;
        }
        News::Connection(state.sleeper.take())
    }

    fn tell(&self, news: News) {
        match news {
            News::Nobody => {}
            News::Connection(sleeper) => self.wake(sleeper),
            News::Writer => {
                if let Some(home) = &self.home {
                    home.write();
                }
            }
        }
    }

    fn wake(&self, sleeper: Option<Sleeper>) {
        match sleeper {
            Some(Sleeper::Task(waker)) => waker.wake(),
            Some(Sleeper::InReactor) => {
                if let Some(home) = &self.home {
                    home.turn();
                }
            }
            None => {}
        }
    }

    fn sleeper(&self, cx: &Context<'_>) -> Sleeper {
        if self.is_in_reactor() {
            Sleeper::InReactor
        } else {
            Sleeper::Task(cx.waker().clone())
        }
    }
}

impl State {
    /// Whether there is room for a batch, however it grows.
    fn can_take_batch(&self, limits: QueueLimits) -> bool {
        self.bytes <= limits.bytes_max / 2
            && self.frame_count < limits.frames_max / 2
            && !self.is_closed
            && self.ending.is_none()
    }

    /// Makes a frame of the batch, so that others can follow.
    fn seal_batch(&mut self) {
        if let Some(frame) = self.take_batch() {
            self.frames.push_back(frame);
        }
    }

    /// The batch as a frame. It counts as one.
    fn take_batch(&mut self) -> Option<Bytes> {
        let frame = self.batch.take()?.seal();
        self.bytes += frame.len();
        self.frame_count += 1;
        Some(frame)
    }

    /// Moves everything queued to `frames`, which has none; false if nothing is.
    fn take_all(&mut self, frames: &mut VecDeque<Bytes>) -> bool {
        if !self.frames.is_empty() {
            // An idle connection holds no buffer.
            *frames = std::mem::take(&mut self.frames);
        }
        if let Some(frame) = self.take_batch() {
            frames.push_back(frame);
        }
        !frames.is_empty()
    }

    /// Counts off this many bytes at the front of what was taken, and drops the frames that are
    /// written whole.
    fn count_written(&mut self, frames: &mut VecDeque<Bytes>, mut bytes: usize) {
        self.bytes -= bytes;
        while let Some(frame) = frames.front_mut() {
            if bytes < frame.len() {
                frame.advance(bytes);
                self.is_begun |= bytes > 0;
                break;
            }
            bytes -= frame.len();
            frames.pop_front();
            self.frame_count -= 1;
            self.is_begun = false;
        }
    }

    /// Puts what was not written back to the front.
    fn put_back(&mut self, frames: &mut VecDeque<Bytes>) {
        if self.frames.is_empty() {
            self.frames = std::mem::take(frames);
            return;
        }
        while let Some(frame) = frames.pop_back() {
            self.frames.push_front(frame);
        }
    }

    fn sleep(&mut self, sleeper: Sleeper, wants_frames: bool) -> bool {
        if self.ending.is_some() {
            return false;
        }
        self.wants_frames = wants_frames;
        self.sleeper = Some(sleeper);
        true
    }

    fn push(&mut self, frame: &Bytes, limits: QueueLimits) -> Pushed {
        if self.is_closed {
            return Pushed::Closed;
        }
        self.seal_batch();
        if self.frame_count >= limits.frames_max || self.bytes + frame.len() > limits.bytes_max {
            self.is_closed = true;
            self.ending.get_or_insert(CloseReason::SlowConsumer);
            return Pushed::Overflowed;
        }
        self.bytes += frame.len();
        self.frame_count += 1;
        self.frames.push_back(frame.clone());
        Pushed::Queued
    }
}

#[cfg(test)]
mod tests;

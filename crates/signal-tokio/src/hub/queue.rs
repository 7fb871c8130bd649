//! The bounded queue of frames for one peer.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use signal_core::CloseReason;

use crate::hub::batch::Batch;
use crate::hub::memory::Account;
use crate::hub::wake::{Home, Wake};
use crate::lock::Lock;

/// What a frame costs beside its bytes: its place in the queue and its allocation. Without it,
/// small frames would take several times the memory that their bytes are counted for.
const FRAME_COST: usize = 128;
/// Of which so much is for its place, twice the size of a handle.
const PLACE_COST: usize = 64;
/// What a topic costs beside its name: its places in the maps of topics and of the peer.
const TOPIC_COST: usize = 160;

/// How many times its limit a queue may hold at once. What it holds past the limit is for the
/// connection to judge, once it has tried its socket; this is only there to be an end. It has room
/// for what a thousand peers can say to one before their thread has its turn to write.
const BURST_FACTOR: usize = 16;
/// But at least so much: what many say in a moment is not less for a low limit.
const BURST_BYTES_MIN: usize = 4 * 1024 * 1024;

/// Frames for which a thread keeps the memory between two writes.
const LENT_FRAMES_MAX: usize = 1_024;

thread_local! {
    /// What a write of this thread has on its way, so that no queue needs memory for it.
    static LENT: Cell<VecDeque<Bytes>> = const { Cell::new(VecDeque::new()) };
}

/// What became of a pushed frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    Queued,
    /// The queue was full: the peer is ended, and this frame with it.
    Overflowed,
    /// The peer is being ended already.
    Closed,
}

/// Frames on their way to one peer, filled by those who publish and emptied by the connection that
/// owns the socket.
///
/// The lock is held for a push or a swap of two pointers, never while a socket is written.
///
/// How much it holds says little about how the peer reads: many may have something to say to one in
/// a moment, before anybody tries its socket. So a push is judged by a multiple of the limit alone,
/// and by the limit itself the connection, which knows what its socket has refused and for how
/// long.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    /// Where the connection lives, if it is not a task.
    home: Option<Home>,
    /// Where what the peer holds is counted.
    account: Account,
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Bytes>,
    /// What comes after `frames`, and grows until it is taken or something follows it.
    batch: Option<Arc<Batch>>,
    /// Bytes and frames not yet written, those on their way included.
    bytes: usize,
    frame_count: usize,
    /// Whether a part of the first frame is written, so that the rest must follow whatever happens.
    is_begun: bool,
    /// What the peer holds of messages whose end is missing.
    input_bytes: usize,
    /// What its topics cost.
    topic_bytes: usize,
    /// What is counted of these two and of the places of frames.
    counted: usize,
    /// Whether the peer is being ended because it holds much, or has gone. What it holds still is
    /// as good as given back, and is counted no more.
    is_written_off: bool,
    /// Why others want this connection ended.
    ending: Option<CloseReason>,
    is_closed: bool,
    /// Whether the connection that empties the queue knows that it has something. It is woken by
    /// the first frame of many, and not at all while its socket takes nothing.
    is_announced: bool,
    /// Whether the socket took less than there was, and has not taken all since.
    is_blocked: bool,
    /// Wakes the task that empties the queue, while it sleeps.
    waker: Option<Waker>,
}

impl Outbound {
    pub(crate) fn new(home: Option<Home>, account: &Account) -> Self {
        Self {
            home,
            account: account.clone(),
            ..Self::default()
        }
    }

    /// Queues a frame that is shared with other queues.
    pub(crate) fn push(&self, frame: &Bytes, bytes_max: usize) -> Pushed {
        self.change(|state, home| {
            let pushed = state.push(frame, bytes_max);
            let wake = match pushed {
                Pushed::Queued => state.announce(home, bytes_max),
                Pushed::Overflowed => state.turn(home),
                Pushed::Closed => Wake::Nobody,
            };
            (pushed, wake)
        })
    }

    /// Whether what empties it can write many frames as one: a reactor. To other transports a batch
    /// would be one long frame.
    pub(crate) fn takes_batches(&self) -> bool {
        self.home.is_some()
    }

    /// Queues a batch, to which more may be added up to half of the limit. False if a frame must be
    /// pushed instead.
    pub(crate) fn push_batch(&self, batch: &Arc<Batch>, bytes_max: usize) -> bool {
        self.change(|state, home| {
            state.seal_batch();
            if home.is_none() || !state.can_take_batch(bytes_max) {
                return (false, Wake::Nobody);
            }
            state.batch = Some(Arc::clone(batch));
            (true, state.announce(home, bytes_max))
        })
    }

    /// Queues the last frame of a connection, whatever is queued already, and takes no others.
    pub(crate) fn finish(&self, frame: Bytes) {
        self.change(|state, home| {
            state.seal_batch();
            state.is_closed = true;
            state.put(frame);
            // Nobody waits for it to be written but the peer.
            ((), state.announce(home, usize::MAX))
        });
    }

    /// Drops what is not on its way yet, and takes no more. A frame that is half written stays:
    /// what is sent after it would be taken for its rest.
    pub(crate) fn discard(&self) {
        let mut state = self.state.lock();
        state.seal_batch();
        state.is_closed = true;
        let begun = usize::from(state.is_begun);
        let dropped = state.frames.split_off(begun);
        state.bytes -= dropped.iter().map(Bytes::len).sum::<usize>();
        state.frame_count -= dropped.len();
        state.count(&self.account);
        drop(state);
        // Outside of the lock: there may be many.
        drop(dropped);
    }

    /// Ends the peer because it holds much, and forgets at once what waits for it. One that is
    /// being closed already loses its close frame with it.
    pub(crate) fn evict(&self) {
        self.state.lock().is_written_off = true;
        self.discard();
        self.end(CloseReason::MemoryMax);
    }

    /// Notes how much the peer holds of messages whose end is missing.
    pub(crate) fn hold_input(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.input_bytes = bytes;
        state.count(&self.account);
    }

    /// Notes that the peer has a topic.
    pub(crate) fn hold_topic(&self, topic: &str) {
        let mut state = self.state.lock();
        state.topic_bytes += topic.len() + TOPIC_COST;
        state.count(&self.account);
    }

    /// Notes that it has it no more.
    pub(crate) fn drop_topic(&self, topic: &str) {
        let mut state = self.state.lock();
        state.topic_bytes -= topic.len() + TOPIC_COST;
        state.count(&self.account);
    }

    /// What the peer makes the relay hold: what its socket has refused, messages whose end is
    /// missing, and topics. What waits for its thread to try the socket is not the peer's doing.
    pub(crate) fn holds(&self) -> usize {
        let state = self.state.lock();
        if state.is_written_off {
            return 0;
        }
        let refused = if state.is_blocked { state.cost() } else { 0 };
        refused + state.input_bytes + state.topic_bytes
    }

    /// Notes that the peer has gone, and gives back what it held: also for the frame that it has
    /// half of, which stays in the queue.
    pub(crate) fn release(&self) {
        self.state.lock().is_written_off = true;
        self.discard();
    }

    /// Asks the connection to end.
    pub(crate) fn end(&self, reason: CloseReason) {
        self.change(|state, home| {
            state.ending.get_or_insert(reason);
            ((), state.turn(home))
        });
    }

    /// Why others want this connection ended, once.
    pub(crate) fn take_ending(&self) -> Option<CloseReason> {
        self.state.lock().ending.take()
    }

    /// Writes until the queue is empty, or `write` takes no more or fails; what is left stays.
    ///
    /// Only the connection itself does so. Others push meanwhile: the frames are moved out of the
    /// queue for each write, because a socket is not written under a lock that a publisher waits
    /// for, and what is not written is put back to the front. So a second look after each write
    /// finds what has come during it, and one system call takes all of that too.
    pub(crate) fn write_all<E>(
        &self,
        mut write: impl FnMut(&VecDeque<Bytes>) -> Poll<Result<usize, E>>,
    ) -> Poll<Result<(), E>> {
        let Lent(frames) = &mut Lent::take();
        let mut state = self.state.lock();
        while !frames.is_empty() || state.take_all(frames) {
            drop(state);
            let written = write(frames);
            state = self.state.lock();
            if let Poll::Ready(Ok(bytes)) = written {
                state.count_written(frames, bytes);
                continue;
            }
            state.put_back(frames);
            state.is_blocked = true;
            state.count(&self.account);
            return written.map_ok(|_| ());
        }
        state.is_blocked = false;
        state.is_announced = false;
        state.count(&self.account);
        Poll::Ready(Ok(()))
    }

    /// Arranges for the task to be woken by what it does not know yet: a frame, or an end. False if
    /// there is one already.
    pub(crate) fn sleep(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state.lock();
        if state.ending.is_some() || state.is_announced && !state.is_blocked {
            return false;
        }
        match &mut state.waker {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.frame_count == 0 && state.batch.is_none()
    }

    /// How many bytes wait to be written.
    pub(crate) fn bytes(&self) -> usize {
        let state = self.state.lock();
        state.bytes + state.batch.as_ref().map_or(0, |batch| batch.len())
    }

    /// Whether it holds more than this, with what frames cost beside their bytes.
    pub(crate) fn holds_over(&self, bytes_max: usize) -> bool {
        self.state.lock().cost() > bytes_max
    }

    /// Changes the queue and then wakes the connection that empties it, which may look at once.
    fn change<'q, T>(
        &'q self,
        change: impl FnOnce(&mut State, Option<&'q Home>) -> (T, Wake<'q>),
    ) -> T {
        let (outcome, wake) = {
            let mut state = self.state.lock();
            let changed = change(&mut state, self.home.as_ref());
            state.count(&self.account);
            changed
        };
        wake.wake();
        outcome
    }
}

impl State {
    fn push(&mut self, frame: &Bytes, bytes_max: usize) -> Pushed {
        if self.is_closed {
            return Pushed::Closed;
        }
        self.seal_batch();
        if !self.has_room_for(frame.len() + FRAME_COST, bytes_max) {
            self.is_closed = true;
            self.ending.get_or_insert(CloseReason::SlowConsumer);
            return Pushed::Overflowed;
        }
        self.put(frame.clone());
        Pushed::Queued
    }

    /// Puts a frame at the end.
    fn put(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frame_count += 1;
        self.frames.push_back(frame);
    }

    /// What waits, as it is counted against the limit.
    fn cost(&self) -> usize {
        let batch = self.batch.as_ref().map_or(0, |batch| batch.len());
        self.bytes + batch + self.frame_count * FRAME_COST
    }

    fn has_room_for(&self, cost: usize, bytes_max: usize) -> bool {
        let burst = bytes_max.saturating_mul(BURST_FACTOR);
        self.cost() + cost <= burst.max(BURST_BYTES_MIN)
    }

    /// Counts what the peer holds. Of frames these are the places of those that stay: those that
    /// are written in a moment, as nearly all are, are not worth it.
    fn count(&mut self, account: &Account) {
        let places = if self.is_blocked { self.frame_count } else { 0 };
        let bytes = if self.is_written_off {
            0
        } else {
            places * PLACE_COST + self.input_bytes + self.topic_bytes
        };
        if bytes != self.counted {
            account.change(self.counted, bytes);
            self.counted = bytes;
        }
    }

    /// Whether there is room for a batch, however it grows.
    fn can_take_batch(&self, bytes_max: usize) -> bool {
        self.has_room_for(bytes_max / 2, bytes_max) && !self.is_closed && self.ending.is_none()
    }

    /// Makes a frame of the batch, so that others can follow. It counts as one.
    fn seal_batch(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.put(batch.seal());
        }
    }

    /// Moves everything queued to `frames`, which has none; false if nothing is.
    fn take_all(&mut self, frames: &mut VecDeque<Bytes>) -> bool {
        if !self.frames.is_empty() {
            // An idle connection holds no buffer.
            *frames = std::mem::take(&mut self.frames);
        }
        if let Some(batch) = self.batch.take() {
            let frame = batch.seal();
            self.bytes += frame.len();
            self.frame_count += 1;
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

    /// What it takes for a frame to be written.
    fn announce<'q>(&mut self, home: Option<&'q Home>, bytes_max: usize) -> Wake<'q> {
        let is_news = !std::mem::replace(&mut self.is_announced, true);
        match home {
            Some(home) if is_news => Wake::Write(home),
            Some(home) if !self.is_blocked && self.cost() > bytes_max / 2 => Wake::Hurry(home),
            None if is_news => self.turn(None),
            Some(_) | None => Wake::Nobody,
        }
    }

    /// What it takes for the connection to have a turn.
    fn turn<'q>(&mut self, home: Option<&'q Home>) -> Wake<'q> {
        match (home, self.waker.take()) {
            (Some(home), _) => Wake::Turn(home),
            (None, Some(waker)) => Wake::Task(waker),
            // It is awake.
            (None, None) => Wake::Nobody,
        }
    }
}

/// The memory that this thread lends to a write.
struct Lent(VecDeque<Bytes>);

impl Lent {
    fn take() -> Self {
        Self(LENT.take())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // After a panic it still has the frames of that connection, which are nobody else's.
        self.0.clear();
        self.0.shrink_to(LENT_FRAMES_MAX);
        LENT.set(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests;

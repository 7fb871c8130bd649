//! The bounded queue of frames for one peer.

mod lent;
mod state;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use signal_core::{CloseReason, Instant};

use self::lent::Lent;
pub(crate) use self::state::{Pushed, due_in, taken_in};
use self::state::{State, TOPIC_COST};
use crate::hub::batch::{Batch, Queued};
use crate::hub::memory::Account;
use crate::hub::wake::{Home, Wake};
use crate::lock::Lock;

/// How long nothing may come of a message that is on its way: some round trips, or a lost packet.
const INPUT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// What a peer makes the relay hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Holding {
    /// Topics, messages whose end does not come, and what waits for it and is taken too slowly.
    pub(crate) kept: usize,
    /// What is on its way: a message of which more comes, and what waits for it and is taken.
    pub(crate) passing: usize,
}

impl Holding {
    fn part(&mut self, is_kept: bool) -> &mut usize {
        if is_kept {
            &mut self.kept
        } else {
            &mut self.passing
        }
    }
}

/// Frames on their way to one peer, filled by those who publish and emptied by the connection that
/// owns the socket.
///
/// The lock is held for a push or a swap of two pointers, never while a socket is written.
///
/// How much it holds says little about how the peer reads: many may have something to say to one in
/// a moment, before anybody tries its socket. So a push is judged by a large multiple of the limit
/// alone, and by the limit itself the connection, which knows how fast its socket takes what it is
/// offered.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    /// Where the connection lives, if it is not a task.
    home: Option<Home>,
    /// Where what the peer holds is counted.
    account: Account,
    /// When the peer published last, on a relay with other nodes: a millisecond more, or 0.
    published: AtomicU64,
    state: Lock<State>,
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
    pub(crate) fn push(&self, frame: &Queued, bytes_max: usize) -> Pushed {
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
    pub(crate) fn finish(&self, frame: Queued) {
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
        state.bytes -= dropped.iter().map(|frame| frame.len()).sum::<usize>();
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

    /// Notes how much the peer holds of messages whose end is missing, when some has come or it is
    /// all gone. The end of a new one may take this long, and as long as a slow sender needs.
    pub(crate) fn hold_input(&self, now: Instant, bytes: usize, patience: Option<Duration>) {
        let mut state = self.state.lock();
        state.input_bytes = bytes;
        state.more_by = now.saturating_add(INPUT_PAUSE_MAX);
        if let Some(patience) = patience {
            state.end_by = now.saturating_add(patience.saturating_add(taken_in(bytes)));
        }
        state.count(&self.account);
    }

    /// Notes how much the layer below keeps of what was written, for its socket has no room.
    pub(crate) fn hold_unflushed(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.unflushed_bytes = bytes;
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

    /// What the peer makes the relay hold. What others hold too falls to each of them in part,
    /// because it is free only when all of them are gone. What waits for its thread to try the
    /// socket is not the peer's doing.
    pub(crate) fn holding(&self, now: Instant) -> Holding {
        let state = self.state.lock();
        if state.is_written_off {
            return Holding::default();
        }
        let mut holding = Holding {
            kept: state.topic_bytes,
            passing: 0,
        };
        let is_input_late = state.more_by.min(state.end_by) <= now;
        *holding.part(is_input_late) += state.input_bytes;
        let is_late = state.behind > 0 && state.late_at <= now;
        let waits = if state.is_blocked { state.share() } else { 0 };
        *holding.part(is_late) += waits + state.unflushed_bytes;
        holding
    }

    /// Notes that the peer has gone, and gives back what it held, the frame that it has half of
    /// included.
    pub(crate) fn release(&self) {
        {
            let mut state = self.state.lock();
            state.is_written_off = true;
            state.is_begun = false;
        }
        self.discard();
    }

    /// Notes that the peer publishes.
    pub(crate) fn note_published(&self, now: Instant) {
        let after = now.as_millis().saturating_add(1);
        self.published.store(after, Ordering::Relaxed);
    }

    /// Whether the peer has published then or later.
    #[cfg(feature = "cluster")]
    pub(crate) fn has_published_since(&self, since: Instant) -> bool {
        self.published.load(Ordering::Relaxed) > since.as_millis()
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
    ///
    /// What is left then has this long to be written, and as long as a slow reader needs for it,
    /// before the peer is to blame for it.
    pub(crate) fn write_all<E>(
        &self,
        now: Instant,
        patience: Duration,
        mut write: impl FnMut(&VecDeque<Queued>) -> Poll<Result<usize, E>>,
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
            state.block(now, patience, &self.account);
            state.count(&self.account);
            return written.map_ok(|_| ());
        }
        state.is_blocked = false;
        state.behind = 0;
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
            if state.is_blocked {
                state.count_newest(&self.account);
                state.count(&self.account);
            }
            changed
        };
        wake.wake();
        outcome
    }
}

#[cfg(test)]
mod tests;

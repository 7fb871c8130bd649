//! The bounded queue of frames for one peer.

mod backlog;
mod lent;
mod state;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use signal_core::{CloseReason, Instant};

use self::backlog::Debt;
use self::lent::Lent;
pub(crate) use self::state::Pushed;
use self::state::State;
use crate::hub::batch::{Batch, Queued};
use crate::hub::wake::{Owner, Wake};
use crate::lock::Lock;

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
    owner: Owner,
    state: Lock<State>,
}

impl Outbound {
    pub(crate) fn new(owner: Owner) -> Self {
        Self {
            owner,
            state: Lock::default(),
        }
    }

    /// Queues a frame that is shared with other queues.
    pub(crate) fn push(&self, frame: &Queued, bytes_max: usize) -> Pushed {
        self.change(|state, owner| {
            let pushed = state.push(frame, bytes_max);
            let wake = match pushed {
                Pushed::Queued => state.announce(owner, bytes_max),
                Pushed::Overflowed => state.turn(owner),
                Pushed::Closed => Wake::Nobody,
            };
            (pushed, wake)
        })
    }

    /// Whether what empties it can write many frames as one: a reactor. To other transports a batch
    /// would be one long frame.
    pub(crate) fn takes_batches(&self) -> bool {
        matches!(self.owner, Owner::Reactor(_))
    }

    /// Queues a batch, to which more may be added up to half of the limit. False if a frame must be
    /// pushed instead.
    pub(crate) fn push_batch(&self, batch: &Arc<Batch>, bytes_max: usize) -> bool {
        self.change(|state, owner| {
            let is_in = self.takes_batches() && state.push_batch(batch, bytes_max);
            let wake = match is_in {
                true => state.announce(owner, bytes_max),
                false => Wake::Nobody,
            };
            (is_in, wake)
        })
    }

    /// Queues the last frame of a connection, whatever is queued already, and takes no others.
    pub(crate) fn finish(&self, frame: &Queued) {
        self.change(|state, owner| {
            state.finish(frame);
            // Nobody waits for it to be written but the peer.
            ((), state.announce(owner, usize::MAX))
        });
    }

    /// Drops what is not on its way yet, and takes no more. A frame that is half written stays:
    /// what is sent after it would be taken for its rest.
    pub(crate) fn discard(&self) {
        let dropped = self.state.lock().discard(self.owner.account());
        drop(dropped);
    }

    /// Ends the peer because it holds much, and forgets at once what waits for it. One that is
    /// being closed already loses its close frame with it.
    pub(crate) fn evict(&self) {
        self.state.lock().write_off(self.owner.account());
        self.discard();
        self.end(CloseReason::MemoryMax);
    }

    /// How much the peer holds of messages whose end is missing.
    pub(crate) fn input_bytes(&self) -> usize {
        self.state.lock().input_bytes()
    }

    /// Notes how much the peer holds of messages whose end is missing, when some has come or it is
    /// all gone. The end of a new one may take this long, and as long as a slow sender needs.
    pub(crate) fn hold_input(&self, now: Instant, bytes: usize, patience: Option<Duration>) {
        let mut state = self.state.lock();
        state.hold_input(now, bytes, patience, self.owner.account());
    }

    /// Notes how much the layer below keeps of what was written, for its socket has no room.
    pub(crate) fn hold_unflushed(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.hold_unflushed(bytes, self.owner.account());
    }

    /// Notes that the peer has a topic.
    pub(crate) fn hold_topic(&self, topic: &str) {
        let mut state = self.state.lock();
        state.hold_topic(topic, self.owner.account());
    }

    /// Notes that it has it no more.
    pub(crate) fn drop_topic(&self, topic: &str) {
        let mut state = self.state.lock();
        state.drop_topic(topic, self.owner.account());
    }

    /// What the peer makes the relay hold. What others hold too falls to each of them in part,
    /// because it is free only when all of them are gone. What waits for its thread to try the
    /// socket is not the peer's doing.
    pub(crate) fn holding(&self, now: Instant) -> Holding {
        self.state.lock().holding(now)
    }

    /// Notes that the peer has gone, and gives back what it held, the frame that it has half of
    /// included.
    pub(crate) fn release(&self) {
        let dropped = self.state.lock().release(self.owner.account());
        drop(dropped);
    }

    /// Notes that the peer publishes, on a relay with other nodes.
    pub(crate) fn note_published(&self, now: Instant) {
        self.state.lock().note_published(now);
    }

    /// Whether the peer has published then or later, or a moment before.
    #[cfg(feature = "cluster")]
    pub(crate) fn has_published_since(&self, since: Instant) -> bool {
        self.state.lock().has_published_since(since)
    }

    /// Asks the connection to end.
    pub(crate) fn end(&self, reason: CloseReason) {
        self.change(|state, owner| {
            state.ending.get_or_insert(reason);
            ((), state.turn(owner))
        });
    }

    /// Has the connection charge its peer for what other nodes have said that it caused.
    #[cfg(feature = "cluster")]
    pub(crate) fn owe(&self, deliveries: u64, message_bytes: u64) {
        self.change(|state, owner| {
            state.owe(deliveries, message_bytes);
            ((), state.turn(owner))
        });
    }

    /// Why others want this connection ended, once; and what the peer was not charged for yet, on a
    /// relay with other nodes.
    pub(crate) fn take_asked(&self, is_node: bool) -> (Option<CloseReason>, Option<Debt>) {
        let mut state = self.state.lock();
        let ending = state.ending.take();
        let debt = if is_node { state.take_debt() } else { None };
        (ending, debt)
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
            state.block(frames, now, patience, self.owner.account());
            return written.map_ok(|_| ());
        }
        state.rest(self.owner.account());
        Poll::Ready(Ok(()))
    }

    /// Arranges for the task to be woken by what it does not know yet: a frame, or an end. False if
    /// there is one already.
    pub(crate) fn sleep(&self, cx: &Context<'_>) -> bool {
        self.state.lock().sleep(cx)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().places() == 0
    }

    /// How many bytes wait to be written.
    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().bytes()
    }

    /// Whether it holds more than this, with what frames cost beside their bytes.
    pub(crate) fn holds_over(&self, bytes_max: usize) -> bool {
        self.state.lock().cost() > bytes_max
    }

    /// Changes the queue and then wakes the connection that empties it, which may look at once.
    fn change<'q, T>(&'q self, change: impl FnOnce(&mut State, &'q Owner) -> (T, Wake<'q>)) -> T {
        let (outcome, wake) = {
            let mut state = self.state.lock();
            let changed = change(&mut state, &self.owner);
            if state.is_blocked() {
                state.count_newest(self.owner.account());
                state.count(self.owner.account());
            }
            changed
        };
        wake.wake();
        outcome
    }
}

#[cfg(test)]
mod tests;

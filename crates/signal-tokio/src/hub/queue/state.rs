//! What waits for one peer.

pub(super) mod counted;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use signal_backpressure::{Behind, burst_bytes_max};
use signal_core::{CloseReason, Instant};

use crate::hub::batch::{Batch, Queued};
use crate::hub::memory::Account;
use crate::hub::queue::backlog::{Backlog, Debt};
use crate::hub::wake::{Owner, Wake};

/// What a frame costs beside its bytes: its place in the queue and its allocation. Without it,
/// small frames would take several times the memory that their bytes are counted for.
pub(super) const FRAME_COST: usize = 128;
/// How exactly it is known when a peer has published.
const MILLIS_PER_TICK: u64 = 16;

/// What became of a pushed frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    Queued,
    /// The queue was full: the peer is ended, and this frame with it.
    Overflowed,
    /// The peer is being ended already.
    Closed,
}

/// What waits for one peer, behind its lock.
///
/// A connection has one for as long as it lives, and nearly all of that time nothing waits. So one
/// frame or batch has its place here, and all else that there may be to know only while it is
/// needed.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The only frame, or a batch that came last: it grows until it is taken or something follows
    /// it.
    newest: Option<Arc<Batch>>,
    /// What came before it, and what the peer holds beside its topics, if there is any of it.
    backlog: Option<Box<Backlog>>,
    /// Bytes and frames before `newest` that are not yet written, those on their way included.
    bytes: usize,
    frame_count: u32,
    /// What its topics cost.
    topic_bytes: u32,
    /// The tick after the one in which the peer published last, or 0.
    published: u32,
    life: Life,
    /// Why others want this connection ended.
    pub(super) ending: Option<CloseReason>,
    /// Whether the connection that empties the queue knows that it has something. It is woken by
    /// the first frame of many, and not at all while its socket takes nothing.
    is_announced: bool,
    /// Whether the task that empties the queue sleeps; and what wakes it, kept for the next time.
    is_asleep: bool,
    waker: Option<Box<Waker>>,
}

/// What a queue still does for its peer.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
enum Life {
    /// It takes frames.
    #[default]
    Open,
    /// It takes no more.
    Closed,
    /// And what it holds is as good as given back, and is counted no more: the peer is being ended
    /// because it holds much, or has gone.
    WrittenOff,
}

/// What is dropped outside of the lock, as there may be much of it.
pub(super) type Dropped = (Option<Arc<Batch>>, VecDeque<Queued>);

impl State {
    pub(super) fn push(&mut self, frame: &Queued, bytes_max: usize) -> Pushed {
        if self.life > Life::Open {
            return Pushed::Closed;
        }
        self.seal_newest();
        if !self.has_room_for(frame.len() + FRAME_COST, bytes_max) {
            self.life = Life::Closed;
            self.ending.get_or_insert(CloseReason::SlowConsumer);
            return Pushed::Overflowed;
        }
        self.put(frame.clone());
        Pushed::Queued
    }

    /// Puts a batch at the end, if there is room for it however it grows.
    pub(super) fn push_batch(&mut self, batch: &Arc<Batch>, bytes_max: usize) -> bool {
        self.seal_newest();
        let is_open = self.life == Life::Open && self.ending.is_none();
        let has_room = is_open && self.has_room_for(bytes_max / 2, bytes_max);
        if has_room {
            self.line_up_newest();
            self.newest = Some(Arc::clone(batch));
        }
        has_room
    }

    /// Puts the last frame at the end, whatever is there already.
    pub(super) fn finish(&mut self, frame: &Queued) {
        self.close();
        self.put(frame.clone());
    }

    /// Takes no more frames, and nothing to what is there.
    fn close(&mut self) {
        self.seal_newest();
        self.life = self.life.max(Life::Closed);
    }

    /// Puts a frame at the end: among others, if there are any.
    fn put(&mut self, frame: Queued) {
        if self.newest.is_none() && self.backlog.is_none() {
            self.newest = Some(Arc::clone(frame.batch()));
            return;
        }
        self.line_up_newest();
        self.bytes += frame.len();
        self.frame_count += 1;
        self.backlog_mut().frames.push_back(frame);
    }

    /// Puts what came last among the others, so that something can follow it.
    fn line_up_newest(&mut self) {
        if let Some(newest) = self.newest.take() {
            let frame = self.seal(newest);
            self.backlog_mut().frames.push_back(frame);
        }
    }

    /// Has nothing added to what came last, so that something can follow it.
    fn seal_newest(&self) {
        if let Some(newest) = &self.newest {
            newest.seal();
        }
    }

    /// Makes a frame of what came last.
    fn seal(&mut self, newest: Arc<Batch>) -> Queued {
        let frame = Queued::seal(newest);
        self.bytes += frame.len();
        self.frame_count += 1;
        frame
    }

    fn backlog_mut(&mut self) -> &mut Backlog {
        self.backlog.get_or_insert_default()
    }

    /// What waits, as it is counted against the limit.
    pub(super) fn cost(&self) -> usize {
        self.bytes() + self.places() * FRAME_COST
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.newest.as_ref().map_or(0, |newest| newest.len())
    }

    /// How many frames and batches wait.
    pub(super) fn places(&self) -> usize {
        self.frame_count as usize + usize::from(self.newest.is_some())
    }

    fn has_room_for(&self, cost: usize, bytes_max: usize) -> bool {
        (self.cost() + cost) as u64 <= burst_bytes_max(bytes_max as u64)
    }

    /// Whether the socket took less than there was, and has not taken all since.
    pub(super) fn is_blocked(&self) -> bool {
        let backlog = self.backlog.as_ref();
        backlog.is_some_and(|backlog| backlog.is_blocked)
    }

    /// Moves everything queued to `frames`, which has none; false if nothing is.
    pub(super) fn take_all(&mut self, frames: &mut VecDeque<Queued>) -> bool {
        if let Some(backlog) = &mut self.backlog {
            if !backlog.frames.is_empty() {
                *frames = std::mem::take(&mut backlog.frames);
            }
        }
        if let Some(newest) = self.newest.take() {
            frames.push_back(self.seal(newest));
        }
        !frames.is_empty()
    }

    /// Counts off this many bytes at the front of what was taken, and drops the frames that are
    /// written whole.
    pub(super) fn count_written(&mut self, frames: &mut VecDeque<Queued>, mut bytes: usize) {
        self.bytes -= bytes;
        if let Some(backlog) = &mut self.backlog {
            backlog.behind.taken(bytes as u64);
        }
        while let Some(frame) = frames.front_mut() {
            if bytes < frame.len() {
                frame.advance(bytes);
                break;
            }
            bytes -= frame.len();
            frames.pop_front();
            self.frame_count -= 1;
        }
    }

    /// Puts what was not written back to the front, and counts what stays, for the socket takes no
    /// more.
    pub(super) fn block(
        &mut self,
        frames: &mut VecDeque<Queued>,
        now: Instant,
        patience: Duration,
        account: &Account,
    ) {
        let waits = self.bytes;
        let backlog = self.backlog_mut();
        backlog.put_back(frames);
        backlog.behind.expect(now, waits as u64, patience);
        if !std::mem::replace(&mut backlog.is_blocked, true) {
            for frame in &backlog.frames {
                frame.batch().count(account);
            }
            self.count_newest(account);
        }
        self.count(account);
    }

    /// Notes that all is written, and the connection looks no more.
    pub(super) fn rest(&mut self, account: &Account) {
        self.is_announced = false;
        if let Some(backlog) = &mut self.backlog {
            backlog.is_blocked = false;
            backlog.behind = Behind::default();
            self.count(account);
        }
    }

    /// Takes no more, and drops what is not on its way yet, but for a frame that is half written.
    pub(super) fn discard(&mut self, account: &Account) -> Dropped {
        let begun = self.backlog.as_ref().map_or(0, |backlog| backlog.begun());
        self.drop_from(begun, account)
    }

    /// Drops everything.
    pub(super) fn release(&mut self, account: &Account) -> Dropped {
        self.write_off(account);
        self.drop_from(0, account)
    }

    /// Drops all but so many of the first frames.
    fn drop_from(&mut self, kept: usize, account: &Account) -> Dropped {
        self.close();
        let newest = self.newest.take();
        let backlog = self.backlog.as_mut();
        let frames = backlog.map_or_else(VecDeque::new, |backlog| backlog.frames.split_off(kept));
        for frame in &frames {
            self.bytes -= frame.len();
            self.frame_count -= 1;
        }
        self.count(account);
        (newest, frames)
    }

    /// Notes that the peer publishes.
    pub(super) fn note_published(&mut self, now: Instant) {
        self.published = tick(now).saturating_add(1);
    }

    /// Whether the peer has published in the tick of `since` or later.
    #[cfg(feature = "cluster")]
    pub(super) fn has_published_since(&self, since: Instant) -> bool {
        self.published > tick(since).min(u32::MAX - 1)
    }

    /// Notes what the peer has caused on other nodes beyond what it was charged for.
    #[cfg(feature = "cluster")]
    pub(super) fn owe(&mut self, deliveries: u64, message_bytes: u64) {
        let debt = self.backlog_mut().debt.get_or_insert_default();
        debt.deliveries = debt.deliveries.saturating_add(deliveries);
        let bytes = deliveries.saturating_mul(message_bytes);
        debt.bytes = debt.bytes.saturating_add(bytes);
    }

    pub(super) fn take_debt(&mut self) -> Option<Debt> {
        let backlog = self.backlog.as_mut()?;
        let debt = backlog.debt.take()?;
        if backlog.is_blank() && backlog.counted == 0 {
            self.backlog = None;
        }
        Some(debt)
    }

    /// What it takes for a frame to be written.
    pub(super) fn announce<'q>(&mut self, owner: &'q Owner, bytes_max: usize) -> Wake<'q> {
        let is_news = !std::mem::replace(&mut self.is_announced, true);
        match owner {
            Owner::Reactor(home) if is_news => Wake::Write(home),
            Owner::Reactor(home) if !self.is_blocked() && self.cost() > bytes_max / 2 => {
                Wake::Hurry(home)
            }
            Owner::Task(_) if is_news => self.turn(owner),
            Owner::Reactor(_) | Owner::Task(_) => Wake::Nobody,
        }
    }

    /// What it takes for the connection to have a turn.
    pub(super) fn turn<'q>(&mut self, owner: &'q Owner) -> Wake<'q> {
        match (owner, &self.waker) {
            (Owner::Reactor(home), _) => Wake::Turn(home),
            (Owner::Task(_), Some(waker)) if std::mem::take(&mut self.is_asleep) => {
                Wake::Task(Waker::clone(waker))
            }
            // It is awake.
            (Owner::Task(_), _) => Wake::Nobody,
        }
    }

    /// Arranges for the task to be woken by what it does not know yet. False if there is something
    /// already.
    pub(super) fn sleep(&mut self, cx: &Context<'_>) -> bool {
        let backlog = self.backlog.as_ref();
        let owes = backlog.is_some_and(|backlog| backlog.debt.is_some());
        if owes || self.ending.is_some() || self.is_announced && !self.is_blocked() {
            return false;
        }
        match &mut self.waker {
            Some(known) => Waker::clone_from(known, cx.waker()),
            none => *none = Some(Box::new(cx.waker().clone())),
        }
        self.is_asleep = true;
        true
    }
}

/// A time in so few bits that a relay can run for two years, after which everyone has published
/// just now.
fn tick(now: Instant) -> u32 {
    u32::try_from(now.as_millis() / MILLIS_PER_TICK).unwrap_or(u32::MAX)
}

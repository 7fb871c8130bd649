//! What waits for one peer, and how it is counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use signal_core::{CloseReason, Instant};

use crate::hub::batch::{Batch, Queued};
use crate::hub::memory::Account;
use crate::hub::wake::{Home, Wake};

/// What a frame costs beside its bytes: its place in the queue and its allocation. Without it,
/// small frames would take several times the memory that their bytes are counted for.
pub(super) const FRAME_COST: usize = 128;
/// Of which so much is for its place, twice the size of a handle.
pub(super) const PLACE_COST: usize = 2 * size_of::<Queued>();
/// What a topic costs beside its name: its places in the maps of topics and of the peer.
pub(super) const TOPIC_COST: usize = 160;

/// How many times its limit a queue may hold at once. What it holds past the limit is for the
/// connection to judge, by how fast its socket takes it; this is only there to be an end. It has
/// room for what all peers that one address may have can say at once, with their whole bursts.
pub(super) const BURST_FACTOR: usize = 128;
/// But at least so much: what many say in a moment is not less for a low limit.
pub(super) const BURST_BYTES_MIN: usize = 32 * 1024 * 1024;

/// The slowest peer that is not to blame for what waits for it takes so much: 2 Mbit/s.
const BYTES_PER_MILLI_MIN: usize = 250;
/// And of much that waits a part as large as if all of it were to be taken in this time: what is
/// older is of no use to anybody who wants to connect.
const BACKLOG_MILLIS_MAX: usize = 10_000;

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
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) frames: VecDeque<Queued>,
    /// What comes after `frames`, and grows until it is taken or something follows it.
    pub(super) batch: Option<Arc<Batch>>,
    /// Bytes and frames not yet written, those on their way included.
    pub(super) bytes: usize,
    pub(super) frame_count: usize,
    /// Whether a part of the first frame is written, so that the rest must follow whatever happens.
    pub(super) is_begun: bool,
    /// What the peer holds of messages whose end is missing.
    pub(super) input_bytes: usize,
    /// Until when more of them is to come, and by when their end.
    pub(super) more_by: Instant,
    pub(super) end_by: Instant,
    /// What the layer between the queue and the socket keeps of what was written.
    pub(super) unflushed_bytes: usize,
    /// What its topics cost.
    pub(super) topic_bytes: usize,
    /// What is counted of these three and of the places of frames.
    pub(super) counted: usize,
    /// Whether the peer is being ended because it holds much, or has gone. What it holds still is
    /// as good as given back, and is counted no more.
    pub(super) is_written_off: bool,
    /// Why others want this connection ended.
    pub(super) ending: Option<CloseReason>,
    pub(super) is_closed: bool,
    /// Whether the connection that empties the queue knows that it has something. It is woken by
    /// the first frame of many, and not at all while its socket takes nothing.
    pub(super) is_announced: bool,
    /// Whether the socket took less than there was, and has not taken all since.
    pub(super) is_blocked: bool,
    /// How much of what waited at some moment since is not written yet, and by when it is to be.
    pub(super) behind: usize,
    pub(super) late_at: Instant,
    /// Wakes the task that empties the queue, while it sleeps.
    pub(super) waker: Option<Waker>,
}

impl State {
    pub(super) fn push(&mut self, frame: &Queued, bytes_max: usize) -> Pushed {
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
    pub(super) fn put(&mut self, frame: Queued) {
        self.bytes += frame.len();
        self.frame_count += 1;
        self.frames.push_back(frame);
    }

    /// What waits, as it is counted against the limit.
    pub(super) fn cost(&self) -> usize {
        let batch = self.batch.as_ref().map_or(0, |batch| batch.len());
        self.bytes + batch + self.frame_count * FRAME_COST
    }

    fn has_room_for(&self, cost: usize, bytes_max: usize) -> bool {
        let burst = bytes_max.saturating_mul(BURST_FACTOR);
        self.cost() + cost <= burst.max(BURST_BYTES_MIN)
    }

    /// What falls to the peer of what waits for it.
    pub(super) fn share(&self) -> usize {
        let frames = self.frames.iter().map(|frame| frame.batch().share());
        let batch = self.batch.as_ref().map_or(0, Batch::share);
        frames.sum::<usize>() + batch + self.frame_count * PLACE_COST
    }

    /// Notes that the socket takes no more, and counts what stays.
    pub(super) fn block(&mut self, now: Instant, patience: Duration, account: &Account) {
        if !std::mem::replace(&mut self.is_blocked, true) {
            for frame in &self.frames {
                frame.batch().count(account);
            }
            self.count_newest(account);
        }
        if self.behind == 0 {
            self.behind = self.bytes;
            let patience = patience.saturating_add(taken_in(self.bytes));
            self.late_at = now.saturating_add(patience);
        }
    }

    /// Counts what has come last: a frame, or a batch that may still grow.
    pub(super) fn count_newest(&self, account: &Account) {
        if let Some(frame) = self.frames.back() {
            frame.batch().count(account);
        }
        if let Some(batch) = &self.batch {
            batch.count(account);
        }
    }

    /// Counts what the peer holds. Of frames these are the places of those that stay: those that
    /// are written in a moment, as nearly all are, are not worth it.
    pub(super) fn count(&mut self, account: &Account) {
        let places = if self.is_blocked { self.frame_count } else { 0 };
        let bytes = if self.is_written_off {
            0
        } else {
            places * PLACE_COST + self.input_bytes + self.unflushed_bytes + self.topic_bytes
        };
        if bytes != self.counted {
            account.change(self.counted, bytes);
            self.counted = bytes;
        }
    }

    /// Whether there is room for a batch, however it grows.
    pub(super) fn can_take_batch(&self, bytes_max: usize) -> bool {
        self.has_room_for(bytes_max / 2, bytes_max) && !self.is_closed && self.ending.is_none()
    }

    /// Makes a frame of the batch, so that others can follow. It counts as one.
    pub(super) fn seal_batch(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.put(Queued::seal(batch));
        }
    }

    /// Moves everything queued to `frames`, which has none; false if nothing is.
    pub(super) fn take_all(&mut self, frames: &mut VecDeque<Queued>) -> bool {
        if !self.frames.is_empty() {
            // An idle connection holds no buffer.
            *frames = std::mem::take(&mut self.frames);
        }
        if let Some(batch) = self.batch.take() {
            let frame = Queued::seal(batch);
            self.bytes += frame.len();
            self.frame_count += 1;
            frames.push_back(frame);
        }
        !frames.is_empty()
    }

    /// Counts off this many bytes at the front of what was taken, and drops the frames that are
    /// written whole.
    pub(super) fn count_written(&mut self, frames: &mut VecDeque<Queued>, mut bytes: usize) {
        self.bytes -= bytes;
        self.behind = self.behind.saturating_sub(bytes);
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
    pub(super) fn put_back(&mut self, frames: &mut VecDeque<Queued>) {
        if self.frames.is_empty() {
            self.frames = std::mem::take(frames);
            return;
        }
        while let Some(frame) = frames.pop_back() {
            self.frames.push_front(frame);
        }
    }

    /// What it takes for a frame to be written.
    pub(super) fn announce<'q>(&mut self, home: Option<&'q Home>, bytes_max: usize) -> Wake<'q> {
        let is_news = !std::mem::replace(&mut self.is_announced, true);
        match home {
            Some(home) if is_news => Wake::Write(home),
            Some(home) if !self.is_blocked && self.cost() > bytes_max / 2 => Wake::Hurry(home),
            None if is_news => self.turn(None),
            Some(_) | None => Wake::Nobody,
        }
    }

    /// What it takes for the connection to have a turn.
    pub(super) fn turn<'q>(&mut self, home: Option<&'q Home>) -> Wake<'q> {
        match (home, self.waker.take()) {
            (Some(home), _) => Wake::Turn(home),
            (None, Some(waker)) => Wake::Task(waker),
            // It is awake.
            (None, None) => Wake::Nobody,
        }
    }
}

/// How long a peer that is not to blame may need for so many bytes of those that wait for it.
pub(crate) fn due_in(bytes: usize, waiting: usize) -> Duration {
    let pace = (waiting / BACKLOG_MILLIS_MAX).max(BYTES_PER_MILLI_MIN);
    Duration::from_millis(bytes.div_ceil(pace) as u64)
}

/// How long the slowest peer that is not to blame needs for so many bytes.
pub(crate) fn taken_in(bytes: usize) -> Duration {
    Duration::from_millis((bytes / BYTES_PER_MILLI_MIN) as u64)
}

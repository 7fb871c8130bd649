use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use signal_core::Instant;

use crate::Config;
use crate::node::Node;
use crate::stats::{Frames, Stats};
use crate::wire::{Batch, Frame, LinkState};

/// A node is not asked for the same frames again before that: an answer may be on its way.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Nor is the same question answered again before that: the asker waits longer, and copies of it
/// would be answered with all that is on its way.
const ANSWER_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What a frame takes in the ring beside its bytes.
const FRAME_BYTES: usize = 64;

/// The way to one other node and back: frames arrive in order, each once, while both ends live.
///
/// ```text
///  push ─▶ ring ─flush─▶ batch, numbered ── bus ──▶ in order? ─▶ frames
///            ▲                                          │ a gap, or a tail that a beat shows
///            └── sent again from there ◀── "asks" ──────┘
/// ```
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Numbers count in it. The lower node of the two names it; until then the higher one waits.
    pub(crate) session: Option<u32>,
    /// The highest session that there has been with this node.
    pub(crate) highest: u32,
    /// Whether the other end has named the session too.
    pub(crate) is_confirmed: bool,
    /// When it was named.
    pub(crate) begun: Instant,
    /// Whether the other end should get a beat of its own.
    pub(crate) wants_beat: bool,
    /// Frames that are not known to have arrived, with when they came. The last has the number
    /// `last`.
    ring: VecDeque<(Instant, Frame)>,
    ring_bytes: usize,
    last: u64,
    /// The last frame that is on its way.
    sent: u64,
    /// The last frame that was ever sent.
    sent_first: u64,
    /// The last frame that is known to have arrived.
    arrived: u64,
    /// What that was when the other end sent its last beat.
    arrived_before: u64,
    /// The last frame heard in order.
    heard: u64,
    /// The last frame that the other end is known to have sent.
    expected: u64,
    /// Whether to ask for what follows `heard`.
    asks: bool,
    asked: Option<(Instant, u64)>,
    /// When the other end was answered last, and from where on.
    answered: Option<(Instant, u64)>,
}

/// The frames that a node asks for are forgotten.
#[derive(Debug)]
pub(crate) struct Overflow;

impl Link {
    pub(crate) const fn new(now: Instant, session: Option<u32>, highest: u32) -> Self {
        Self {
            session,
            highest,
            is_confirmed: false,
            begun: now,
            wants_beat: true,
            ring: VecDeque::new(),
            ring_bytes: 0,
            last: 0,
            sent: 0,
            sent_first: 0,
            arrived: 0,
            arrived_before: 0,
            heard: 0,
            expected: 0,
            asks: false,
            asked: None,
            answered: None,
        }
    }

    /// Takes the session that the other end has named. What waits is sent in it, from the
    /// beginning.
    pub(crate) const fn adopt(&mut self, session: u32) {
        self.session = Some(session);
        self.highest = session;
        self.heard = 0;
        self.expected = 0;
        self.sent = 0;
        self.answered = None;
        self.wants_beat = true;
    }

    /// Names a session anew that the other end has never named; what was sent in it is sent again.
    pub(crate) const fn rename(&mut self, now: Instant, session: u32) {
        self.adopt(session);
        self.begun = now;
    }

    /// Appends a frame. What has not been sent is forgotten only while there is no session: a turn
    /// may have more than a ring, and all of it goes out at its end.
    pub(crate) fn push(&mut self, now: Instant, frame: Frame, bytes_max: usize) {
        self.last += 1;
        self.ring_bytes += frame.len() + FRAME_BYTES;
        self.ring.push_back((now, frame));
        if self.session.is_none() {
            self.trim(self.last.saturating_sub(1), bytes_max);
        }
    }

    /// Forgets the oldest frames up to this number, as long as there are too many.
    fn trim(&mut self, last: u64, bytes_max: usize) {
        while self.ring_bytes > bytes_max && self.first() <= last {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some((_, frame)) = self.ring.pop_front() {
            self.ring_bytes = self.ring_bytes.saturating_sub(frame.len() + FRAME_BYTES);
        }
    }

    /// What this node has passed on as a home, and is not known to have arrived.
    pub(crate) fn into_passes(self) -> impl Iterator<Item = Frame> {
        let frames = self.ring.into_iter().map(|(_, frame)| frame);
        frames.filter(|frame| matches!(frame, Frame::Pass { .. }))
    }

    /// The number of the first frame in the ring.
    fn first(&self) -> u64 {
        self.last + 1 - self.ring.len() as u64
    }

    /// Forgets what has arrived.
    pub(crate) fn acknowledge(&mut self, heard: u64) {
        self.arrived = self.arrived.max(heard.min(self.sent_first));
        while self.first() <= self.arrived && !self.ring.is_empty() {
            self.pop();
        }
    }

    /// Plans to send again what follows `heard`. A question from before the last answer is void.
    pub(crate) fn resend(&mut self, now: Instant, heard: u64) -> Result<(), Overflow> {
        let is_answered = self.answered.is_some_and(|(at, from)| {
            from == heard && now.saturating_since(at) < ANSWER_AGAIN_AFTER
        });
        if heard >= self.sent || heard < self.arrived || is_answered {
            return Ok(());
        }
        if heard + 1 < self.first() {
            return Err(Overflow);
        }
        self.answered = Some((now, heard));
        self.sent = heard;
        Ok(())
    }

    /// Takes a batch of the session: returns the frames that are next, if there is no gap before
    /// them.
    pub(crate) fn receive(&mut self, now: Instant, batch: Batch, stats: &mut Stats) -> Vec<Frame> {
        let (first, next) = (batch.first, self.heard + 1);
        self.expected = self.expected.max(first.saturating_sub(1));
        if first > next {
            self.ask(now, stats);
            return Vec::new();
        }
        let known = usize::try_from(next - first).unwrap_or(usize::MAX);
        let mut frames = batch.frames;
        stats.repeated += known.min(frames.len()) as u64;
        frames.drain(..known.min(frames.len()));
        self.heard += frames.len() as u64;
        frames
    }

    /// As [`receive`](Self::receive), but takes what comes, gap or not.
    pub(crate) fn receive_with_gaps(&mut self, batch: Batch) -> Vec<Frame> {
        self.heard = self
            .heard
            .max((batch.first + batch.frames.len() as u64).saturating_sub(1));
        batch.frames
    }

    /// Whether the other end says in a beat that it has not heard what it had acknowledged a beat
    /// ago. Then somebody else has, under its name.
    pub(crate) const fn was_deceived(&mut self, heard: u64) -> bool {
        let was_deceived = heard < self.arrived_before;
        self.arrived_before = self.arrived;
        was_deceived
    }

    /// Compares what the other end has sent last with what has come.
    pub(crate) fn expect(&mut self, now: Instant, last: u64, stats: &mut Stats) {
        self.expected = self.expected.max(last);
        if last > self.heard {
            self.ask(now, stats);
        }
    }

    fn ask(&mut self, now: Instant, stats: &mut Stats) {
        let is_answer_due = self.asked.is_none_or(|(at, heard)| {
            heard != self.heard || now.saturating_since(at) >= ASK_AGAIN_AFTER
        });
        if is_answer_due {
            self.asked = Some((now, self.heard));
            self.asks = true;
            stats.asked += 1;
        }
    }

    /// Whether it carries what is said: the other end has the session, nothing that it has sent is
    /// missing, and nothing that was sent there has waited for so long.
    pub(crate) fn is_settled(&self, now: Instant, patience: Duration) -> bool {
        let waits = self.waits_since();
        let is_late = waits.is_some_and(|since| now.saturating_since(since) >= patience);
        self.is_confirmed && self.heard >= self.expected && !is_late
    }

    /// Its state, for a beat.
    pub(crate) fn state(&self, node: Node) -> LinkState {
        LinkState {
            node,
            session: self.session.unwrap_or(0),
            last: self.sent,
            heard: self.session.map_or(u64::from(self.highest), |_| self.heard),
        }
    }

    /// Since when the oldest frame waits that is not known to have arrived.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        self.ring.front().map(|(at, _)| *at)
    }

    /// Whether there is a batch to send.
    pub(crate) const fn has_batch(&self) -> bool {
        self.session.is_some() && (self.sent < self.last || self.asks)
    }

    /// Writes the next batch into `out`.
    pub(crate) fn write_batch(
        &mut self,
        (from, to): (Node, Node),
        version: u8,
        config: &Config,
        out: &mut Vec<u8>,
        stats: &mut Stats,
    ) {
        // What was pushed out of the ring before it was ever sent is missed and asked for.
        self.sent = self.sent.max(self.first() - 1);
        let head = Batch {
            from,
            to,
            session: self.session.unwrap_or(0),
            first: self.sent + 1,
            heard: self.heard,
            asks: core::mem::take(&mut self.asks),
            frames: Vec::new(),
        };
        out.clear();
        head.begin(out, version);
        let done = usize::try_from(self.sent + 1 - self.first()).unwrap_or(usize::MAX);
        let empty = out.len();
        for (_, frame) in self.ring.iter().skip(done) {
            if out.len() > empty && out.len() + frame.len() > config.cluster_batch_bytes_max {
                break;
            }
            frame.write(out);
            self.sent += 1;
            if self.sent > self.sent_first {
                self.sent_first = self.sent;
                stats.frames_sent.count(frame);
            } else {
                stats.resent += 1;
            }
        }
        Batch::end(out);
        self.trim(self.sent, config.cluster_link_bytes_max);
        stats.batches_sent += 1;
        stats.bytes_sent += out.len() as u64;
    }
}

impl Frames {
    pub(crate) const fn count(&mut self, frame: &Frame) {
        match frame {
            Frame::Subscribe { .. } => self.subscribe += 1,
            Frame::Publish { .. } => self.publish += 1,
            Frame::Pass { .. } => self.pass += 1,
            Frame::Count { .. } => self.count += 1,
            Frame::Owe { .. } => self.owe += 1,
        }
    }
}

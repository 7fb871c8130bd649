//! Who reads too slowly, and who has the runtime hold too much: judged by what it says that it
//! holds. It is looked at when the object is awake anyway, or by its alarm.

use signal_backpressure::{
    Backlog, Ceiling, Holder, Level, QueueLimits, Verdict, Watch, burst_bytes_max,
};
use signal_core::{Instant, PeerId};

use crate::settings::Settings;

/// What all readers are held to.
#[derive(Debug)]
pub(crate) struct Readers {
    limits: QueueLimits,
    ceiling: Ceiling,
    /// When the first of those that are watched is to be looked at.
    look_at: Option<Instant>,
}

/// What is known of one reader's queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// How many bytes were queued since the object has woken.
    pub(crate) queued: u64,
    /// Set while more waits than may.
    watch: Option<Watch>,
    /// What waited when all were weighed.
    backlog: Option<Backlog>,
}

impl Readers {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            limits: QueueLimits {
                bytes_max: settings.outbound_bytes_max.into(),
                grace: settings.outbound_grace,
            },
            ceiling: Ceiling::new(settings.memory_max.into()),
            look_at: None,
        }
    }

    /// Notes that a text is queued for a reader for whom so much waits; false if it may not be.
    pub(crate) fn queue(
        &mut self,
        now: Instant,
        queue: &mut Queue,
        waiting: u64,
        bytes: usize,
    ) -> bool {
        let bytes = bytes as u64;
        let waiting = waiting.saturating_add(bytes);
        if waiting > bytes && waiting > burst_bytes_max(self.limits.bytes_max) {
            return false;
        }
        queue.queued = queue.queued.saturating_add(bytes);
        self.ceiling.note_queued(bytes);
        if waiting > self.limits.bytes_max && queue.watch.is_none() {
            let queued = queue.queued;
            let watch = Watch::new(now, Level { waiting, queued }, &self.limits);
            self.look_at = self.look_at.into_iter().chain([watch.poll_timeout()]).min();
            queue.watch = Some(watch);
        }
        true
    }

    /// When to [`judge`](Self::judge).
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }

    /// Whether to [`weigh`](Self::weigh).
    pub(crate) fn must_weigh(&self) -> bool {
        self.ceiling.is_due()
    }

    /// Looks at all that are watched, and returns those that are too slow.
    pub(crate) fn judge<'q>(
        &mut self,
        now: Instant,
        queues: impl Iterator<Item = (PeerId, &'q mut Queue, Level)>,
    ) -> Vec<PeerId> {
        self.look_at = None;
        let mut slow = Vec::new();
        for (peer, queue, level) in queues {
            let Some(watch) = &mut queue.watch else {
                continue;
            };
            match watch.look(now, level, &self.limits) {
                Verdict::Over => {
                    let next = watch.poll_timeout();
                    self.look_at = self.look_at.into_iter().chain([next]).min();
                }
                Verdict::Within => queue.watch = None,
                Verdict::Slow => slow.push(peer),
            }
        }
        slow
    }

    /// Weighs all, and returns whom to end. So much waits for sockets that are closing, and cannot
    /// be had back.
    pub(crate) fn weigh<'q>(
        &mut self,
        now: Instant,
        queues: impl Iterator<Item = (PeerId, &'q mut Queue, Level)>,
        closing: u64,
    ) -> Vec<PeerId> {
        let mut holders = Vec::new();
        for (peer, queue, level) in queues {
            if level.waiting == 0 {
                queue.backlog = None;
                continue;
            }
            let backlog = match queue.backlog {
                Some(before) => before.after(now, level, &self.limits),
                None => Backlog::new(now, level, &self.limits),
            };
            queue.backlog = Some(backlog);
            let is_late = backlog.is_late(now);
            holders.push(Holder::new(Some(peer), level.waiting, is_late));
        }
        holders.push(Holder {
            is_ending: true,
            ..Holder::new(None, closing, true)
        });
        self.ceiling.weigh(holders).into_iter().flatten().collect()
    }
}

use alloc::boxed::Box;
use alloc::vec::Vec;

use signal_backpressure::{
    Backlog, Ceiling, Holder, Level, QueueLimits, Verdict, Watch, burst_bytes_max,
};
use signal_core::{CloseReason, Instant, PeerId};

use super::{Connection, Relay, Stage};
use crate::output::Output;
use crate::settings::Settings;

/// What is known of the queues, which the host has.
#[derive(Debug)]
pub(super) struct Readers {
    limits: QueueLimits,
    /// Those for whom more waits than may: few, as what waits for all is bounded.
    over: Vec<Over>,
    ceiling: Ceiling,
    /// Whether the host has been asked for all and has not answered.
    is_asked: bool,
}

#[derive(Debug)]
struct Over {
    peer: PeerId,
    watch: Watch,
    /// Whether the host has been asked for it and has not answered.
    is_asked: bool,
}

impl Readers {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            limits: QueueLimits {
                bytes_max: settings.outbound_bytes_max.into(),
                grace: settings.outbound_grace,
            },
            over: Vec::new(),
            ceiling: Ceiling::new(settings.memory_max),
            is_asked: false,
        }
    }

    pub(super) fn forget(&mut self, peer: PeerId) {
        self.over.retain(|over| over.peer != peer);
    }

    /// When the host is to be asked for some of them.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let over = self.over.iter().filter(|over| !over.is_asked);
        over.map(|over| over.watch.poll_timeout()).min()
    }

    /// Those for whom it is to be asked now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<PeerId> {
        let is_due = |over: &Over| !over.is_asked && over.watch.poll_timeout() <= now;
        let due = self.over.iter_mut().filter(|over| is_due(over));
        due.map(|over| {
            over.is_asked = true;
            over.peer
        })
        .collect()
    }

    /// Judges one by how full its queue is.
    fn judge(&mut self, now: Instant, peer: PeerId, level: Level) -> Verdict {
        let Some(over) = self.over.iter_mut().find(|over| over.peer == peer) else {
            if level.waiting <= self.limits.bytes_max {
                return Verdict::Within;
            }
            self.over.push(Over {
                peer,
                watch: Watch::new(now, level, &self.limits),
                is_asked: false,
            });
            return Verdict::Over;
        };
        over.is_asked = false;
        let verdict = over.watch.look(now, level, &self.limits);
        match verdict {
            Verdict::Over => {}
            Verdict::Within | Verdict::Slow => self.forget(peer),
        }
        verdict
    }
}

/// Who reads too slowly, and who holds too much of the memory.
impl Relay {
    /// How much may wait for one peer at once. The host closes it with
    /// [`overflow`](Self::overflow) before more does.
    pub fn burst_bytes_max(&self) -> u64 {
        burst_bytes_max(self.settings.outbound_bytes_max.into())
    }

    /// Closes a peer for whom more waits than ever may.
    pub fn overflow(&mut self, peer: PeerId, out: &mut Output) {
        self.end(peer, CloseReason::SlowConsumer, out);
    }

    /// Notes how full queues are: of those for whom more waits than `outbound_bytes_max`, and of
    /// those for whom the output asks, when the runtime has had a chance to write; of all if it
    /// asks for all.
    pub fn levels(
        &mut self,
        now: Instant,
        levels: impl Iterator<Item = (PeerId, Level)>,
        is_all: bool,
        out: &mut Output,
    ) {
        if is_all {
            for peer in self.weigh(now, levels) {
                self.end(peer, CloseReason::MemoryMax, out);
            }
            return;
        }
        for (peer, level) in levels {
            if !self.connections.get(&peer).is_some_and(Connection::is_open) {
                continue;
            }
            match self.readers.judge(now, peer, level) {
                Verdict::Within => out.within(peer),
                Verdict::Over => {}
                Verdict::Slow => self.end(peer, CloseReason::SlowConsumer, out),
            }
        }
    }

    /// Whom to end, of all.
    fn weigh(
        &mut self,
        now: Instant,
        levels: impl Iterator<Item = (PeerId, Level)>,
    ) -> Vec<PeerId> {
        self.readers.is_asked = false;
        let mut holders = Vec::new();
        for (peer, level) in levels {
            let Some(connection) = self.connections.get_mut(&peer) else {
                continue;
            };
            if level.waiting == 0 {
                connection.backlog = None;
                continue;
            }
            let limits = &self.readers.limits;
            let backlog = match &connection.backlog {
                Some(before) => before.after(now, level, limits),
                None => Backlog::new(now, level, limits),
            };
            connection.backlog = Some(Box::new(backlog));
            holders.push(Holder {
                is_ending: !connection.is_open(),
                ..Holder::new(peer, level.waiting, backlog.is_late(now))
            });
        }
        self.readers.ceiling.weigh(holders)
    }

    /// Notes what is to be sent, and asks how full all queues are when that is worth it.
    pub(super) fn count_sent(&mut self, out: &mut Output) {
        self.readers.ceiling.note_queued(out.take_sent());
        if self.readers.ceiling.is_due() && !self.readers.is_asked {
            self.readers.is_asked = true;
            out.look(&[]);
        }
    }
}

impl Connection {
    fn is_open(&self) -> bool {
        match self.stage {
            Stage::Open => true,
            Stage::Judging(_) | Stage::Upgrading(_) | Stage::Closing => false,
        }
    }
}

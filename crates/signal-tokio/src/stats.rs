//! What a relay counts.

use std::sync::atomic::{AtomicU64, Ordering};

use signal_core::{CloseReason, Ignored};

use crate::refusal::RefusalCause;

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Ending {
    /// The peer closed it with a close frame.
    ByPeer,
    /// The socket ended without a close frame.
    Lost,
    /// The socket took nothing for [`write_deadline`](crate::Config::write_deadline).
    WriteDeadline,
    /// The relay closed it.
    ByRelay(CloseReason),
}

impl Ending {
    /// All endings.
    pub fn all() -> impl Iterator<Item = Self> {
        let by_relay = CloseReason::ALL.into_iter().map(Self::ByRelay);
        [Self::ByPeer, Self::Lost, Self::WriteDeadline]
            .into_iter()
            .chain(by_relay)
    }

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ByPeer => "by_peer",
            Self::Lost => "lost",
            Self::WriteDeadline => "write_deadline",
            Self::ByRelay(reason) => reason.name(),
        }
    }
}

/// What a relay holds now and has done since its start.
///
/// The lists have one entry for each value of their enum, in its order, so the label sets are closed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Peers connected now.
    pub peers: u64,
    /// Topics with subscribers now.
    pub topics: u64,
    /// Subscriptions now: a peer in three topics counts three.
    pub subscriptions: u64,
    /// Upgrades accepted since the start.
    pub upgrades: u64,
    /// Messages received, those without effect included.
    pub received: u64,
    /// Publishes carried out.
    pub published: u64,
    /// Messages queued for subscribers: a publish to ten counts ten.
    pub delivered: u64,
    /// Bytes of these messages, frame headers included.
    pub delivered_bytes: u64,
    /// Topics skipped in subscribes: no grant, too long or too many.
    pub topics_skipped: u64,
    /// Messages without effect, by cause.
    pub ignored: Vec<(Ignored, u64)>,
    /// Connections ended, by cause.
    pub endings: Vec<(Ending, u64)>,
    /// Upgrades refused, by cause.
    pub refusals: Vec<(RefusalCause, u64)>,
}

/// Counters that many threads add to.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) upgrades: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) topics_skipped: AtomicU64,
    ignored: [AtomicU64; Ignored::ALL.len()],
    endings: [AtomicU64; 3 + CloseReason::ALL.len()],
    refusals: [AtomicU64; RefusalCause::ALL.len()],
}

impl Counters {
    pub(crate) fn count_ignored(&self, why: Ignored) {
        count(
            &self.ignored,
            Ignored::ALL.iter().position(|known| *known == why),
        );
    }

    pub(crate) fn count_ending(&self, ending: Ending) {
        count(
            &self.endings,
            Ending::all().position(|known| known == ending),
        );
    }

    pub(crate) fn count_refusal(&self, cause: RefusalCause) {
        count(
            &self.refusals,
            RefusalCause::ALL.iter().position(|known| *known == cause),
        );
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        stats.upgrades = read(&self.upgrades);
        stats.received = read(&self.received);
        stats.topics_skipped = read(&self.topics_skipped);
        stats.ignored = Ignored::ALL
            .into_iter()
            .zip(self.ignored.iter().map(read))
            .collect();
        stats.endings = Ending::all().zip(self.endings.iter().map(read)).collect();
        stats.refusals = RefusalCause::ALL
            .into_iter()
            .zip(self.refusals.iter().map(read))
            .collect();
    }
}

fn count(counters: &[AtomicU64], index: Option<usize>) {
    if let Some(counter) = index.and_then(|index| counters.get(index)) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

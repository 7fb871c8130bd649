//! What a peer holds, and how it is counted.

use std::time::Duration;

use signal_core::Instant;

use super::{Life, State};
use crate::hub::batch::{Batch, Queued};
use crate::hub::memory::Account;
use crate::hub::queue::Holding;

/// What a frame's place in the queue costs, which is a part of what a frame does: twice the size of
/// a handle.
pub(crate) const PLACE_COST: usize = 2 * size_of::<Queued>();
/// What a topic costs beside its name: its places in the maps of topics and of the peer.
const TOPIC_COST: usize = 160;

impl State {
    /// Counts nothing that the peer holds from now on.
    pub(crate) fn write_off(&mut self, account: &Account) {
        if std::mem::replace(&mut self.life, Life::WrittenOff) < Life::WrittenOff {
            account.change(self.topic_bytes as usize, 0);
            self.count(account);
        }
    }

    /// What the peer holds of messages whose end is missing.
    pub(crate) fn input_bytes(&self) -> usize {
        let backlog = self.backlog.as_ref();
        backlog.map_or(0, |backlog| backlog.input_bytes())
    }

    /// See [`Outbound::hold_input`](crate::hub::queue::Outbound::hold_input).
    pub(crate) fn hold_input(
        &mut self,
        now: Instant,
        bytes: usize,
        patience: Option<Duration>,
        account: &Account,
    ) {
        self.backlog_mut().hold_input(now, bytes, patience);
        self.count(account);
    }

    pub(crate) fn hold_unflushed(&mut self, bytes: usize, account: &Account) {
        self.backlog_mut().unflushed_bytes = bytes;
        self.count(account);
    }

    pub(crate) fn hold_topic(&mut self, topic: &str, account: &Account) {
        let cost = topic_cost(topic);
        self.topic_bytes += cost;
        if self.life < Life::WrittenOff {
            account.change(0, cost as usize);
        }
    }

    pub(crate) fn drop_topic(&mut self, topic: &str, account: &Account) {
        let cost = topic_cost(topic);
        self.topic_bytes -= cost;
        if self.life < Life::WrittenOff {
            account.change(cost as usize, 0);
        }
    }

    /// Counts what came last, while the socket takes nothing.
    pub(crate) fn count_newest(&self, account: &Account) {
        let backlog = self.backlog.as_ref();
        let frame = backlog.and_then(|backlog| backlog.frames.back());
        for batch in frame.map(Queued::batch).into_iter().chain(&self.newest) {
            batch.count(account);
        }
    }

    /// Counts what the peer holds beside its topics. Of frames these are the places of those that
    /// stay: those that are written in a moment, as nearly all are, are not worth it.
    pub(crate) fn count(&mut self, account: &Account) {
        let places = self.places();
        let Some(backlog) = &mut self.backlog else {
            return;
        };
        let places = if backlog.is_blocked { places } else { 0 };
        let bytes = match self.life {
            Life::Open | Life::Closed => places * PLACE_COST + backlog.held_bytes(),
            Life::WrittenOff => 0,
        };
        if bytes != backlog.counted {
            account.change(backlog.counted, bytes);
            backlog.counted = bytes;
        }
        if backlog.is_blank() {
            self.backlog = None;
        }
    }

    /// See [`Outbound::holding`](crate::hub::queue::Outbound::holding).
    pub(crate) fn holding(&self, now: Instant) -> Holding {
        let mut holding = Holding::default();
        if self.life == Life::WrittenOff {
            return holding;
        }
        holding.kept = self.topic_bytes as usize;
        if let Some(backlog) = &self.backlog {
            let waits = if backlog.is_blocked { self.share() } else { 0 };
            *holding.part(backlog.is_input_late(now)) += backlog.input_bytes();
            *holding.part(backlog.behind.is_late(now)) += waits + backlog.unflushed_bytes;
        }
        holding
    }

    /// What falls to the peer of what waits for it.
    fn share(&self) -> usize {
        let backlog = self.backlog.iter().flat_map(|backlog| &backlog.frames);
        let batches = backlog.map(Queued::batch).chain(&self.newest);
        batches.map(Batch::share).sum::<usize>() + self.places() * PLACE_COST
    }
}

fn topic_cost(topic: &str) -> u32 {
    u32::try_from(topic.len() + TOPIC_COST).unwrap_or(u32::MAX)
}

//! What is sent at once.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use signal_tokio::Relay;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout_at};

use crate::webhook::event::Event;
use crate::webhook::inbox::{Inbox, Noted, Outlet};

/// A batch is sent when it has so many events, or so many bytes of names, or its first one is so
/// old.
const EVENTS_MAX: usize = 100;
const BYTES_MAX: usize = 128 * 1024;
const TIME_MAX: Duration = Duration::from_secs(1);
/// How often refusals are counted, which looks at every peer.
const REFUSALS_INTERVAL: Duration = Duration::from_secs(10);

/// Events, and how many are missing before them.
#[derive(Debug, Serialize)]
pub(super) struct Batch {
    pub(super) dropped: u64,
    pub(super) events: Vec<Noted>,
}

/// Gathers events to batches.
pub(super) struct Gathering {
    inbox: Inbox,
    events: Outlet,
    is_closing: watch::Receiver<bool>,
    /// Whose refusals are counted, if anyone wants to know.
    relay: Option<Relay>,
    refusals_ticks: Interval,
    refusals_seen: Vec<(&'static str, u64)>,
    /// What comes before the events of the queue.
    first: VecDeque<Noted>,
    /// Whether the last batch, without an event, was there.
    has_ended: bool,
}

impl Gathering {
    /// On a runtime with timers.
    pub(super) fn new(
        inbox: Inbox,
        events: Outlet,
        is_closing: watch::Receiver<bool>,
        relay: Option<Relay>,
    ) -> Self {
        Self {
            inbox,
            events,
            is_closing,
            relay,
            refusals_ticks: ticks(),
            refusals_seen: Vec::new(),
            first: VecDeque::new(),
            has_ended: false,
        }
    }

    /// Waits for the next batch; nothing at the end.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch {
            dropped: 0,
            events: Vec::new(),
        };
        let mut bytes = 0;
        let mut deadline = None;
        loop {
            let is_full = batch.events.len() >= EVENTS_MAX || bytes >= BYTES_MAX;
            if is_full {
                break;
            }
            let event = match deadline {
                // The rest of a batch.
                Some(deadline) => timeout_at(deadline, self.event()).await.ok().flatten(),
                None => self.event().await,
            };
            let Some(event) = event else { break };
            bytes += event.event.bytes();
            batch.events.push(event);
            deadline.get_or_insert_with(|| Instant::now() + TIME_MAX);
        }
        batch.dropped = self.inbox.take_lost();
        // Only at the end there is none without one, and there is one end.
        let is_empty = batch.events.is_empty();
        let has_ended = is_empty && std::mem::replace(&mut self.has_ended, true);
        (!is_empty || batch.dropped > 0 && !has_ended).then_some(batch)
    }

    /// Notes that a batch did not arrive.
    pub(super) fn lost(&self, batch: &Batch) {
        self.inbox.lose(batch.dropped + batch.events.len() as u64);
    }

    /// Waits for an event; there is none once the relay has ended and all are out.
    async fn event(&mut self) -> Option<Noted> {
        loop {
            if let Some(event) = self.first.pop_front() {
                return Some(event);
            }
            if *self.is_closing.borrow() {
                if let Some(noted) = self.events.try_recv() {
                    return Some(noted);
                }
                self.count_refusals();
                return self.first.pop_front();
            }
            tokio::select! {
                biased;
                changed = self.is_closing.changed() => changed.ok()?,
                noted = self.events.recv() => return Some(noted),
                _ = self.refusals_ticks.tick(), if self.relay.is_some() => self.count_refusals(),
            }
        }
    }

    fn count_refusals(&mut self) {
        let Some(relay) = &self.relay else { return };
        let refusals = relay.stats().refusals;
        let seen = std::mem::take(&mut self.refusals_seen);
        for (cause, count) in refusals {
            let cause = cause.name();
            let before = seen.iter().find(|(known, _)| *known == cause);
            let count_before = before.map_or(0, |(_, count)| *count);
            if count > count_before {
                let count = count - count_before;
                self.first
                    .push_back(Noted::now(Event::Refused { cause, count }));
            }
            self.refusals_seen.push((cause, count));
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(REFUSALS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

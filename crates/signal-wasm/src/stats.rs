use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use signal_access::{AuthResult, Refusal, RefusalCause};
use signal_core::{CloseReason, Ignored, Outcome};

use crate::json;

/// The types of messages, by the names of metrics; the last are those without effect.
pub(crate) const TYPES: [&str; 5] = ["subscribe", "unsubscribe", "publish", "ping", "other"];

/// What has happened, by the names of metrics.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) connects: u64,
    pub(crate) deliveries: u64,
    pub(crate) topics_skipped: u64,
    /// Connections that the relay has not closed.
    pub(crate) by_peer: u64,
    /// In the order of [`TYPES`].
    messages: [Traffic; TYPES.len()],
    ignored: Counts,
    holds: Counts,
    closes: Counts,
    refusals: Counts,
    auth: Counts,
}

/// How many, and how many bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

impl Stats {
    /// Counts a message of so many bytes; none for a frame that is not a message.
    pub(crate) fn outcome(&mut self, outcome: Outcome, bytes: Option<usize>) {
        let name = match outcome {
            Outcome::Subscribed { skipped, .. } => {
                self.topics_skipped = self.topics_skipped.saturating_add(skipped as u64);
                "subscribe"
            }
            Outcome::Unsubscribed { .. } => "unsubscribe",
            Outcome::Published { deliveries } => {
                self.deliveries = self.deliveries.saturating_add(deliveries as u64);
                "publish"
            }
            Outcome::Ponged => "ping",
            Outcome::Ignored(why) => {
                count(&mut self.ignored, why.name());
                "other"
            }
            Outcome::Held(reason) => {
                count(&mut self.holds, reason.name());
                "other"
            }
        };
        let traffic = TYPES.iter().zip(&mut self.messages);
        let traffic = traffic.filter(|(known, _)| **known == name);
        for ((_, traffic), bytes) in traffic.zip(bytes) {
            traffic.count = traffic.count.saturating_add(1);
            traffic.bytes = traffic.bytes.saturating_add(bytes as u64);
        }
    }

    pub(crate) fn close(&mut self, reason: CloseReason) {
        count(&mut self.closes, reason.name());
    }

    pub(crate) fn refusal(&mut self, refusal: &Refusal) {
        count(&mut self.refusals, refusal.cause().name());
    }

    pub(crate) fn auth(&mut self, result: AuthResult) {
        count(&mut self.auth, result.name());
    }

    pub(crate) fn messages(&self) -> [Traffic; TYPES.len()] {
        self.messages
    }

    pub(crate) fn ignored(&self, why: Ignored) -> u64 {
        counted(&self.ignored, why.name())
    }

    pub(crate) fn closes(&self, reason: CloseReason) -> u64 {
        counted(&self.closes, reason.name())
    }

    pub(crate) fn refusals(&self, cause: RefusalCause) -> u64 {
        counted(&self.refusals, cause.name())
    }

    pub(crate) fn auths(&self, result: AuthResult) -> u64 {
        counted(&self.auth, result.name())
    }

    pub(crate) fn members(&self) -> [(&'static str, String); 10] {
        let received = TYPES.iter().zip(&self.messages);
        let received = received.filter(|(_, traffic)| traffic.count > 0);
        let received = received.map(|(name, traffic)| (*name, traffic.count.to_string()));
        [
            ("connects", self.connects.to_string()),
            ("received", json::object(received)),
            ("ignored", counts(&self.ignored)),
            ("deliveries", self.deliveries.to_string()),
            ("topics_skipped", self.topics_skipped.to_string()),
            ("holds", counts(&self.holds)),
            ("closes", counts(&self.closes)),
            ("by_peer", self.by_peer.to_string()),
            ("refusals", counts(&self.refusals)),
            ("auth", counts(&self.auth)),
        ]
    }
}

/// How often each of a few names was seen, in the order in which they were first. A map would take
/// ten times the code.
#[derive(Debug, Default)]
struct Counts(Vec<(&'static str, u64)>);

fn count(counts: &mut Counts, name: &'static str) {
    match counts.0.iter_mut().find(|(known, _)| *known == name) {
        Some((_, count)) => *count = count.saturating_add(1),
        None => counts.0.push((name, 1)),
    }
}

fn counted(counts: &Counts, name: &str) -> u64 {
    let count = counts.0.iter().find(|(known, _)| *known == name);
    count.map_or(0, |(_, count)| *count)
}

fn counts(counts: &Counts) -> String {
    let counts = counts.0.iter();
    json::object(counts.map(|(name, count)| (*name, count.to_string())))
}

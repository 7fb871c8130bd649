use std::collections::BTreeMap;

use signal_access::{AuthResult, Refusal};
use signal_core::{CloseReason, Outcome};

use crate::json;

/// What has happened, by the names of metrics.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) connects: u64,
    received: BTreeMap<&'static str, u64>,
    deliveries: u64,
    holds: BTreeMap<&'static str, u64>,
    closes: BTreeMap<&'static str, u64>,
    refusals: BTreeMap<&'static str, u64>,
    auth: BTreeMap<&'static str, u64>,
}

impl Stats {
    pub(crate) fn outcome(&mut self, outcome: Outcome) {
        let name = match outcome {
            Outcome::Subscribed { .. } => "subscribe",
            Outcome::Unsubscribed { .. } => "unsubscribe",
            Outcome::Published { deliveries } => {
                self.deliveries = self.deliveries.saturating_add(deliveries as u64);
                "publish"
            }
            Outcome::Ponged => "ping",
            Outcome::Ignored(why) => why.name(),
            Outcome::Held(reason) => {
                count(&mut self.holds, reason.name());
                "held"
            }
        };
        count(&mut self.received, name);
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

    pub(crate) fn members(&self) -> [(&'static str, String); 7] {
        [
            ("connects", self.connects.to_string()),
            ("received", counts(&self.received)),
            ("deliveries", self.deliveries.to_string()),
            ("holds", counts(&self.holds)),
            ("closes", counts(&self.closes)),
            ("refusals", counts(&self.refusals)),
            ("auth", counts(&self.auth)),
        ]
    }
}

fn count(counts: &mut BTreeMap<&'static str, u64>, name: &'static str) {
    let count = counts.entry(name).or_default();
    *count = count.saturating_add(1);
}

fn counts(counts: &BTreeMap<&'static str, u64>) -> String {
    json::object(
        counts
            .iter()
            .map(|(name, count)| (*name, count.to_string())),
    )
}

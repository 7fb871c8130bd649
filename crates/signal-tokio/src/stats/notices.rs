//! What a relay says in its log of what its peers meet, however many they are.

use std::sync::atomic::{AtomicU64, Ordering};

use signal_core::{Instant, Limits};

/// How long a line is not said again, in milliseconds.
const PAUSE: u64 = 60_000;

/// When the line about each limit may be said again, in milliseconds and in the order of
/// [`Limits::ALL`]; the last is about `clients_max` of a token.
#[derive(Debug)]
pub(crate) struct Notices([AtomicU64; Limits::ALL.len() + 1]);

impl Notices {
    /// Says that a topic was skipped for a limit, at most once a minute for each limit.
    ///
    /// The peer gets no answer and its app only sees a room in which nobody is, so the line is what
    /// leads from there to the setting.
    pub(crate) fn topic_skipped(&self, now: Instant, limit: &'static str) {
        let place = Limits::ALL.iter().position(|known| known.name == limit);
        let Some(due) = self.0.get(place.unwrap_or(Limits::ALL.len())) else {
            return;
        };
        let now = now.as_millis();
        let next = |due| (due <= now).then_some(now.saturating_add(PAUSE));
        if due
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
        {
            let setting = place.map(|_| limit);
            let (limit, fix) = match setting {
                Some(setting) => (setting, "raise the setting"),
                None => ("the clients_max of its token or grant", "give a larger one"),
            };
            tracing::warn!(
                setting,
                "a subscribe was past {limit}: its peer is not in that room and gets nothing of \
                 it; {fix} if your app needs more"
            );
        }
    }
}

impl Default for Notices {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Limits::ALL.len() + 1])
    }
}

//! The times by which a connection must have moved.

use std::pin::Pin;
use std::task::Context;

use signal_core::Instant;
use tokio::time::Sleep;

use crate::config::Config;
use crate::hub::session::Session;
use crate::shared::Shared;

/// Sets a task's timer to its next deadline and arranges to be woken by it.
pub(crate) fn set_timer(
    cx: &mut Context<'_>,
    shared: &Shared,
    deadline: Instant,
    mut timer: Pin<&mut Sleep>,
) {
    let deadline = shared.runtime_instant(deadline);
    // A timer that is early does no harm, and setting it costs more than one wake-up in 30 s.
    if deadline < timer.deadline() || timer.is_elapsed() {
        timer.as_mut().reset(deadline);
    }
    if timer.poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}

/// A connection's own deadlines; with those of the core they share one timer.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    /// Since when the socket has taken nothing.
    stalled_since: Option<Instant>,
    /// When the close must be over.
    close_by: Option<Instant>,
}

impl Deadlines {
    /// Notes that something waits and the socket takes nothing.
    pub(crate) fn stalled(&mut self, now: Instant) {
        self.stalled_since.get_or_insert(now);
    }

    /// Notes that the socket has taken something.
    pub(crate) fn progressed(&mut self) {
        self.stalled_since = None;
    }

    /// Notes that the connection is being closed; true the first time.
    pub(crate) fn closing(&mut self, now: Instant, config: &Config) -> bool {
        let is_first = self.close_by.is_none();
        self.close_by
            .get_or_insert(now.saturating_add(config.close_timeout));
        is_first
    }

    /// Whether a deadline has passed: the connection is to be reset.
    pub(crate) fn are_over(&self, now: Instant, config: &Config) -> bool {
        [self.write_by(config), self.close_by]
            .into_iter()
            .flatten()
            .any(|by| by <= now)
    }

    /// The next deadline, the core's included.
    pub(crate) fn next(&self, session: &Session, config: &Config) -> Option<Instant> {
        let all = [session.poll_timeout(), self.write_by(config), self.close_by];
        all.into_iter().flatten().min()
    }

    fn write_by(&self, config: &Config) -> Option<Instant> {
        self.stalled_since
            .map(|since| since.saturating_add(config.write_deadline))
    }
}

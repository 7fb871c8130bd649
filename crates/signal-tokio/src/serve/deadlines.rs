//! The times by which a connection must have moved.

use std::pin::Pin;
use std::task::Context;

use signal_core::Instant;
use tokio::time::Sleep;

use crate::hub::session::{Session, Stage};
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

    /// Whether a deadline has passed: the connection is to be reset.
    pub(crate) fn are_over(&self, now: Instant, session: &Session) -> bool {
        [self.write_by(session), self.close_by]
            .into_iter()
            .flatten()
            .any(|by| by <= now)
    }

    /// The next deadline, the core's included.
    pub(crate) fn next(&mut self, now: Instant, session: &Session) -> Option<Instant> {
        if session.stage() == Stage::Closing {
            let close_timeout = session.shared().config.close_timeout;
            self.close_by
                .get_or_insert(now.saturating_add(close_timeout));
        }
        let all = [
            session.poll_timeout(),
            self.write_by(session),
            self.close_by,
        ];
        all.into_iter().flatten().min()
    }

    fn write_by(&self, session: &Session) -> Option<Instant> {
        let write_deadline = session.shared().config.write_deadline;
        self.stalled_since
            .map(|since| since.saturating_add(write_deadline))
    }
}

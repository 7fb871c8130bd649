//! The times by which a connection must have moved.

use std::pin::Pin;
use std::task::Context;

use signal_core::Instant;
use tokio::time::Sleep;

use crate::clock::Clock;
use crate::config::Config;
use crate::hub::session::Session;

/// Sets a task's timer to its next deadline and arranges to be woken by it.
pub(crate) fn set_timer(
    cx: &mut Context<'_>,
    clock: Clock,
    deadline: Instant,
    mut timer: Pin<&mut Sleep>,
) {
    let deadline = clock.runtime_instant(deadline);
    // A timer that is early does no harm, and setting it costs more than one wake-up in 30 s.
    if deadline < timer.deadline() || timer.is_elapsed() {
        timer.as_mut().reset(deadline);
    }
    if timer.poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}

/// Later than any deadline there is.
pub(crate) const NEVER: Instant = Instant::from_millis(u64::MAX);

/// A connection's own deadlines; with those of the core they share one timer.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// When the socket must have taken something.
    write_by: Instant,
    /// When no more may wait than the limit.
    shrink_by: Instant,
    /// When the close must be over.
    close_by: Instant,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            write_by: NEVER,
            shrink_by: NEVER,
            close_by: NEVER,
        }
    }
}

impl Deadlines {
    /// Notes that something waits and the socket takes nothing.
    pub(crate) fn stalled(&mut self, now: Instant, config: &Config) {
        if self.write_by == NEVER {
            self.write_by = now.saturating_add(config.write_deadline);
        }
    }

    /// Notes that the socket has taken something; true if it had taken nothing before.
    pub(crate) fn progressed(&mut self) -> bool {
        std::mem::replace(&mut self.write_by, NEVER) != NEVER
    }

    /// Notes whether more waits than may, after the socket was tried. True if that has been so for
    /// too long.
    pub(crate) fn is_slow(&mut self, now: Instant, is_over: bool, config: &Config) -> bool {
        if !is_over {
            self.shrink_by = NEVER;
        } else if self.shrink_by == NEVER {
            self.shrink_by = now.saturating_add(config.outbound_grace);
        }
        self.must_shrink(now)
    }

    /// Whether the socket is to be tried once more, and then judged.
    pub(crate) fn must_shrink(&self, now: Instant) -> bool {
        self.shrink_by <= now
    }

    /// Notes that the connection is being closed; true the first time.
    pub(crate) fn closing(&mut self, now: Instant, config: &Config) -> bool {
        let is_first = self.close_by == NEVER;
        if is_first {
            self.close_by = now.saturating_add(config.close_timeout);
        }
        is_first
    }

    /// Whether one has passed: the connection is to be reset.
    pub(crate) fn are_over(&self, now: Instant) -> bool {
        self.write_by <= now || self.close_by <= now
    }

    /// The next one, the core's included.
    pub(crate) fn next(&self, session: &Session) -> Option<Instant> {
        let own = self.write_by.min(self.shrink_by).min(self.close_by);
        let next = session.poll_timeout().map_or(own, |core| core.min(own));
        (next != NEVER).then_some(next)
    }
}

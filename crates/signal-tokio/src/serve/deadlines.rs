//! The times by which a connection must have moved.

use std::pin::Pin;
use std::task::Context;

use signal_backpressure::Pace;
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

/// A connection's own deadlines; with those of the core they share one timer. Nearly always there
/// are none, and then they take no room.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(Option<Box<Set>>);

#[derive(Debug)]
struct Set {
    /// When the socket must have taken something.
    write_by: Instant,
    /// By when no more may wait than the limit, while more does.
    pace: Option<Pace>,
    /// When the close must be over.
    close_by: Instant,
    /// How much more of what the peer sends meanwhile is read and thrown away.
    discards_left: usize,
}

impl Default for Set {
    fn default() -> Self {
        Self {
            write_by: NEVER,
            pace: None,
            close_by: NEVER,
            discards_left: 0,
        }
    }
}

impl Set {
    fn first(&self) -> Instant {
        let shrink_by = self.pace.map_or(NEVER, |pace| pace.late_at());
        self.write_by.min(shrink_by).min(self.close_by)
    }
}

impl Deadlines {
    /// Notes that something waits and the socket takes nothing.
    pub(crate) fn stalled(&mut self, now: Instant, config: &Config) {
        let set = self.0.get_or_insert_default();
        if set.write_by == NEVER {
            set.write_by = now.saturating_add(config.write_deadline);
        }
    }

    /// Notes that the socket has taken something; true if it had taken nothing before.
    pub(crate) fn progressed(&mut self) -> bool {
        let Some(set) = &mut self.0 else {
            return false;
        };
        let was_there = std::mem::replace(&mut set.write_by, NEVER) != NEVER;
        self.forget_if_over();
        was_there
    }

    /// Notes that the socket has taken some of what waits. If that is more than may, the peer earns
    /// time by it: see [`Pace`].
    pub(crate) fn taken(
        &mut self,
        now: Instant,
        bytes: usize,
        waiting: impl FnOnce() -> usize,
        config: &Config,
    ) {
        let pace = self.0.as_mut().and_then(|set| set.pace.as_mut());
        if let Some(pace) = pace {
            pace.earn(now, config.outbound_grace, bytes as u64, waiting() as u64);
        }
    }

    /// Notes whether more waits than may, after the socket was tried. True if that has been so for
    /// longer than what was taken meanwhile allows.
    pub(crate) fn is_slow(&mut self, now: Instant, is_over: bool, config: &Config) -> bool {
        if !is_over {
            if let Some(set) = &mut self.0 {
                set.pace = None;
            }
            self.forget_if_over();
            return false;
        }
        let set = self.0.get_or_insert_default();
        set.pace
            .get_or_insert_with(|| Pace::new(now, config.outbound_grace));
        self.must_shrink(now)
    }

    /// Whether the socket is to be tried once more, and then judged.
    pub(crate) fn must_shrink(&self, now: Instant) -> bool {
        let pace = self.0.as_ref().and_then(|set| set.pace);
        pace.is_some_and(|pace| pace.is_late(now))
    }

    /// Notes that the connection is being closed; true the first time.
    pub(crate) fn closing(&mut self, now: Instant, config: &Config) -> bool {
        let set = self.0.get_or_insert_default();
        let is_first = set.close_by == NEVER;
        if is_first {
            set.close_by = now.saturating_add(config.close_timeout);
            // What may be on its way from a peer that keeps to its budget.
            set.discards_left = config.core.bytes_burst as usize;
        }
        is_first
    }

    /// Whether what comes while the connection is being closed is still read and thrown away.
    pub(crate) fn may_discard(&self) -> bool {
        self.0.as_ref().is_some_and(|set| set.discards_left > 0)
    }

    /// Notes what was thrown away, or what else cost as much.
    pub(crate) fn discarded(&mut self, bytes: usize) {
        if let Some(set) = &mut self.0 {
            set.discards_left = set.discards_left.saturating_sub(bytes);
        }
    }

    /// Whether one has passed: the connection is to be reset.
    pub(crate) fn are_over(&self, now: Instant) -> bool {
        let set = self.0.as_ref();
        set.is_some_and(|set| set.write_by <= now || set.close_by <= now)
    }

    /// The next one, the core's included.
    pub(crate) fn next(&self, session: &Session) -> Option<Instant> {
        let own = self.0.as_ref().map_or(NEVER, |set| set.first());
        let next = session.poll_timeout().map_or(own, |core| core.min(own));
        (next != NEVER).then_some(next)
    }

    /// Gives back the room of deadlines that there are none of.
    fn forget_if_over(&mut self) {
        if self.0.as_ref().is_some_and(|set| set.first() == NEVER) {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the rule of `Pace`, which has tests of its own.
    #[test]
    fn a_peer_is_slow_if_too_much_waits_longer_than_what_it_takes_earns() {
        let config = Config::default();
        let mut deadlines = Deadlines::default();
        let at = Instant::from_millis;
        deadlines.taken(at(0), 1 << 20, || 1 << 20, &config);
        assert!(!deadlines.is_slow(at(0), true, &config));
        assert!(!deadlines.must_shrink(at(999)) && deadlines.must_shrink(at(1_000)));
        deadlines.taken(at(900), 8 << 20, || 16 << 20, &config);
        assert!(!deadlines.is_slow(at(1_899), true, &config));
        assert!(deadlines.is_slow(at(1_900), true, &config));
        assert!(!deadlines.is_slow(at(1_900), false, &config));
        assert!(deadlines.0.is_none(), "no more waits than may");
        assert!(
            !deadlines.is_slow(at(1_901), true, &config),
            "it begins anew"
        );
    }
}

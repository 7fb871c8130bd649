use core::time::Duration;

use signal_core::Instant;

use crate::door::budget::{Budget, MINUTE};
use crate::door::crowd::{Crowd, Period};
use crate::door::judging::Judging;
use crate::door::refusal::Refused;
use crate::door::refusal_cause::RefusalCause;

/// After how long an address with all its connections may try again: about as long as a connection
/// that was lost without a word still counts.
const PEERS_RETRY: Duration = Duration::from_secs(30);

/// What one address, or one site, may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    pub(crate) peers_max: u32,
    pub(crate) connects_per_minute: u32,
    /// How many offences a minute are borne, and how long is refused past it; a site is not.
    pub(crate) offences: Option<(u32, Duration)>,
    pub(crate) peers_cause: RefusalCause,
    pub(crate) connects_cause: RefusalCause,
}

/// What is remembered of one address, or one site.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    crowd: Crowd,
    connects: Budget,
    /// Upgrades that were refused for their token or origin: these are not connects.
    denials: Budget,
    /// Connections that ended in an offence: these are not connects either.
    spoilt: Budget,
    offences: Budget,
    refused_until: Instant,
    /// Until when a connection counts that has ended without an offence.
    behaved_until: Instant,
}

impl Account {
    /// Whether one more may come in.
    pub(crate) fn judge(&self, now: Instant, caps: &Caps, judging: Judging) -> Result<(), Refused> {
        let behaves_somebody = self.behaving(now) > 0;
        let refused_for = self.refused_until.saturating_since(now);
        if !refused_for.is_zero() && !behaves_somebody {
            return refuse(RefusalCause::ClosedBefore, refused_for);
        }
        if self.crowd.count() >= caps.peers_max {
            return refuse(caps.peers_cause, PEERS_RETRY);
        }
        let wait = self.connects.wait(now, caps.connects_per_minute);
        if !wait.is_zero() {
            return refuse(caps.connects_cause, wait);
        }
        match judging {
            // Whatever others show, a good token is not to wait for it.
            Judging::Cheap => Ok(()),
            Judging::Costly => self.judge_denied(now, caps, judging),
        }
    }

    /// Whether one more may be refused for its token or origin, and told so.
    pub(crate) fn judge_denied(
        &self,
        now: Instant,
        caps: &Caps,
        judging: Judging,
    ) -> Result<(), Refused> {
        let wait = self.denials.wait(now, self.apart_per_minute(now, caps));
        let is_borne = judging == Judging::Cheap && self.behaving(now) > 0;
        if wait.is_zero() || is_borne {
            return Ok(());
        }
        refuse(RefusalCause::DeniedBefore, wait)
    }

    /// Counts one in that [`judge`](Self::judge) has let pass.
    pub(crate) fn enter(&mut self, now: Instant, period: Period, caps: &Caps) {
        self.connects.take(now, caps.connects_per_minute);
        self.crowd.enter(now, period);
    }

    /// Counts one in that was here before this account was made.
    pub(crate) fn recall(&mut self, now: Instant, period: Period) {
        self.crowd.enter(now, period);
    }

    /// Counts one out whose token or origin was not good: that was not a connect.
    pub(crate) fn leave_denied(&mut self, now: Instant, period: Period, caps: &Caps) {
        self.crowd.leave(now, period, false);
        self.connects.give_back(caps.connects_per_minute);
        let per_minute = self.apart_per_minute(now, caps);
        self.denials.take(now, per_minute);
    }

    /// Counts one out that is closed for what it did: a connect only if there are too many such.
    pub(crate) fn leave_offended(&mut self, now: Instant, period: Period, caps: &Caps) {
        self.crowd.leave(now, period, true);
        let per_minute = self.apart_per_minute(now, caps);
        if self.spoilt.take(now, per_minute) {
            self.connects.give_back(caps.connects_per_minute);
        }
    }

    /// Counts one out on which nothing was said: that was not a connect.
    pub(crate) fn leave_silent(&mut self, now: Instant, period: Period, caps: &Caps) {
        self.leave_well(now, period);
        self.connects.give_back(caps.connects_per_minute);
    }

    /// Counts one out whose first bytes were an offence: that was not a connect either.
    pub(crate) fn leave_garbled(&mut self, now: Instant, period: Period, caps: &Caps) {
        self.crowd.leave(now, period, true);
        self.connects.give_back(caps.connects_per_minute);
    }

    /// Counts an offence, and keeps the address away if it is one too many and nobody behind it
    /// behaves.
    pub(crate) fn offend(&mut self, now: Instant, period: Period, caps: &Caps) {
        self.crowd.offend(now, period);
        let Some((per_minute, refuse_for)) = caps.offences else {
            return;
        };
        let is_within = self.offences.take(now, per_minute);
        if !is_within && self.behaving(now) == 0 {
            self.refused_until = now.saturating_add(refuse_for);
        }
    }

    /// Counts one out whose connection has ended without an offence.
    pub(crate) fn leave_well(&mut self, now: Instant, period: Period) {
        self.crowd.leave(now, period, false);
        self.behaved_until = now.saturating_add(MINUTE);
    }

    /// Counts one out of which nothing else is to be noted.
    pub(crate) fn leave(&mut self, now: Instant, period: Period) {
        self.crowd.leave(now, period, false);
    }

    /// Until when there is something that would be harmful to forget; none while somebody is here.
    pub(crate) fn owes_until(&self) -> Option<Instant> {
        let budgets = [self.connects, self.denials, self.spoilt, self.offences];
        let latest = budgets.into_iter().map(Budget::full_at).max()?;
        (self.crowd.count() == 0).then_some(latest.max(self.refused_until))
    }

    /// Whether nothing is lost with it.
    pub(crate) fn is_blank(&self, now: Instant) -> bool {
        self.owes_until().is_some_and(|until| until <= now) && self.behaved_until <= now
    }

    /// How many behave: those who are connected, and one for those who have just left.
    fn behaving(&self, now: Instant) -> u32 {
        let left = u32::from(self.behaved_until > now);
        self.crowd.settled(now).saturating_add(left)
    }

    /// As many refused tokens as connects, and as many again for each who behaves: the tokens of
    /// one are not to keep out the others. And as many connections that end in an offence.
    fn apart_per_minute(&self, now: Instant, caps: &Caps) -> u32 {
        let shares = self.behaving(now).saturating_add(1);
        caps.connects_per_minute.saturating_mul(shares)
    }
}

fn refuse(cause: RefusalCause, retry_after: Duration) -> Result<(), Refused> {
    Err(Refused { cause, retry_after })
}

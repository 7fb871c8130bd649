use signal_core::Instant;

use crate::address::AddressKey;
use crate::door::account::{Account, Caps};
use crate::door::crowd::Period;
use crate::door::judging::Judging;
use crate::door::limits::AddressLimits;
use crate::door::refusal::Refused;
use crate::door::refusal_cause::RefusalCause;
use crate::door::table::{Scope, Table};

/// Who has come from where, and how they behaved.
///
/// An address is not a person: behind it may be a school. So one client's offences do not shut out
/// the others. An address is refused only after repeated ones, and only while nobody behind it
/// behaves: a peer that is connected for ten to twenty seconds without one, or a connection that
/// ended without one within the last minute.
///
/// Nor does one client use up the connects of the others by connections that come to nothing. Those
/// whose token is refused do not count as connects: there may be as many of them, and as many again
/// for each who behaves. Past it they are told to wait, and nobody else is if they are cheap to
/// judge. Those that end in an offence do not count up to the same number. And those on which
/// nothing was said, if the host knows ([`Visit::set_silent`]), do not count at all, as they cost
/// no more than a refusal.
///
/// The table is bounded by what may be connected at once and `idle_max` more; an address of which
/// something is owed is forgotten only for one that owes more. There is no I/O, no clock and no
/// lock in it.
///
/// ```
/// use signal_access::{AddressKey, AddressLimits, Addresses, Judging, RefusalCause};
/// use signal_core::Instant;
///
/// let mut limits = AddressLimits::default();
/// limits.peers_per_ip_max = 1;
/// let mut addresses = Addresses::new(limits, 1_000);
/// let (now, home) = (Instant::ZERO, AddressKey::new([203, 0, 113, 7].into()));
///
/// let visit = addresses.enter(now, home, Judging::Cheap);
/// let mut visit = visit.map_err(|refused| refused.cause)?;
/// visit.admit();
/// let refused = addresses.enter(now, home, Judging::Cheap).expect_err("one is there");
/// assert_eq!(refused.cause, RefusalCause::PeersPerIp);
/// addresses.leave(now, visit);
/// # Ok::<(), RefusalCause>(())
/// ```
#[derive(Debug)]
pub struct Addresses {
    limits: AddressLimits,
    accounts: Table,
}

/// One connection, or one that may become it, as [`Addresses`] counts it. It has to be handed back
/// once.
#[derive(Debug, Eq, PartialEq)]
#[must_use = "it counts until it is handed back"]
pub struct Visit {
    key: AddressKey,
    conduct: Conduct,
    period: Period,
    judging: Judging,
    is_silent: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Conduct {
    /// It is being judged still, or was refused for another reason than the next.
    Unknown,
    Denied,
    Good,
    Offended,
}

impl Addresses {
    /// A book that remembers `idle_max` addresses and sites of which nobody is connected.
    pub const fn new(limits: AddressLimits, idle_max: usize) -> Self {
        Self {
            limits,
            accounts: Table::new(idle_max),
        }
    }

    /// Counts a connection in, which is judged next.
    ///
    /// # Errors
    ///
    /// Why its address may not have one more, and from when on it may.
    pub fn enter(
        &mut self,
        now: Instant,
        key: AddressKey,
        judging: Judging,
    ) -> Result<Visit, Refused> {
        for scope in scopes(key) {
            let account = self.accounts.get(scope);
            account.judge(now, &caps(&self.limits, scope), judging)?;
        }
        let visit = Visit {
            key,
            conduct: Conduct::Unknown,
            period: Period::of(now),
            judging,
            is_silent: false,
        };
        self.update(now, &visit, |account, caps| {
            account.enter(now, visit.period, caps);
        });
        Ok(visit)
    }

    /// Counts a connection in that was there before this book was made: after a sleep. It counts
    /// as one that behaves.
    pub fn recall(&mut self, now: Instant, key: AddressKey) -> Visit {
        let visit = Visit {
            key,
            conduct: Conduct::Good,
            period: Period::long_before(now),
            judging: Judging::Costly,
            is_silent: false,
        };
        self.update(now, &visit, |account, _| account.recall(now, visit.period));
        visit
    }

    /// Counts a connection out, by how it went.
    pub fn leave(&mut self, now: Instant, visit: Visit) {
        let period = visit.period;
        // A costly judge is not to be flooded by silence.
        let is_free = visit.is_silent && visit.judging == Judging::Cheap;
        self.update(now, &visit, |account, caps| match visit.conduct {
            Conduct::Unknown => account.leave(now, period),
            Conduct::Denied => account.leave_denied(now, period, caps),
            Conduct::Good if is_free => account.leave_silent(now, period, caps),
            Conduct::Good => account.leave_well(now, period),
            Conduct::Offended if is_free => account.leave_garbled(now, period, caps),
            Conduct::Offended => account.leave_offended(now, period, caps),
        });
    }

    /// Notes that a client is refused for its token or its origin: it counts as one of these, not
    /// as a connect.
    ///
    /// # Errors
    ///
    /// If there were too many of them from its address: it is told that instead, and from when on
    /// it may try again.
    pub fn deny(&mut self, now: Instant, visit: &mut Visit) -> Result<(), Refused> {
        if visit.conduct != Conduct::Unknown {
            return Ok(());
        }
        visit.conduct = Conduct::Denied;
        if visit.judging == Judging::Costly {
            // That was looked at before anybody was asked.
            return Ok(());
        }
        for scope in scopes(visit.key) {
            let account = self.accounts.get(scope);
            account.judge_denied(now, &caps(&self.limits, scope), visit.judging)?;
        }
        Ok(())
    }

    /// Notes that a peer is closed for what it did, once for each. Its address is refused for a
    /// while if that happens too often and nobody behind it behaves.
    pub fn offend(&mut self, now: Instant, visit: &mut Visit) {
        if visit.conduct == Conduct::Offended {
            return;
        }
        visit.conduct = Conduct::Offended;
        self.update(now, visit, |account, caps| {
            account.offend(now, visit.period, caps);
        });
    }

    /// Changes each account that a visit counts in.
    fn update(&mut self, now: Instant, visit: &Visit, change: impl Fn(&mut Account, &Caps)) {
        for scope in scopes(visit.key) {
            let caps = caps(&self.limits, scope);
            self.accounts
                .update(now, scope, |account| change(account, &caps));
        }
    }
}

impl Visit {
    /// Notes that the client is let in: its connection counts as a good one from now on.
    pub fn admit(&mut self) {
        if self.conduct == Conduct::Unknown {
            self.conduct = Conduct::Good;
        }
    }

    /// Notes whether nothing has been said on its connection yet. One that ends so is not a
    /// connect.
    pub fn set_silent(&mut self, is_silent: bool) {
        self.is_silent = is_silent;
    }
}

/// What one account of these limits may have.
fn caps(limits: &AddressLimits, scope: Scope) -> Caps {
    match scope {
        Scope::Address(_) => Caps {
            peers_max: limits.peers_per_ip_max,
            connects_per_minute: limits.connects_per_minute_per_ip,
            offences: Some((limits.offences_per_minute_per_ip, limits.refuse_after_close)),
            peers_cause: RefusalCause::PeersPerIp,
            connects_cause: RefusalCause::ConnectRate,
        },
        Scope::Site(_) => Caps {
            peers_max: limits.peers_per_site_max,
            connects_per_minute: limits.connects_per_minute_per_site,
            offences: None,
            peers_cause: RefusalCause::PeersPerSite,
            connects_cause: RefusalCause::SiteConnectRate,
        },
    }
}

/// The accounts that a connection counts in. An address that stands for very many has none of its
/// own; they share what a site may have.
fn scopes(key: AddressKey) -> impl Iterator<Item = Scope> {
    let own = (!key.is_shared()).then_some(Scope::Address(key));
    own.into_iter().chain(key.site().map(Scope::Site))
}

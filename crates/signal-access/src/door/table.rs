use alloc::collections::{BTreeMap, BTreeSet};

use signal_core::Instant;

use crate::address::AddressKey;
use crate::door::account::Account;

/// What an account is of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Scope {
    Address(AddressKey),
    /// By its first network.
    Site(AddressKey),
}

/// Accounts.
///
/// One of which somebody is connected stays, so that there are at most as many of these as
/// connections. Of the others there are at most `idle_max`: past it, the one goes that owes least.
/// To have another's account forgotten takes `idle_max` addresses that owe more for longer.
#[derive(Debug)]
pub(crate) struct Table {
    accounts: BTreeMap<Scope, Account>,
    /// Those with nobody connected, by until when they owe something.
    idle: BTreeSet<(Instant, Scope)>,
    idle_max: usize,
}

impl Table {
    pub(crate) const fn new(idle_max: usize) -> Self {
        Self {
            accounts: BTreeMap::new(),
            idle: BTreeSet::new(),
            idle_max,
        }
    }

    /// An account, as it is or would begin.
    pub(crate) fn get(&self, scope: Scope) -> Account {
        self.accounts.get(&scope).copied().unwrap_or_default()
    }

    /// Changes an account.
    pub(crate) fn update(&mut self, now: Instant, scope: Scope, change: impl FnOnce(&mut Account)) {
        let account = self.accounts.entry(scope).or_default();
        if let Some(until) = account.owes_until() {
            self.idle.remove(&(until, scope));
        }
        change(account);
        if let Some(until) = account.owes_until() {
            self.idle.insert((until, scope));
        }
        self.forget(now);
    }

    fn forget(&mut self, now: Instant) {
        while let Some((_, scope)) = self.idle.first() {
            let is_blank = self.get(*scope).is_blank(now);
            if !is_blank && self.idle.len() <= self.idle_max {
                return;
            }
            if let Some((_, scope)) = self.idle.pop_first() {
                self.accounts.remove(&scope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::Ipv4Addr;

    use super::*;
    use crate::door::account::Caps;
    use crate::door::crowd::Period;
    use crate::door::refusal_cause::RefusalCause;

    const CAPS: Caps = Caps {
        peers_max: 100,
        connects_per_minute: 60,
        offences: None,
        peers_cause: RefusalCause::PeersPerIp,
        connects_cause: RefusalCause::ConnectRate,
    };

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    fn scope(number: u32) -> Scope {
        Scope::Address(AddressKey::new(Ipv4Addr::from(number).into()))
    }

    fn enter(table: &mut Table, now: Instant, number: u32) {
        table.update(now, scope(number), |account| {
            account.enter(now, Period::of(now), &CAPS)
        });
    }

    fn leave(table: &mut Table, now: Instant, number: u32) {
        table.update(now, scope(number), |account| {
            account.leave(now, Period::of(now));
        });
    }

    #[test]
    fn addresses_that_owe_nothing_are_forgotten() {
        let mut table = Table::new(100);
        for key in 0..50 {
            enter(&mut table, at(1), key);
            leave(&mut table, at(1), key);
        }
        assert_eq!((table.accounts.len(), table.idle.len()), (50, 50));
        enter(&mut table, at(3), 99);
        assert_eq!((table.accounts.len(), table.idle.len()), (1, 0));
    }

    #[test]
    fn connected_addresses_stay_and_of_the_others_those_that_owe_most() {
        let mut table = Table::new(2);
        for key in 0..20 {
            enter(&mut table, at(1), key);
        }
        for (key, connects) in [(20, 5), (21, 2), (22, 9), (23, 1)] {
            for _ in 0..connects {
                enter(&mut table, at(1), key);
            }
            for _ in 0..connects {
                leave(&mut table, at(1), key);
            }
        }
        let known: Vec<Scope> = table.accounts.into_keys().collect();
        let expected: Vec<Scope> = (0..21).chain([22]).map(scope).collect();
        assert_eq!(known, expected);
    }

    #[test]
    fn an_account_of_nobody_that_nothing_happened_to_is_not_kept() {
        let mut table = Table::new(2);
        table.update(at(1), scope(7), |_| {});
        assert!(table.accounts.is_empty() && table.idle.is_empty());
    }
}

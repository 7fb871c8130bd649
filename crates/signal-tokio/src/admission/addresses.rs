//! Who may come in: capacity, and what each address may take of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use signal_access::{AddressKey, Refusal, RefusalCause, Refused};
use signal_core::Instant;

use crate::config::Config;
use crate::lock::Lock;

/// The most addresses remembered. Past it, new addresses are held to `peers_max` alone: refusing
/// them instead would let an attacker with many addresses shut everybody out.
const ADDRESSES_MAX: usize = 65_536;
/// How often a full table is searched for addresses to forget.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Counts peers, all and by address.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    peers: AtomicUsize,
    addresses: Lock<Addresses>,
    has_warned: AtomicBool,
}

#[derive(Debug, Default)]
struct Addresses {
    visitors: HashMap<AddressKey, Visitor>,
    swept_at: Instant,
}

/// What is remembered of one address.
#[derive(Debug, Default)]
struct Visitor {
    peers: usize,
    /// The connect budget as a GCRA bucket: when it will be full again.
    budget_full_at: Instant,
    refused_until: Instant,
}

impl Gate {
    /// Counts a peer in. Each success must be matched by one [`leave`](Self::leave) with the key it
    /// returned.
    pub(crate) fn enter(
        &self,
        now: Instant,
        ip: Option<IpAddr>,
        config: &Config,
    ) -> Result<Option<AddressKey>, Refusal> {
        let has_room = |peers| (peers < config.peers_max).then_some(peers + 1);
        if self
            .peers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, has_room)
            .is_err()
        {
            return Err(Refusal::because(RefusalCause::PeersMax, fastrand::u64(..)));
        }
        let key = self.limited_key(ip, config);
        let Some(key) = key else { return Ok(None) };
        let entered = self.addresses.lock().enter(now, key, config);
        entered.map_err(|refused| {
            self.peers.fetch_sub(1, Ordering::Relaxed);
            refused.into()
        })
    }

    /// Counts a peer out.
    pub(crate) fn leave(&self, key: Option<AddressKey>) {
        self.peers.fetch_sub(1, Ordering::Relaxed);
        if let Some(key) = key {
            if let Some(visitor) = self.addresses.lock().visitors.get_mut(&key) {
                visitor.peers = visitor.peers.saturating_sub(1);
            }
        }
    }

    /// Refuses an address for a while, because of what its peer did.
    pub(crate) fn refuse(&self, now: Instant, key: Option<AddressKey>, config: &Config) {
        let Some(key) = key else { return };
        if let Some(visitor) = self.addresses.lock().visitors.get_mut(&key) {
            visitor.refused_until = now.saturating_add(config.refuse_after_close);
        }
    }

    pub(crate) fn peers(&self) -> usize {
        self.peers.load(Ordering::Relaxed)
    }

    /// The key of an address that is held to the per-address limits.
    fn limited_key(&self, ip: Option<IpAddr>, config: &Config) -> Option<AddressKey> {
        let key = AddressKey::new(ip?);
        if config.limit_private_ips || !key.is_private() {
            return Some(key);
        }
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::info!(
                address = %key,
                "loopback and private addresses are not held to the limits per address; if this one is a proxy's, name it in \
                 trusted_proxies, and its clients are; or set limit_private_ips"
            );
        }
        None
    }
}

impl Addresses {
    fn enter(
        &mut self,
        now: Instant,
        key: AddressKey,
        config: &Config,
    ) -> Result<Option<AddressKey>, Refused> {
        if !self.visitors.contains_key(&key) && !self.has_room(now) {
            return Ok(None);
        }
        let visitor = self.visitors.entry(key).or_default();
        let refused_for = visitor.refused_until.saturating_since(now);
        if !refused_for.is_zero() {
            return Err(Refused {
                cause: RefusalCause::ClosedBefore,
                retry_after: refused_for,
            });
        }
        if visitor.peers >= config.peers_per_ip_max {
            return Err(Refused {
                cause: RefusalCause::PeersPerIp,
                retry_after: Duration::from_secs(30),
            });
        }
        let interval = MINUTE / config.connects_per_minute_per_ip.max(1);
        let full_at = visitor.budget_full_at.max(now).saturating_add(interval);
        let debt = full_at.saturating_since(now).saturating_sub(MINUTE);
        if !debt.is_zero() {
            return Err(Refused {
                cause: RefusalCause::ConnectRate,
                retry_after: debt,
            });
        }
        visitor.budget_full_at = full_at;
        visitor.peers += 1;
        Ok(Some(key))
    }

    /// Whether one more address can be remembered, after forgetting those of which nothing needs to
    /// be known.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.visitors.len() >= ADDRESSES_MAX
            && now.saturating_since(self.swept_at) >= SWEEP_INTERVAL
        {
            self.swept_at = now;
            self.visitors.retain(|_, visitor| {
                visitor.peers > 0 || visitor.budget_full_at > now || visitor.refused_until > now
            });
        }
        self.visitors.len() < ADDRESSES_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    fn cause(result: Result<Option<AddressKey>, Refusal>) -> Option<RefusalCause> {
        result.err().map(|refusal| refusal.cause())
    }

    #[test]
    fn an_address_has_a_limit_of_its_own() {
        let config = Config {
            peers_per_ip_max: 2,
            ..Config::default()
        };
        let gate = Gate::default();
        let key = gate.enter(at(0), ip("203.0.113.7"), &config).expect("room");
        assert_eq!(cause(gate.enter(at(0), ip("203.0.113.7"), &config)), None);
        assert_eq!(
            cause(gate.enter(at(0), ip("::ffff:203.0.113.7"), &config)),
            Some(RefusalCause::PeersPerIp)
        );
        assert_eq!(cause(gate.enter(at(0), ip("203.0.113.8"), &config)), None);
        gate.leave(key);
        assert_eq!(cause(gate.enter(at(0), ip("203.0.113.7"), &config)), None);
        assert_eq!(gate.peers(), 3);
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address() {
        let config = Config {
            peers_per_ip_max: 1,
            ..Config::default()
        };
        let gate = Gate::default();
        assert_eq!(
            cause(gate.enter(at(0), ip("2001:db8:1:2::1"), &config)),
            None
        );
        assert_eq!(
            cause(gate.enter(at(0), ip("2001:db8:1:2:ffff::9"), &config)),
            Some(RefusalCause::PeersPerIp)
        );
        assert_eq!(
            cause(gate.enter(at(0), ip("2001:db8:1:3::1"), &config)),
            None
        );
    }

    #[test]
    fn connects_past_the_rate_are_told_when_to_come_back() {
        let config = Config {
            connects_per_minute_per_ip: 6,
            ..Config::default()
        };
        let gate = Gate::default();
        for _ in 0..6 {
            let key = gate
                .enter(at(0), ip("203.0.113.7"), &config)
                .expect("budget");
            gate.leave(key);
        }
        let refused = gate
            .enter(at(0), ip("203.0.113.7"), &config)
            .expect_err("the budget is used up");
        assert_eq!(
            refused,
            Refusal::from(Refused {
                cause: RefusalCause::ConnectRate,
                retry_after: Duration::from_secs(10)
            })
        );
        assert_eq!(cause(gate.enter(at(10), ip("203.0.113.7"), &config)), None);
        assert_eq!(gate.peers(), 1, "who was refused is not counted");
    }

    #[test]
    fn private_addresses_are_left_alone_unless_asked() {
        let gate = Gate::default();
        let mut config = Config {
            peers_per_ip_max: 1,
            ..Config::default()
        };
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.9",
            "100.100.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert_eq!(
                gate.enter(at(0), ip(private), &config),
                Ok(None),
                "{private}"
            );
        }
        config.limit_private_ips = true;
        assert!(
            gate.enter(at(0), ip("127.0.0.1"), &config)
                .is_ok_and(|key| key.is_some())
        );
        assert_eq!(
            cause(gate.enter(at(0), ip("127.0.0.1"), &config)),
            Some(RefusalCause::PeersPerIp)
        );
    }

    #[test]
    fn a_refused_address_stays_refused_for_a_while() {
        let config = Config {
            refuse_after_close: Duration::from_secs(10),
            ..Config::default()
        };
        let gate = Gate::default();
        let key = gate.enter(at(0), ip("203.0.113.7"), &config).expect("room");
        gate.refuse(at(0), key, &config);
        gate.leave(key);
        assert_eq!(
            cause(gate.enter(at(9), ip("203.0.113.7"), &config)),
            Some(RefusalCause::ClosedBefore)
        );
        assert_eq!(cause(gate.enter(at(10), ip("203.0.113.7"), &config)), None);
    }

    #[test]
    fn the_table_is_bounded_and_forgets() {
        let config = Config {
            peers_max: usize::MAX,
            ..Config::default()
        };
        let gate = Gate::default();
        for number in 0..ADDRESSES_MAX as u32 {
            let key = gate
                .enter(
                    at(1),
                    Some(Ipv4Addr::from(0x0800_0000 + number).into()),
                    &config,
                )
                .expect("room");
            gate.leave(key);
        }
        assert_eq!(
            gate.enter(at(1), ip("203.0.113.7"), &config),
            Ok(None),
            "full: not tracked, not refused"
        );
        assert!(
            gate.enter(at(120), ip("203.0.113.7"), &config)
                .is_ok_and(|key| key.is_some())
        );
        assert_eq!(gate.addresses.lock().visitors.len(), 1);
    }
}

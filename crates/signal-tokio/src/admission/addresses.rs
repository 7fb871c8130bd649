//! Who may come in: capacity, and what each address may take of it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_access::{AddressKey, Addresses, Judging, Refusal, RefusalCause, Refused, Visit};
use signal_core::Instant;

use crate::config::Config;
use crate::lock::Lock;

/// The most addresses remembered without a connected peer, each in some 150 bytes. One that
/// was there once for a moment is remembered for half a second.
const IDLE_ADDRESSES_MAX: usize = 65_536;

/// Counts peers, all and by address.
#[derive(Debug)]
pub(crate) struct Gate {
    peers: AtomicUsize,
    peers_max: usize,
    addresses: Lock<Addresses>,
    limit_private_ips: bool,
    has_warned: AtomicBool,
}

impl Gate {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            peers: AtomicUsize::new(0),
            peers_max: config.peers_max,
            addresses: Lock::new(Addresses::new(config.addresses, IDLE_ADDRESSES_MAX)),
            limit_private_ips: config.addresses.limit_private_ips,
            has_warned: AtomicBool::new(false),
        }
    }

    /// Counts a peer in. Each success must be matched by one [`leave`](Self::leave) with the visit
    /// it returned.
    pub(crate) fn enter(
        &self,
        now: Instant,
        ip: Option<IpAddr>,
        judging: Judging,
    ) -> Result<Option<Visit>, Refusal> {
        let has_room = |peers| (peers < self.peers_max).then_some(peers + 1);
        if self
            .peers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, has_room)
            .is_err()
        {
            return Err(Refusal::because(RefusalCause::PeersMax, fastrand::u64(..)));
        }
        let Some(key) = self.limited_key(ip) else {
            return Ok(None);
        };
        let visit = self.addresses.lock().enter(now, key, judging);
        visit.map(Some).map_err(|refused: Refused| {
            self.peers.fetch_sub(1, Ordering::Relaxed);
            refused.into()
        })
    }

    /// Counts a peer out.
    pub(crate) fn leave(&self, now: Instant, visit: Option<Visit>) {
        self.peers.fetch_sub(1, Ordering::Relaxed);
        if let Some(visit) = visit {
            self.addresses.lock().leave(now, visit);
        }
    }

    /// Notes that the client of a visit is refused for its token or its origin.
    pub(crate) fn deny(&self, now: Instant, visit: &mut Option<Visit>) -> Result<(), Refusal> {
        if let Some(visit) = visit {
            self.addresses.lock().deny(now, visit)?;
        }
        Ok(())
    }

    /// Notes that a peer is closed for what it did.
    pub(crate) fn offend(&self, now: Instant, visit: &mut Option<Visit>) {
        if let Some(visit) = visit {
            self.addresses.lock().offend(now, visit);
        }
    }

    pub(crate) fn peers(&self) -> usize {
        self.peers.load(Ordering::Relaxed)
    }

    /// The key of an address that is held to the per-address limits.
    fn limited_key(&self, ip: Option<IpAddr>) -> Option<AddressKey> {
        let key = AddressKey::new(ip?);
        if self.limit_private_ips || !key.is_private() {
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ZERO;
    const CHEAP: Judging = Judging::Cheap;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    fn gate(change: impl FnOnce(&mut Config)) -> Gate {
        let mut config = Config::default();
        change(&mut config);
        Gate::new(&config)
    }

    #[test]
    fn a_client_that_is_refused_is_not_counted() {
        let gate = gate(|config| config.addresses.peers_per_ip_max = 1);
        let visit = gate.enter(NOW, ip("203.0.113.7"), CHEAP).expect("room");
        let refusal = gate
            .enter(NOW, ip("203.0.113.7"), CHEAP)
            .expect_err("one is there");
        assert_eq!(refusal.cause(), RefusalCause::PeersPerIp);
        assert_eq!(gate.peers(), 1);
        gate.leave(NOW, visit);
        let visit = gate
            .enter(NOW, ip("203.0.113.7"), CHEAP)
            .expect("it has left");
        gate.leave(NOW, visit);
        assert_eq!(gate.peers(), 0);
    }

    #[test]
    fn private_addresses_are_left_alone_unless_asked() {
        let one = |config: &mut Config| config.addresses.peers_per_ip_max = 1;
        let open = gate(one);
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.9",
            "100.100.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert_eq!(open.enter(NOW, ip(private), CHEAP), Ok(None), "{private}");
        }
        let strict = gate(|config| {
            one(config);
            config.addresses.limit_private_ips = true;
        });
        let _visit = strict.enter(NOW, ip("127.0.0.1"), CHEAP).expect("room");
        assert!(strict.enter(NOW, ip("127.0.0.1"), CHEAP).is_err());
    }

    #[test]
    fn a_full_relay_refuses_everyone() {
        let gate = gate(|config| config.peers_max = 1);
        let _visit = gate.enter(NOW, None, CHEAP).expect("room");
        let refusal = gate.enter(NOW, None, CHEAP).expect_err("full");
        assert_eq!(refusal.cause(), RefusalCause::PeersMax);
    }
}

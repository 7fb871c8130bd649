//! The handshakes that have not come to their end: how many there are, how many of each address,
//! and which of them ends when another needs its place.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::task::Waker;
use std::time::Duration;

use signal_access::{AddressKey, RefusalCause};
use signal_core::Instant;

use crate::config::Config;
use crate::lock::Lock;

/// How long a client may keep us waiting for its request though others need its place: this for
/// each place that there is but some. So a thousand silent clients a second can come for good, and
/// those some at once on top, and no newcomer has to wait for a place; while a herd of honest ones
/// from one slow machine, which connects them all and then writes all their requests, has as long
/// as that leaves.
const GRACE_PER_PLACE: Duration = Duration::from_millis(1);
const PLACES_FOR_BURSTS: usize = 64;
/// A client sends right after connecting, so the least it has is what packets that were sent
/// together may come apart, and what a busy phone needs.
const GRACE_LEAST: Duration = Duration::from_millis(25);
const GRACE_MOST: Duration = Duration::from_secs(1);
/// How long, once it has had an answer in its TLS handshake, which it can only go on with a round
/// trip later: as long as one takes to the other side of the world.
#[cfg(feature = "tls")]
const GRACE_OF_ROUND_TRIP: Duration = Duration::from_millis(250);
/// An IPv6 /48 may have as many as so many of its /64 may. It is what one customer gets of a
/// generous provider, and what an attacker rents.
const WIDE_FACTOR: usize = 4;

/// Connections before the end of their handshake, that of TLS included.
///
/// There are at most [`Config::handshakes_max`] of them. When there is no place for a newcomer, the
/// one that has kept us waiting longest for its client, past a grace, goes, whether it has sent
/// nothing or sends byte by byte:
///
/// ```text
///            ┌── its client is heard of ──┐
///            ▼                            │
///  enter ─▶ Busy ── nothing to read ─▶ Waiting ── another needs the place ─▶ ended
///            │
///            └── answered ─▶ Lingering ── another needs the place ─▶ ended, and first of all
/// ```
///
/// What is *busy* waits for us: for the processor, or for an authorizer. So a herd of honest
/// clients that is larger than the machine is fast does not end its own first half; its second
/// waits in the kernel's backlog.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    table: Lock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    entries: HashMap<u64, Entry>,
    /// Those that wait for their client, by when they may be ended.
    waiting: BTreeSet<(Instant, u64)>,
    /// Those that have their answer.
    lingering: BTreeSet<u64>,
    by_network: HashMap<Network, usize>,
    /// Listeners that wait for a place.
    listeners: Vec<Waker>,
}

#[derive(Debug)]
struct Entry {
    /// Where it is counted.
    networks: [Option<Network>; 2],
    stage: Stage,
    /// How long it has waited for its client in this step, up to the present wait.
    waited: Duration,
    /// How long it may.
    grace: Duration,
    /// Wakes what drives it, once it has been ended.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Busy,
    Waiting { since: Instant },
    Lingering,
}

/// What an unfinished handshake waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WaitsFor {
    /// Its client, to send or to take something.
    Client,
    /// The relay, or an authorizer that it asks.
    Relay,
    /// Nothing: it is answered, and closed as soon as that cannot hurt the answer.
    End,
}

/// An IPv4 address or IPv6 /64, or an IPv6 /48.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Network {
    Narrow(AddressKey),
    Wide(AddressKey),
}

/// A handshake that may begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entered {
    pub(crate) id: u64,
    /// Why another has been ended for it.
    pub(crate) evicted_for: Option<RefusalCause>,
}

impl Unfinished {
    /// Whether a newcomer may be accepted now; else when to ask again at the latest. `listener` is
    /// woken as soon as there is a place.
    pub(crate) fn poll_room(
        &self,
        now: Instant,
        config: &Config,
        listener: &Waker,
    ) -> Result<(), Instant> {
        let mut table = self.table.lock();
        let is_full = table.entries.len() >= config.handshakes_max;
        if !is_full || !table.lingering.is_empty() {
            return Ok(());
        }
        let ends_at = match table.waiting.first() {
            Some((ends_at, _)) if *ends_at <= now => return Ok(()),
            Some((ends_at, _)) => *ends_at,
            None => now.saturating_add(grace(config)),
        };
        if !table
            .listeners
            .iter()
            .any(|known| known.will_wake(listener))
        {
            table.listeners.push(listener.clone());
        }
        Err(ends_at)
    }

    /// Begins a handshake, and ends another if there is no place, or if the client's network has as
    /// many as it may have: one of its own then. `None` if none of those waits for its client.
    pub(crate) fn enter(&self, ip: Option<IpAddr>, config: &Config) -> Option<Entered> {
        let networks = ip.map_or([None, None], |ip| networks(ip, config));
        let mut table = self.table.lock();
        let mut wakers = Vec::new();
        let is_one_ended = table.make_room_in(&networks, config, &mut wakers)?;
        let mut evicted_for = is_one_ended.then_some(RefusalCause::HandshakesPerIp);
        if table.entries.len() >= config.handshakes_max {
            let lingering = table.lingering.first().copied();
            let waiting = || table.waiting.first().map(|(_, id)| *id);
            if lingering.is_none() {
                evicted_for = Some(RefusalCause::HandshakesMax);
            }
            // Without either, two listeners have seen the last place at once; this is one too many.
            if let Some(id) = lingering.or_else(waiting) {
                wakers.extend(table.remove(id).and_then(|entry| entry.waker));
            }
        }
        let id = table.next;
        table.next += 1;
        table.recount(networks);
        let entry = Entry {
            networks,
            stage: Stage::Busy,
            waited: Duration::ZERO,
            grace: grace(config),
            waker: None,
        };
        table.entries.insert(id, entry);
        drop(table);
        // Outside of the lock, as all wakers: what they do is not ours.
        wakers.into_iter().for_each(Waker::wake);
        Some(Entered { id, evicted_for })
    }

    /// Notes whose handshake it is, once a proxy has named its client, and counts it there. `None`
    /// if there is no place for it, and else whether another has been ended.
    pub(crate) fn name(&self, id: u64, ip: Option<IpAddr>, config: &Config) -> Option<bool> {
        let networks = ip.map_or([None, None], |ip| networks(ip, config));
        let mut table = self.table.lock();
        let mut wakers = Vec::new();
        let is_one_ended = table.make_room_in(&networks, config, &mut wakers)?;
        if let Some(entry) = table.entries.get_mut(&id) {
            let before = std::mem::replace(&mut entry.networks, networks);
            table.recount(networks);
            table.uncount(before);
        }
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
        Some(is_one_ended)
    }

    /// Notes what a handshake waits for. False if it has been ended, as `waker` will tell from now
    /// on.
    pub(crate) fn pause(&self, id: u64, now: Instant, waits_for: WaitsFor, waker: &Waker) -> bool {
        let mut table = self.table.lock();
        let mut listeners = Vec::new();
        match waits_for {
            WaitsFor::Client => table.wait(id, now),
            WaitsFor::Relay => table.resume(id, now),
            WaitsFor::End => {
                table.linger(id, now);
                listeners = std::mem::take(&mut table.listeners);
            }
        }
        let entry = table.entries.get_mut(&id);
        let is_in_time = entry.is_some();
        if let Some(entry) = entry {
            match &mut entry.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
        drop(table);
        listeners.into_iter().for_each(Waker::wake);
        is_in_time
    }

    /// Notes that a client has been heard of, which we are to look after.
    pub(crate) fn resume(&self, id: u64, now: Instant) {
        self.table.lock().resume(id, now);
    }

    /// Notes that a handshake has come to a next step, which may take a round trip.
    #[cfg(feature = "tls")]
    pub(crate) fn advance(&self, id: u64, now: Instant) {
        let mut table = self.table.lock();
        table.resume(id, now);
        if let Some(entry) = table.entries.get_mut(&id) {
            entry.waited = Duration::ZERO;
            entry.grace = entry.grace.max(GRACE_OF_ROUND_TRIP);
        }
    }

    /// Ends a handshake, if it has not been ended.
    pub(crate) fn leave(&self, id: u64) {
        let (entry, listeners) = {
            let mut table = self.table.lock();
            (table.remove(id), std::mem::take(&mut table.listeners))
        };
        drop(entry);
        listeners.into_iter().for_each(Waker::wake);
    }

    /// How many there are, but for those that have their answer.
    pub(crate) fn count(&self) -> usize {
        let table = self.table.lock();
        table.entries.len() - table.lingering.len()
    }
}

impl Table {
    /// Whether a network has as many as it may have.
    fn is_full_for(&self, network: &Network, config: &Config) -> bool {
        let count = self.by_network.get(network).copied().unwrap_or(0);
        let factor = match network {
            Network::Narrow(_) => 1,
            Network::Wide(_) => WIDE_FACTOR,
        };
        count >= config.handshakes_per_ip_max.saturating_mul(factor)
    }

    /// Ends one of each network that has as many as it may have: a client that fills its network's
    /// places keeps nobody else of it out. `None` if none of those waits for its client, and else
    /// whether one was ended.
    fn make_room_in(
        &mut self,
        networks: &[Option<Network>; 2],
        config: &Config,
        wakers: &mut Vec<Waker>,
    ) -> Option<bool> {
        let mut is_one_ended = false;
        for network in networks.iter().flatten() {
            if self.is_full_for(network, config) {
                wakers.extend(self.evict_of(network)?.waker);
                is_one_ended = true;
            }
        }
        Some(is_one_ended)
    }

    /// Ends the one of a network that has kept us waiting longest for its client.
    fn evict_of(&mut self, network: &Network) -> Option<Entry> {
        let is_of = |id| {
            let entry: Option<&Entry> = self.entries.get(id);
            entry.is_some_and(|entry| entry.networks.contains(&Some(*network)))
        };
        let (_, id) = *self.waiting.iter().find(|(_, id)| is_of(id))?;
        self.remove(id)
    }

    fn wait(&mut self, id: u64, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&id) {
            if let Stage::Busy = entry.stage {
                entry.stage = Stage::Waiting { since: now };
                self.waiting.insert((entry.ends_at(now), id));
            }
        }
    }

    fn resume(&mut self, id: u64, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&id) {
            if let Stage::Waiting { since } = entry.stage {
                self.waiting.remove(&(entry.ends_at(since), id));
                entry.waited += now.saturating_since(since);
                entry.stage = Stage::Busy;
            }
        }
    }

    fn linger(&mut self, id: u64, now: Instant) {
        self.resume(id, now);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.stage = Stage::Lingering;
            let networks = std::mem::take(&mut entry.networks);
            self.lingering.insert(id);
            self.uncount(networks);
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        match entry.stage {
            Stage::Busy => {}
            Stage::Waiting { since } => drop(self.waiting.remove(&(entry.ends_at(since), id))),
            Stage::Lingering => drop(self.lingering.remove(&id)),
        }
        self.uncount(entry.networks);
        Some(entry)
    }

    fn recount(&mut self, networks: [Option<Network>; 2]) {
        for network in networks.into_iter().flatten() {
            *self.by_network.entry(network).or_default() += 1;
        }
    }

    fn uncount(&mut self, networks: [Option<Network>; 2]) {
        for network in networks.into_iter().flatten() {
            match self.by_network.get_mut(&network) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) => drop(self.by_network.remove(&network)),
                None => {}
            }
        }
    }
}

impl Entry {
    /// When it may be ended, if it waits since then.
    fn ends_at(&self, since: Instant) -> Instant {
        let waited = u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX);
        let ends_at = since.saturating_add(self.grace).as_millis();
        Instant::from_millis(ends_at.saturating_sub(waited))
    }
}

/// How long a client may keep us waiting for its request though others need its place.
fn grace(config: &Config) -> Duration {
    let places = config.handshakes_max.saturating_sub(PLACES_FOR_BURSTS);
    let places = u32::try_from(places).unwrap_or(u32::MAX);
    let all = GRACE_PER_PLACE.saturating_mul(places);
    all.clamp(GRACE_LEAST, GRACE_MOST)
}

/// Where a client is counted: nowhere if it may be a proxy.
fn networks(ip: IpAddr, config: &Config) -> [Option<Network>; 2] {
    let narrow = AddressKey::new(ip);
    let is_private = narrow.is_private() && !config.addresses.limit_private_ips;
    if is_private || config.trusted_proxies.contains(ip) {
        return [None, None];
    }
    let wide = match ip.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => {
            let network = Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 80));
            Some(Network::Wide(AddressKey::new(network.into())))
        }
    };
    [Some(Network::Narrow(narrow)), wide]
}

#[cfg(test)]
mod tests;

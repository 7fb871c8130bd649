use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use signal_core::{CloseReason, Ignored, Instant, Limits, Message, Outcome, Output, PeerId};

/// What a room should be, written as plainly as can be: a set of pairs, and token buckets that
/// count tokens.
///
/// It shares no code with the room but the words for its answers, and never sees a message, only
/// what it means. The model test and the fuzz target of `signal-core` include this file, so it uses
/// nothing else of this crate.
#[derive(Clone, Debug)]
pub(crate) struct NaiveRoom {
    limits: Limits,
    pub(crate) peers: BTreeMap<PeerId, NaivePeer>,
    /// Who listens to what.
    pub(crate) pairs: BTreeSet<(&'static str, PeerId)>,
}

/// What a message means.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    Subscribe(Vec<&'static str>),
    Unsubscribe(Vec<&'static str>),
    Publish {
        topic: &'static str,
        /// The members of the JSON object, `clients` apart, as they are to be relayed.
        members: String,
    },
    Ping,
    /// JSON that means nothing.
    Meaningless,
    /// Not JSON.
    Garbage,
    /// Longer than a message may be.
    TooBig,
}

/// What a peer may do: the topics of each right by name, or all topics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rights {
    pub(crate) subscribe: Option<&'static [&'static str]>,
    pub(crate) publish: Option<&'static [&'static str]>,
    /// How many peers some topics may have for it, beside the limit.
    pub(crate) sizes: &'static [(&'static str, usize)],
}

#[derive(Clone, Debug)]
pub(crate) struct NaivePeer {
    rights: Rights,
    expires: Option<Instant>,
    /// A peer's clock never goes back.
    clock: Instant,
    messages: Tokens,
    bytes: Tokens,
    deliveries: Tokens,
    delivered_bytes: Tokens,
    pings: Tokens,
    strikes: Tokens,
    garbage_in_a_row: u32,
    ping_at: Option<Instant>,
    was_heard: bool,
    /// When it connected or was last sent a pong.
    ponged: Instant,
    /// Why it is held, and until when.
    pub(crate) held: Option<(CloseReason, Instant)>,
}

impl NaiveRoom {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            peers: BTreeMap::new(),
            pairs: BTreeSet::new(),
        }
    }

    pub(crate) fn connect(
        &mut self,
        clock: Instant,
        peer: PeerId,
        rights: Rights,
        expires: Option<Instant>,
    ) {
        let limits = &self.limits;
        let naive = NaivePeer {
            rights,
            expires,
            clock,
            messages: Tokens::new(limits.messages_per_second, limits.messages_burst),
            bytes: Tokens::new(limits.bytes_per_second, limits.bytes_burst),
            deliveries: Tokens::new(limits.fan_out_per_second, limits.fan_out_burst),
            delivered_bytes: Tokens::new(
                limits.fan_out_bytes_per_second,
                limits.fan_out_bytes_burst,
            ),
            pings: Tokens::new(limits.pings_per_second, limits.pings_burst),
            strikes: Tokens::new(limits.strikes_per_second, limits.strikes_burst),
            garbage_in_a_row: 0,
            ping_at: self.ping_after(clock),
            was_heard: true,
            ponged: clock,
            held: None,
        };
        self.peers.insert(peer, naive);
    }

    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.pairs.retain(|(_, other)| *other != peer);
    }

    pub(crate) fn refuse(&mut self, clock: Instant, peer: PeerId, reason: CloseReason) {
        let Some(naive) = self.peers.get_mut(&peer) else {
            return;
        };
        let until = naive.see(clock).saturating_add(self.limits.close_hold);
        naive.held = naive.held.or(Some((reason, until)));
        self.pairs.retain(|(_, other)| *other != peer);
    }

    /// What must come of a frame that is not a message. Nothing, if it is handled.
    pub(crate) fn frame(&mut self, clock: Instant, peer: PeerId, bytes: usize) -> Option<Outcome> {
        let naive = self.peers.get_mut(&peer)?;
        let now = naive.see(clock);
        if naive.held.is_some() {
            return Some(Outcome::Ignored(Ignored::Held));
        }
        naive.was_heard = true;
        if naive.bytes.overdraw(now, FRAME_COST + bytes) {
            return None;
        }
        let outcome = naive.strike(now, Ignored::ByteRate);
        if let Outcome::Held(reason) = outcome {
            self.refuse(clock, peer, reason);
        }
        Some(outcome)
    }

    /// What must come of a message of so many bytes, and what must be sent. Nothing, if it comes
    /// too late.
    pub(crate) fn message(
        &mut self,
        clock: Instant,
        peer: PeerId,
        meaning: &Meaning,
        bytes: usize,
    ) -> (Option<Outcome>, Vec<Output>) {
        let Some(naive) = self.peers.get_mut(&peer) else {
            return (None, Vec::new());
        };
        let cost = FRAME_COST + bytes;
        let (outcome, sent) = match naive.judge(&self.limits, clock, meaning, cost) {
            Ok(()) => self.carry_out(clock, peer, meaning, cost),
            Err(Outcome::Held(reason)) => {
                self.refuse(clock, peer, reason);
                (Outcome::Held(reason), Vec::new())
            }
            Err(outcome) => (outcome, Vec::new()),
        };
        (Some(outcome), sent)
    }

    /// What must be sent when deadlines are acted on.
    pub(crate) fn deadlines(&mut self, clock: Instant) -> Vec<Output> {
        let due: BTreeSet<(Instant, PeerId)> = self.dues().filter(|(at, _)| *at <= clock).collect();
        due.into_iter()
            .flat_map(|(_, peer)| [self.keepalive(clock, peer), self.deadline(clock, peer)])
            .flatten()
            .collect()
    }

    /// When the next deadline is.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.dues().map(|(at, _)| at).min()
    }

    fn dues(&self) -> impl Iterator<Item = (Instant, PeerId)> {
        self.peers.iter().filter_map(|(peer, naive)| {
            let at = match naive.held {
                Some((_, until)) => Some(until),
                None => naive
                    .ping_at
                    .into_iter()
                    .chain(naive.expires)
                    .chain(after(self.limits.keepalive_interval, naive.ponged))
                    .min(),
            };
            Some((at?, *peer))
        })
    }

    fn keepalive(&mut self, clock: Instant, peer: PeerId) -> Option<Output> {
        let interval = self.limits.keepalive_interval;
        let naive = self.peers.get_mut(&peer)?;
        let now = naive.see(clock);
        let is_over = naive.held.is_some() || naive.expires.is_some_and(|end| end <= now);
        let due = after(interval, naive.ponged).filter(|due| *due <= now);
        if is_over || due.is_none() {
            return None;
        }
        naive.ponged = now;
        Some(pong(peer))
    }

    fn deadline(&mut self, clock: Instant, peer: PeerId) -> Option<Output> {
        let naive = self.peers.get_mut(&peer)?;
        let now = naive.see(clock);
        if let Some((reason, _)) = naive.held {
            self.forget(peer);
            return Some(Output::Close(peer, reason));
        }
        if naive.expires.is_some_and(|end| end <= now) {
            self.refuse(clock, peer, CloseReason::GrantExpired);
            // Without a hold the close is due at once.
            let is_due = self.limits.close_hold.is_zero();
            return is_due.then(|| self.deadline(clock, peer)).flatten();
        }
        let overdue = now.saturating_since(naive.ping_at.filter(|due| *due <= now)?);
        if !naive.was_heard && overdue < self.limits.ping_interval {
            self.forget(peer);
            return Some(Output::Close(peer, CloseReason::TimedOut));
        }
        naive.was_heard = false;
        naive.ping_at = Some(now.saturating_add(self.limits.ping_interval));
        Some(Output::Ping(peer))
    }

    fn carry_out(
        &mut self,
        clock: Instant,
        peer: PeerId,
        meaning: &Meaning,
        cost: usize,
    ) -> (Outcome, Vec<Output>) {
        match meaning {
            Meaning::Subscribe(topics) => (self.subscribe(peer, topics), Vec::new()),
            Meaning::Unsubscribe(topics) => {
                let known = self.pairs.len();
                self.pairs
                    .retain(|(topic, other)| *other != peer || !topics.contains(topic));
                (
                    Outcome::Unsubscribed {
                        topics: known - self.pairs.len(),
                    },
                    Vec::new(),
                )
            }
            Meaning::Publish { topic, members } => self.publish(clock, peer, topic, members, cost),
            Meaning::Ping => {
                if let Some(naive) = self.peers.get_mut(&peer) {
                    naive.ponged = naive.see(clock);
                }
                (Outcome::Ponged, vec![pong(peer)])
            }
            Meaning::Meaningless | Meaning::Garbage | Meaning::TooBig => {
                unreachable!("these are not let through")
            }
        }
    }

    fn subscribe(&mut self, peer: PeerId, names: &[&'static str]) -> Outcome {
        let (mut topics, mut skipped, mut limit) = (0, 0, None);
        let mut skip = |count: usize, met: Option<&'static str>| {
            skipped += count;
            limit = limit.or(met);
        };
        for (place, topic) in names.iter().enumerate() {
            let mine = self.pairs.iter().filter(|(_, other)| *other == peer);
            let lengths: Vec<usize> = mine.map(|(topic, _)| topic.len()).collect();
            if lengths.len() >= self.limits.topics_per_peer_max as usize {
                skip(names.len() - place, Some("topics_per_peer_max"));
                break;
            }
            let bytes = lengths.iter().sum::<usize>() + topic.len();
            let is_granted = self
                .peers
                .get(&peer)
                .is_some_and(|naive| naive.rights.may_subscribe(topic));
            if !is_granted {
                skip(1, None);
            } else if self.pairs.contains(&(*topic, peer)) {
                // Nothing changes.
            } else if topic.len() > self.limits.topic_bytes_max as usize {
                skip(1, Some("topic_bytes_max"));
            } else if bytes > self.limits.topic_bytes_per_peer_max as usize {
                skip(1, Some("topic_bytes_per_peer_max"));
            } else if let Some(full_by) = self.full_for(peer, topic) {
                skip(1, Some(full_by));
            } else {
                self.pairs.insert((topic, peer));
                topics += 1;
            }
        }
        Outcome::Subscribed {
            topics,
            skipped,
            limit,
        }
    }

    fn publish(
        &mut self,
        clock: Instant,
        peer: PeerId,
        topic: &str,
        members: &str,
        cost: usize,
    ) -> (Outcome, Vec<Output>) {
        let listens = |(other, listener): &(&str, PeerId)| (*other == topic).then_some(*listener);
        let to: Vec<PeerId> = self.pairs.iter().filter_map(listens).collect();
        if self.full_for(peer, topic).is_some() && !to.contains(&peer) {
            return (Outcome::Ignored(Ignored::Full), Vec::new());
        }
        let deliveries = to.len();
        if let Some(naive) = self.peers.get_mut(&peer) {
            let now = naive.see(clock);
            naive.deliveries.spend(now, deliveries);
            naive.delivered_bytes.spend(now, deliveries * cost);
        }
        let message = format!("{{{},\"clients\":{deliveries}}}", members).into();
        let sent = if to.is_empty() {
            Vec::new()
        } else {
            vec![Output::Send { to, message }]
        };
        (Outcome::Published { deliveries }, sent)
    }

    /// Why a topic does not take this peer, if it has as many as it may.
    fn full_for(&self, peer: PeerId, topic: &str) -> Option<&'static str> {
        let members = self.pairs.iter().filter(|(other, _)| *other == topic);
        let members = members.count();
        let setting = self.limits.clients_max as usize;
        let is_full = setting > 0 && members >= setting;
        let sizes = self
            .peers
            .get(&peer)
            .map_or(&[][..], |naive| naive.rights.sizes);
        let of_topic = sizes.iter().find(|(known, _)| *known == topic);
        match of_topic {
            Some((_, size)) if setting == 0 || *size < setting => {
                (members >= *size).then_some("grant_clients_max")
            }
            _ => is_full.then_some("clients_max"),
        }
    }

    fn ping_after(&self, clock: Instant) -> Option<Instant> {
        after(self.limits.ping_interval, clock)
    }
}

fn after(interval: Duration, start: Instant) -> Option<Instant> {
    (interval > Duration::ZERO).then(|| start.saturating_add(interval))
}

fn pong(peer: PeerId) -> Output {
    Output::Send {
        to: vec![peer],
        message: Message::PONG,
    }
}

impl Rights {
    fn may_subscribe(self, topic: &str) -> bool {
        self.subscribe.is_none_or(|topics| topics.contains(&topic))
    }

    fn may_publish(self, topic: &str) -> bool {
        self.publish.is_none_or(|topics| topics.contains(&topic))
    }
}

impl NaivePeer {
    fn see(&mut self, clock: Instant) -> Instant {
        self.clock = self.clock.max(clock);
        self.clock
    }

    /// Whether a message is let through.
    fn judge(
        &mut self,
        limits: &Limits,
        clock: Instant,
        meaning: &Meaning,
        cost: usize,
    ) -> Result<(), Outcome> {
        let now = self.see(clock);
        if self.held.is_some() {
            return Err(Outcome::Ignored(Ignored::Held));
        }
        self.was_heard = true;
        if self.expires.is_some_and(|end| end <= now) {
            return Err(Outcome::Held(CloseReason::GrantExpired));
        }
        if matches!(meaning, Meaning::TooBig) {
            return Err(Outcome::Held(CloseReason::TooBig));
        }
        let past = if matches!(meaning, Meaning::Ping) {
            let is_there = self.pings.take(now);
            if is_there {
                self.bytes.spend(now, cost);
            }
            (!is_there).then_some(Ignored::PingRate)
        } else if !self.messages.take(now) {
            Some(Ignored::MessageRate)
        } else {
            (!self.bytes.overdraw(now, cost)).then_some(Ignored::ByteRate)
        };
        if matches!(meaning, Meaning::Garbage) {
            self.garbage_in_a_row += 1;
            if self.garbage_in_a_row > limits.invalid_messages_max.into() {
                return Err(Outcome::Held(CloseReason::Invalid));
            }
            return Err(match past {
                Some(_) => self.strike(now, Ignored::NotJson),
                None => Outcome::Ignored(Ignored::NotJson),
            });
        }
        self.garbage_in_a_row = 0;
        if let Some(why) = past {
            return Err(self.strike(now, why));
        }
        match meaning {
            Meaning::Meaningless => Err(Outcome::Ignored(Ignored::Meaningless)),
            Meaning::Publish { topic, .. } if !self.rights.may_publish(topic) => {
                Err(Outcome::Ignored(Ignored::NotGranted))
            }
            Meaning::Publish { .. } if self.deliveries.are_spent(now) => {
                Err(self.strike(now, Ignored::FanOutRate))
            }
            Meaning::Publish { .. } if self.delivered_bytes.are_spent(now) => {
                Err(self.strike(now, Ignored::FanOutByteRate))
            }
            Meaning::Subscribe(_)
            | Meaning::Unsubscribe(_)
            | Meaning::Publish { .. }
            | Meaning::Ping
            | Meaning::Garbage
            | Meaning::TooBig => Ok(()),
        }
    }

    fn strike(&mut self, now: Instant, why: Ignored) -> Outcome {
        if self.strikes.take(now) {
            Outcome::Ignored(why)
        } else {
            Outcome::Held(CloseReason::RateLimited)
        }
    }
}

/// What a frame costs beside its payload.
const FRAME_COST: usize = 32;

/// A bucket of tokens that drip in all the time, counted in thousandths.
#[derive(Clone, Debug)]
struct Tokens {
    per_second: i128,
    room_for: i128,
    held: i128,
    at: Instant,
}

impl Tokens {
    fn new(per_second: impl Into<u64>, burst: impl Into<u64>) -> Self {
        let room_for = 1_000 * i128::from(burst.into());
        Self {
            per_second: i128::from(per_second.into()),
            room_for,
            held: room_for,
            at: Instant::ZERO,
        }
    }

    /// Takes one, if there is one.
    fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let has_one = self.held >= 1_000;
        self.held -= if has_one { 1_000 } else { 0 };
        has_one
    }

    /// Takes so many, if there is anything.
    fn overdraw(&mut self, now: Instant, count: usize) -> bool {
        let is_there = !self.are_spent(now);
        if is_there {
            self.spend(now, count);
        }
        is_there
    }

    fn spend(&mut self, now: Instant, count: usize) {
        self.fill(now);
        self.held -= 1_000 * count as i128;
    }

    fn are_spent(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.held <= 0
    }

    fn fill(&mut self, now: Instant) {
        let millis = now.saturating_since(self.at).as_millis() as i128;
        self.held = (self.held + millis * self.per_second).min(self.room_for);
        self.at = now;
    }
}

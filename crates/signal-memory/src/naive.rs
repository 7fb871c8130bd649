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
}

#[derive(Clone, Debug)]
pub(crate) struct NaivePeer {
    rights: Rights,
    expires: Option<Instant>,
    /// A peer's clock never goes back.
    clock: Instant,
    messages: Tokens,
    deliveries: Tokens,
    pings: Tokens,
    strikes: Tokens,
    garbage_in_a_row: u32,
    ping_at: Option<Instant>,
    was_heard: bool,
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
            deliveries: Tokens::new(limits.fan_out_per_second, limits.fan_out_burst),
            pings: Tokens::new(limits.pings_per_second, limits.pings_burst),
            strikes: Tokens::new(limits.strikes_per_second, limits.strikes_burst),
            garbage_in_a_row: 0,
            ping_at: self.ping_after(clock),
            was_heard: true,
            held: None,
        };
        self.peers.insert(peer, naive);
    }

    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.pairs.retain(|(_, other)| *other != peer);
    }

    pub(crate) fn pong(&mut self, clock: Instant, peer: PeerId) {
        if let Some(naive) = self.peers.get_mut(&peer) {
            naive.see(clock);
            naive.was_heard = true;
        }
    }

    pub(crate) fn refuse(&mut self, clock: Instant, peer: PeerId, reason: CloseReason) {
        let Some(naive) = self.peers.get_mut(&peer) else {
            return;
        };
        let until = naive.see(clock).saturating_add(self.limits.close_hold);
        naive.held = naive.held.or(Some((reason, until)));
        self.pairs.retain(|(_, other)| *other != peer);
    }

    /// What must come of a message, and what must be sent. Nothing, if it comes too late.
    pub(crate) fn message(
        &mut self,
        clock: Instant,
        peer: PeerId,
        meaning: &Meaning,
    ) -> (Option<Outcome>, Vec<Output>) {
        let Some(naive) = self.peers.get_mut(&peer) else {
            return (None, Vec::new());
        };
        let (outcome, sent) = match naive.judge(&self.limits, clock, meaning) {
            Ok(()) => self.carry_out(clock, peer, meaning),
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
            .filter_map(|(_, peer)| self.deadline(clock, peer))
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
                None => naive.ping_at.into_iter().chain(naive.expires).min(),
            };
            Some((at?, *peer))
        })
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
        let overdue = now.saturating_since(naive.ping_at?);
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
            Meaning::Publish { topic, members } => self.publish(clock, peer, topic, members),
            Meaning::Ping => (
                Outcome::Ponged,
                vec![Output::Send {
                    to: vec![peer],
                    message: Message::PONG,
                }],
            ),
            Meaning::Meaningless | Meaning::Garbage | Meaning::TooBig => {
                unreachable!("these are not let through")
            }
        }
    }

    fn subscribe(&mut self, peer: PeerId, names: &[&'static str]) -> Outcome {
        let (mut topics, mut skipped) = (0, 0);
        for (place, topic) in names.iter().enumerate() {
            let mine = self
                .pairs
                .iter()
                .filter(|(_, other)| *other == peer)
                .count();
            if mine >= self.limits.topics_per_peer_max as usize {
                skipped += names.len() - place;
                break;
            }
            let is_granted = self
                .peers
                .get(&peer)
                .is_some_and(|naive| naive.rights.may_subscribe(topic));
            if !is_granted || topic.len() > self.limits.topic_bytes_max as usize {
                skipped += 1;
            } else if self.pairs.insert((topic, peer)) {
                topics += 1;
            }
        }
        Outcome::Subscribed { topics, skipped }
    }

    fn publish(
        &mut self,
        clock: Instant,
        peer: PeerId,
        topic: &str,
        members: &str,
    ) -> (Outcome, Vec<Output>) {
        let listens = |(other, listener): &(&str, PeerId)| (*other == topic).then_some(*listener);
        let to: Vec<PeerId> = self.pairs.iter().filter_map(listens).collect();
        let deliveries = to.len();
        if let Some(naive) = self.peers.get_mut(&peer) {
            let now = naive.see(clock);
            naive.deliveries.spend(now, deliveries);
        }
        let message = format!("{{{},\"clients\":{deliveries}}}", members).into();
        let sent = if to.is_empty() {
            Vec::new()
        } else {
            vec![Output::Send { to, message }]
        };
        (Outcome::Published { deliveries }, sent)
    }

    fn ping_after(&self, clock: Instant) -> Option<Instant> {
        let interval = self.limits.ping_interval;
        (interval > Duration::ZERO).then(|| clock.saturating_add(interval))
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
    fn judge(&mut self, limits: &Limits, clock: Instant, meaning: &Meaning) -> Result<(), Outcome> {
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
        let (tokens, why) = match meaning {
            Meaning::Ping => (&mut self.pings, Ignored::PingRate),
            Meaning::Garbage => (&mut self.messages, Ignored::NotJson),
            Meaning::Subscribe(_)
            | Meaning::Unsubscribe(_)
            | Meaning::Publish { .. }
            | Meaning::Meaningless
            | Meaning::TooBig => (&mut self.messages, Ignored::MessageRate),
        };
        let is_within_rate = tokens.take(now);
        if matches!(meaning, Meaning::Garbage) {
            self.garbage_in_a_row += 1;
            if self.garbage_in_a_row > limits.invalid_messages_max {
                return Err(Outcome::Held(CloseReason::Invalid));
            }
        } else {
            self.garbage_in_a_row = 0;
        }
        if !is_within_rate {
            return Err(self.strike(now, why));
        }
        match meaning {
            Meaning::Garbage => Err(Outcome::Ignored(Ignored::NotJson)),
            Meaning::Meaningless => Err(Outcome::Ignored(Ignored::Meaningless)),
            Meaning::Publish { topic, .. } if !self.rights.may_publish(topic) => {
                Err(Outcome::Ignored(Ignored::NotGranted))
            }
            Meaning::Publish { .. } if self.deliveries.are_spent(now) => {
                Err(self.strike(now, Ignored::FanOutRate))
            }
            Meaning::Subscribe(_)
            | Meaning::Unsubscribe(_)
            | Meaning::Publish { .. }
            | Meaning::Ping
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

/// A bucket of tokens that drip in one by one, counted in the nanoseconds it takes to drip.
#[derive(Clone, Debug)]
struct Tokens {
    drip: i128,
    room_for: i128,
    held: i128,
    at: Instant,
}

impl Tokens {
    fn new(per_second: u32, burst: u32) -> Self {
        let drip = i128::from(1_000_000_000 / per_second);
        let room_for = drip * i128::from(burst);
        Self {
            drip,
            room_for,
            held: room_for,
            at: Instant::ZERO,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let has_one = self.held >= self.drip;
        self.held -= if has_one { self.drip } else { 0 };
        has_one
    }

    fn spend(&mut self, now: Instant, count: usize) {
        self.fill(now);
        self.held -= self.drip * count as i128;
    }

    fn are_spent(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.held <= 0
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_since(self.at).as_nanos() as i128;
        self.held = (self.held + passed).min(self.room_for);
        self.at = now;
    }
}

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::bucket::{Bucket, Rate};
use crate::request::{Names, Parsed, parse};
use crate::sorted_set::SortedSet;
use crate::{CloseReason, Grant, Ignored, Instant, Limits, PeerSnapshot, Publish, Request};

/// One connection's half of the protocol: reads and judges what one peer sends.
///
/// It belongs to whoever owns the socket and needs no lock. What it lets through is carried out on
/// [`Topics`](crate::Topics); a [`Room`](crate::Room) is the two together.
///
/// ```text
///            receive: too big, too many strikes or invalid messages
///            receive, handle_timeout: grant expired; refuse
///  Live ────────────────────────────────────────────────────────────► Held ── close_hold ──► Close(reason)
///   │                                                           the host removes the topics,
///   └── nothing arrived between two pings ──► Close(TimedOut)    reads and sends nothing
/// ```
#[derive(Clone, Debug)]
pub struct Peer {
    limits: Arc<Limits>,
    state: State,
}

/// All of a peer but the limits it shares with others: what a snapshot keeps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct State {
    pub(crate) grant: Grant,
    pub(crate) topics: SortedSet<Box<str>>,
    /// The latest time seen; earlier ones are taken for it.
    pub(crate) latest: Instant,
    pub(crate) messages: Bucket,
    pub(crate) fan_out: Bucket,
    pub(crate) pings: Bucket,
    pub(crate) strikes: Bucket,
    /// When the next ping is due, or a held peer's close; `None` with pings switched off.
    pub(crate) due: Option<Instant>,
    pub(crate) invalid_in_a_row: u32,
    /// Whether anything arrived since the last ping.
    pub(crate) heard: bool,
    /// Why the peer has been refused and waits for its close.
    pub(crate) held: Option<CloseReason>,
}

/// What a deadline asks of the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alarm {
    /// Send a WebSocket ping.
    Ping,
    /// The peer has been refused: remove its topics, read and send nothing more, keep the socket
    /// open.
    Hold(CloseReason),
    /// Close the socket and drop this state.
    Close(CloseReason),
}

impl Peer {
    /// A peer that has just connected.
    pub fn new(limits: Arc<Limits>, grant: Grant, now: Instant) -> Self {
        let due = next_ping(&limits, now);
        let state = State {
            grant,
            topics: SortedSet::default(),
            latest: now,
            messages: Bucket::default(),
            fan_out: Bucket::default(),
            pings: Bucket::default(),
            strikes: Bucket::default(),
            due,
            invalid_in_a_row: 0,
            heard: true,
            held: None,
        };
        Self { limits, state }
    }

    /// A peer as it was when [`snapshot`](Self::snapshot) was taken. Its times keep their meaning
    /// only if the host's origin is the same, so a host that hibernates counts in Unix time.
    pub fn restore(limits: Arc<Limits>, snapshot: PeerSnapshot) -> Self {
        Self {
            limits,
            state: snapshot.state,
        }
    }

    /// Reads one text message and returns what it asks for.
    ///
    /// Subscriptions are already noted in this state; the host carries the request out on its
    /// [`Topics`](crate::Topics).
    ///
    /// # Errors
    ///
    /// The peer is refused from now on: the host removes its [`topics`](Self::topics), reads and
    /// sends nothing more, and keeps the socket open until [`handle_timeout`](Self::handle_timeout)
    /// returns [`Alarm::Close`].
    pub fn receive<'m>(&mut self, now: Instant, text: &'m str) -> Result<Request<'m>, CloseReason> {
        self.receive_checked(now, text.len(), Some(text))
    }

    /// Reads one binary message, which means what a text message of the same bytes would.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_binary<'m>(
        &mut self,
        now: Instant,
        payload: &'m [u8],
    ) -> Result<Request<'m>, CloseReason> {
        self.receive_checked(now, payload.len(), core::str::from_utf8(payload).ok())
    }

    /// Charges the deliveries that a publish of this peer has caused.
    pub fn delivered(&mut self, now: Instant, deliveries: usize) {
        let now = self.clamp(now);
        self.state
            .fan_out
            .charge(now, self.limits.fan_out(), deliveries as u64);
    }

    /// Refuses the peer for what the host has seen, such as a frame header that announces too long
    /// a message.
    ///
    /// It is held from now on, as after an error of [`receive`](Self::receive). Refusing again
    /// changes nothing.
    pub fn refuse(&mut self, now: Instant, reason: CloseReason) {
        let now = self.clamp(now);
        if self.state.held.is_none() {
            self.state.held = Some(reason);
            self.state.due = Some(now.saturating_add(self.limits.close_hold));
        }
    }

    /// Notes a WebSocket pong, or any other sign of life that is not a message.
    pub fn pong(&mut self, now: Instant) {
        self.clamp(now);
        self.state.heard = true;
    }

    /// Acts on the deadline that [`poll_timeout`](Self::poll_timeout) names. Calling it early does
    /// nothing.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Alarm> {
        let now = self.clamp(now);
        if !self.is_held() && self.state.grant.is_expired(now) {
            self.refuse(now, CloseReason::GrantExpired);
            if self.limits.close_hold > Duration::ZERO {
                return Some(Alarm::Hold(CloseReason::GrantExpired));
            }
        }
        let due = self.state.due.filter(|due| *due <= now)?;
        if let Some(reason) = self.state.held {
            return Some(Alarm::Close(reason));
        }
        // A timer that fires a whole interval late says more about the host (it slept, its clock
        // jumped) than about the peer, whose pong may lie unread in the socket.
        let is_late = now.saturating_since(due) >= self.limits.ping_interval;
        if !self.state.heard && !is_late {
            return Some(Alarm::Close(CloseReason::TimedOut));
        }
        self.state.heard = false;
        self.state.due = next_ping(&self.limits, now);
        Some(Alarm::Ping)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do next, if ever.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_held() {
            return self.state.due;
        }
        let expires = self.state.grant.expires();
        self.state.due.into_iter().chain(expires).min()
    }

    /// The topics the peer is subscribed to, sorted. A held peer's are listed still, for the host
    /// to remove.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &str> {
        self.state.topics.iter().map(|topic| &**topic)
    }

    /// Whether the peer has been refused and waits for its close.
    pub const fn is_held(&self) -> bool {
        self.state.held.is_some()
    }

    /// The whole state, for a host that may lose its memory.
    pub fn snapshot(&self) -> PeerSnapshot {
        PeerSnapshot {
            state: self.state.clone(),
        }
    }

    fn receive_checked<'m>(
        &mut self,
        now: Instant,
        bytes: usize,
        text: Option<&'m str>,
    ) -> Result<Request<'m>, CloseReason> {
        let now = self.clamp(now);
        if self.state.held.is_some() {
            return Ok(Request::Ignored(Ignored::Held));
        }
        self.state.heard = true;
        let outcome = if self.state.grant.is_expired(now) {
            Err(CloseReason::GrantExpired)
        } else if bytes > self.limits.message_bytes_max as usize {
            Err(CloseReason::TooBig)
        } else {
            self.judge(now, text)
        };
        outcome.inspect_err(|reason| self.refuse(now, *reason))
    }

    fn judge<'m>(
        &mut self,
        now: Instant,
        text: Option<&'m str>,
    ) -> Result<Request<'m>, CloseReason> {
        let parsed = text.and_then(|text| parse(text, self.limits.depth_max).ok());
        let within_rate = match parsed {
            Some(Parsed::Ping) => self.state.pings.take(now, self.limits.pings()),
            _ => self.state.messages.take(now, self.limits.messages()),
        };
        let Some(parsed) = parsed else {
            return self.note_invalid(now, within_rate);
        };
        self.state.invalid_in_a_row = 0;
        match parsed {
            Parsed::Ping if !within_rate => self.strike(now, Ignored::PingRate),
            _ if !within_rate => self.strike(now, Ignored::MessageRate),
            Parsed::Ping => Ok(Request::Ping),
            Parsed::Subscribe(names) => Ok(self.subscribe(names)),
            Parsed::Unsubscribe(names) => Ok(self.unsubscribe(names)),
            Parsed::Publish(publish) => self.publish(now, publish),
            Parsed::Meaningless => Ok(Request::Ignored(Ignored::Meaningless)),
        }
    }

    fn note_invalid<'m>(
        &mut self,
        now: Instant,
        within_rate: bool,
    ) -> Result<Request<'m>, CloseReason> {
        self.state.invalid_in_a_row = self.state.invalid_in_a_row.saturating_add(1);
        if self.state.invalid_in_a_row > self.limits.invalid_messages_max {
            return Err(CloseReason::Invalid);
        }
        if within_rate {
            Ok(Request::Ignored(Ignored::NotJson))
        } else {
            self.strike(now, Ignored::NotJson)
        }
    }

    /// Drops a message for a budget.
    fn strike<'m>(&mut self, now: Instant, why: Ignored) -> Result<Request<'m>, CloseReason> {
        if self.state.strikes.take(now, self.limits.strikes()) {
            Ok(Request::Ignored(why))
        } else {
            Err(CloseReason::RateLimited)
        }
    }

    fn subscribe<'m>(&mut self, names: Names<'m>) -> Request<'m> {
        let Self { limits, state } = self;
        let (mut topics, mut skipped) = (Vec::new(), 0);
        names.for_each(|topic| {
            let accepted = topic.filter(|topic| {
                topic.len() <= limits.topic_bytes_max as usize && state.grant.may_subscribe(topic)
            });
            let Some(topic) = accepted else {
                skipped += 1;
                return;
            };
            let Err(place) = state.place_of(&topic) else {
                return;
            };
            if state.topics.len() >= limits.topics_per_peer_max as usize {
                skipped += 1;
                return;
            }
            state.topics.insert(place, Box::from(&*topic));
            topics.push(topic);
        });
        Request::Subscribe { topics, skipped }
    }

    fn unsubscribe<'m>(&mut self, names: Names<'m>) -> Request<'m> {
        let mut topics: Vec<Cow<'m, str>> = Vec::new();
        names.for_each(|topic| {
            let Some(topic) = topic else { return };
            let Ok(place) = self.state.place_of(&topic) else {
                return;
            };
            self.state.topics.remove(place);
            topics.push(topic);
        });
        Request::Unsubscribe { topics }
    }

    fn publish<'m>(
        &mut self,
        now: Instant,
        publish: Publish<'m>,
    ) -> Result<Request<'m>, CloseReason> {
        if !self.state.grant.may_publish(publish.topic()) {
            return Ok(Request::Ignored(Ignored::NotGranted));
        }
        let rate: Rate = self.limits.fan_out();
        if self.state.fan_out.is_overdrawn(now, rate) {
            return self.strike(now, Ignored::FanOutRate);
        }
        Ok(Request::Publish(publish))
    }

    fn clamp(&mut self, now: Instant) -> Instant {
        self.state.latest = self.state.latest.max(now);
        self.state.latest
    }
}

impl State {
    fn place_of(&self, topic: &str) -> Result<usize, usize> {
        self.topics.binary_search_by(|known| (**known).cmp(topic))
    }
}

fn next_ping(limits: &Limits, now: Instant) -> Option<Instant> {
    (limits.ping_interval > Duration::ZERO).then(|| now.saturating_add(limits.ping_interval))
}

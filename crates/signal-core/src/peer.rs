use alloc::sync::Arc;
use core::mem;
use core::time::Duration;

use crate::bucket::Budgets;
use crate::json;
use crate::request::{Request, parse};
use crate::sorted_set::SortedSet;
use crate::{CloseReason, Grant, Hub, Ignored, Instant, Limits, Outcome, PeerSnapshot, Publish};

/// One connection's half of the protocol: reads and judges what one peer sends, and carries it out.
///
/// It belongs to the owner of the socket and needs no lock. What it lets through it does on the
/// [`Hub`] that its host lends to each call; a [`Room`](crate::Room) is peers and
/// [`Topics`](crate::Topics) together.
///
/// ```text
///            receive: too big, too many strikes or invalid messages
///            receive, handle_timeout: grant expired; refuse
///  Live ────────────────────────────────────────────────────────────► Held ── close_hold ──► Close(reason)
///   │                                                             in no topic; the host
///   └── nothing arrived between two pings ──► Close(TimedOut)      reads and sends nothing
/// ```
#[derive(Clone, Debug)]
pub struct Peer {
    limits: Arc<Limits>,
    state: State,
}

/// All of a peer but the limits it shares with others: what a snapshot keeps.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct State {
    pub(crate) grant: Grant,
    pub(crate) topics: SortedSet<Arc<str>>,
    /// The latest time seen; earlier ones are taken for it.
    pub(crate) latest: Instant,
    pub(crate) budgets: Budgets,
    /// When the next ping is due, or a held peer's close; `None` with pings switched off.
    pub(crate) due: Option<Instant>,
    pub(crate) invalid_in_a_row: u16,
    /// Whether anything arrived since the last ping.
    pub(crate) heard: bool,
    /// How long before `latest` the peer was last sent a pong, or connected.
    pub(crate) quiet_millis: u32,
    /// Why the peer has been refused and waits for its close.
    pub(crate) held: Option<CloseReason>,
}

/// What a deadline asks of the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alarm {
    /// Send a WebSocket ping.
    Ping,
    /// The peer has been refused and has left its topics: read and send nothing more, keep the
    /// socket open.
    Hold(CloseReason),
    /// Close the socket and drop this state.
    Close(CloseReason),
}

impl Peer {
    /// A peer that has just connected.
    pub fn new(limits: Arc<Limits>, grant: Grant, now: Instant) -> Self {
        let state = State {
            grant,
            latest: now,
            due: after(limits.ping_interval, now),
            heard: true,
            ..State::default()
        };
        Self { limits, state }
    }

    /// A peer as it was when [`snapshot`](Self::snapshot) was taken, subscribed anew to its topics.
    /// Its times keep their meaning only if the host's origin is the same, so a host that
    /// hibernates counts in Unix time.
    pub fn restore(limits: Arc<Limits>, snapshot: PeerSnapshot, hub: &mut impl Hub) -> Self {
        let state = snapshot.state;
        for topic in &*state.topics {
            // It was let in when there was room.
            hub.subscribe(topic, usize::MAX);
        }
        Self { limits, state }
    }

    /// Reads one text message, and does on `hub` what it asks for.
    pub fn receive(&mut self, now: Instant, text: &str, hub: &mut impl Hub) -> Outcome {
        self.receive_checked(now, text.len(), Some(text), hub)
    }

    /// Reads one binary message, which means what a text message of the same bytes would.
    pub fn receive_binary(&mut self, now: Instant, payload: &[u8], hub: &mut impl Hub) -> Outcome {
        self.receive_checked(now, payload.len(), core::str::from_utf8(payload).ok(), hub)
    }

    /// Refuses the peer for what the host has seen, such as a frame header that announces too long
    /// a message.
    ///
    /// It is held from now on, as after [`Outcome::Held`]. Refusing again changes nothing.
    pub fn refuse(&mut self, now: Instant, reason: CloseReason, hub: &mut impl Hub) {
        let now = self.advance(now);
        if self.state.held.is_none() {
            self.state.held = Some(reason);
            self.state.due = Some(now.saturating_add(self.limits.close_hold));
            self.leave(hub);
        }
    }

    /// Leaves all topics, for a connection that has ended or gets no more than its close. Leaving
    /// again does nothing.
    pub fn leave(&mut self, hub: &mut impl Hub) {
        let topics = mem::take(&mut self.state.topics);
        for topic in &*topics {
            hub.unsubscribe(topic);
        }
    }

    /// Charges a frame that is not a message: a WebSocket ping or pong with its payload; or, with
    /// zero, a fragment, whose payload counts with its message. It is a sign of life.
    ///
    /// `None` is for the host to go on, and to answer a ping. Otherwise the frame is past the
    /// budget and does nothing; a fragment still belongs to its message, unless the peer is held.
    pub fn receive_frame(
        &mut self,
        now: Instant,
        bytes: usize,
        hub: &mut impl Hub,
    ) -> Option<Outcome> {
        let now = self.advance(now);
        if self.is_held() {
            return Some(Outcome::Ignored(Ignored::Held));
        }
        self.state.heard = true;
        if self.take_bytes(cost(bytes)) {
            return None;
        }
        let verdict = self.strike(Ignored::ByteRate);
        Some(self.drop_message(now, verdict, hub))
    }

    /// Notes a sign of life that is not a message, for a host that does not see frames.
    pub fn pong(&mut self, now: Instant) {
        self.advance(now);
        self.state.heard = true;
    }

    /// Charges deliveries of which the host has learned since [`Hub::publish`] returned, such as
    /// those on other machines: how many, and the bytes of their messages together. They may
    /// overdraw the budgets, as those that it knew of.
    pub fn owe(&mut self, now: Instant, deliveries: u64, bytes: u64) {
        self.advance(now);
        let (budgets, framing) = (&mut self.state.budgets, deliveries.saturating_mul(cost(0)));
        budgets.fan_out.charge(deliveries);
        budgets.fan_out_bytes.charge(bytes.saturating_add(framing));
    }

    /// Acts on the deadline that [`poll_timeout`](Self::poll_timeout) names. Calling it early does
    /// nothing.
    pub fn handle_timeout(&mut self, now: Instant, hub: &mut impl Hub) -> Option<Alarm> {
        let now = self.advance(now);
        if !self.is_held() && self.state.grant.is_expired(now) {
            self.refuse(now, CloseReason::GrantExpired, hub);
            if self.limits.close_hold > Duration::ZERO {
                return Some(Alarm::Hold(CloseReason::GrantExpired));
            }
        }
        if !self.is_held() && self.keepalive().is_some_and(|due| due <= now) {
            self.state.quiet_millis = 0;
            hub.pong();
        }
        let due = self.state.due.filter(|due| *due <= now)?;
        if let Some(reason) = self.state.held {
            return Some(Alarm::Close(reason));
        }
        // A timer that fires a whole interval late says more about the host (it slept, its clock
        // jumped) than about the peer, whose pong may lie unread in the socket.
        let is_late = now.saturating_since(due) >= self.limits.ping_interval;
        if !self.state.heard && !is_late {
            self.leave(hub);
            return Some(Alarm::Close(CloseReason::TimedOut));
        }
        self.state.heard = false;
        self.state.due = after(self.limits.ping_interval, now);
        Some(Alarm::Ping)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do next, if ever.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_held() {
            return self.state.due;
        }
        let deadlines = [self.state.due, self.state.grant.expires(), self.keepalive()];
        deadlines.into_iter().flatten().min()
    }

    /// The topics the peer is subscribed to, sorted.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &str> {
        self.state.topics.iter().map(|topic| &**topic)
    }

    /// Whether the peer has been refused and waits for its close.
    pub const fn is_held(&self) -> bool {
        self.state.held.is_some()
    }

    /// The whole state, for a host that may lose its memory.
    pub fn snapshot(&self) -> PeerSnapshot {
        let state = self.state.clone();
        PeerSnapshot { state }
    }

    fn receive_checked(
        &mut self,
        now: Instant,
        bytes: usize,
        text: Option<&str>,
        hub: &mut impl Hub,
    ) -> Outcome {
        let now = self.advance(now);
        match self.judge(now, bytes, text) {
            Ok(request) => self.carry_out(bytes, request, hub),
            Err(verdict) => self.drop_message(now, verdict, hub),
        }
    }

    /// Reads a message and spends its budgets. What it returns is to be done.
    fn judge<'m>(
        &mut self,
        now: Instant,
        bytes: usize,
        text: Option<&'m str>,
    ) -> Result<Request<'m>, Verdict> {
        if self.is_held() {
            return Err(Verdict::Ignored(Ignored::Held));
        }
        self.state.heard = true;
        if self.state.grant.is_expired(now) {
            return Err(Verdict::Refused(CloseReason::GrantExpired));
        }
        if bytes > self.limits.message_bytes_max as usize {
            return Err(Verdict::Refused(CloseReason::TooBig));
        }
        let request = text.and_then(|text| parse(text, self.limits.depth_max).ok());
        let is_ping = matches!(request, Some(Request::Ping));
        let past = self.spend(is_ping, cost(bytes));
        let Some(request) = request else {
            return Err(self.note_invalid(past.is_some()));
        };
        self.state.invalid_in_a_row = 0;
        if let Some(why) = past {
            return Err(self.strike(why));
        }
        if let Request::Publish(publish) = &request {
            self.judge_publish(publish)?;
        }
        Ok(request)
    }

    /// Charges a message. Says which budget it is past, if it is.
    fn spend(&mut self, is_ping: bool, cost: u64) -> Option<Ignored> {
        let Self { limits, state } = self;
        if is_ping {
            if !state.budgets.pings.take(limits.pings_burst) {
                return Some(Ignored::PingRate);
            }
            // Charged, and never dropped for what else the peer has sent.
            state.budgets.bytes.charge(cost);
            None
        } else if !state.budgets.messages.take(limits.messages_burst) {
            Some(Ignored::MessageRate)
        } else {
            (!self.take_bytes(cost)).then_some(Ignored::ByteRate)
        }
    }

    /// A message may overdraw the budget; what comes next waits for the debt to be paid.
    fn take_bytes(&mut self, cost: u64) -> bool {
        let bytes = &mut self.state.budgets.bytes;
        let is_there = !bytes.is_spent(self.limits.bytes_burst.into());
        if is_there {
            bytes.charge(cost);
        }
        is_there
    }

    fn judge_publish(&mut self, publish: &Publish<'_>) -> Result<(), Verdict> {
        let (limits, budgets) = (&self.limits, &self.state.budgets);
        if !self.state.grant.may_publish(publish.topic()) {
            Err(Verdict::Ignored(Ignored::NotGranted))
        } else if budgets.fan_out.is_spent(limits.fan_out_burst.into()) {
            Err(self.strike(Ignored::FanOutRate))
        } else if budgets.fan_out_bytes.is_spent(limits.fan_out_bytes_burst) {
            Err(self.strike(Ignored::FanOutByteRate))
        } else {
            Ok(())
        }
    }

    fn note_invalid(&mut self, is_past: bool) -> Verdict {
        self.state.invalid_in_a_row = self.state.invalid_in_a_row.saturating_add(1);
        if self.state.invalid_in_a_row > self.limits.invalid_messages_max {
            Verdict::Refused(CloseReason::Invalid)
        } else if is_past {
            self.strike(Ignored::NotJson)
        } else {
            Verdict::Ignored(Ignored::NotJson)
        }
    }

    /// Drops a message for a budget.
    fn strike(&mut self, why: Ignored) -> Verdict {
        if self.state.budgets.strikes.take(self.limits.strikes_burst) {
            Verdict::Ignored(why)
        } else {
            Verdict::Refused(CloseReason::RateLimited)
        }
    }

    fn drop_message(&mut self, now: Instant, verdict: Verdict, hub: &mut impl Hub) -> Outcome {
        match verdict {
            Verdict::Ignored(why) => Outcome::Ignored(why),
            Verdict::Refused(reason) => {
                self.refuse(now, reason, hub);
                Outcome::Held(reason)
            }
        }
    }

    fn carry_out(&mut self, bytes: usize, request: Request<'_>, hub: &mut impl Hub) -> Outcome {
        match request {
            Request::Subscribe(names) => self.subscribe(names, hub),
            Request::Unsubscribe(names) => self.unsubscribe(names, hub),
            Request::Publish(publish) if self.is_kept_out(publish.topic(), hub) => {
                Outcome::Ignored(Ignored::Full)
            }
            Request::Publish(publish) => {
                let deliveries = hub.publish(&publish);
                let (count, budgets) = (deliveries as u64, &mut self.state.budgets);
                budgets.fan_out.charge(count);
                let bytes = count.saturating_mul(cost(bytes));
                budgets.fan_out_bytes.charge(bytes);
                Outcome::Published { deliveries }
            }
            Request::Ping => {
                self.state.quiet_millis = 0;
                hub.pong();
                Outcome::Ponged
            }
            Request::Meaningless => Outcome::Ignored(Ignored::Meaningless),
        }
    }

    /// Whether the topic is full of others: who is not let in is not heard either.
    fn is_kept_out(&self, topic: &str, hub: &impl Hub) -> bool {
        let granted = self.state.grant.clients_max_of(topic);
        let (max, _) = self.limits.clients_max(granted);
        max < usize::MAX && self.state.place_of(topic).is_err() && hub.subscribers(topic) >= max
    }

    fn subscribe(&mut self, names: &str, hub: &mut impl Hub) -> Outcome {
        let Self { limits, state } = self;
        let mut bytes: usize = state.topics.iter().map(|topic| topic.len()).sum();
        let (mut topics, mut skipped, mut limit) = (0, 0, None);
        let mut names = json::strings(names);
        for name in &mut names {
            // What is past the limit is not worked on: a message has room for thousands.
            if state.topics.len() >= limits.topics_per_peer_max as usize {
                skipped += 1 + names.count();
                limit = limit.or(Some("topics_per_peer_max"));
                break;
            }
            let topic = json::decode(name).filter(|topic| state.grant.may_subscribe(topic));
            let Some(topic) = topic else {
                skipped += 1;
                continue;
            };
            let Err(place) = state.place_of(&topic) else {
                continue;
            };
            let met = limits.met_by_topic(topic.len(), bytes);
            let (max, said_by) = limits.clients_max(state.grant.clients_max_of(&topic));
            let topic = Arc::from(topic);
            let is_full = met.is_none() && !hub.subscribe(&topic, max);
            if let Some(met) = met.or(is_full.then_some(said_by)) {
                skipped += 1;
                limit = limit.or(Some(met));
                continue;
            }
            bytes += topic.len();
            state.topics.insert(place, topic);
            topics += 1;
        }
        Outcome::Subscribed {
            topics,
            skipped,
            limit,
        }
    }

    fn unsubscribe(&mut self, names: &str, hub: &mut impl Hub) -> Outcome {
        let mut topics = 0;
        for topic in json::strings(names).filter_map(json::decode) {
            if let Ok(place) = self.state.place_of(&topic) {
                self.state.topics.remove(place);
                hub.unsubscribe(&topic);
                topics += 1;
            }
        }
        Outcome::Unsubscribed { topics }
    }

    /// When the peer is sent a pong that it did not ask for.
    fn keepalive(&self) -> Option<Instant> {
        let quiet = self.state.quiet_millis.into();
        let ponged = self.state.latest.as_millis().saturating_sub(quiet);
        after(self.limits.keepalive_interval, Instant::from_millis(ponged))
    }

    /// The time as the peer knows it, which never goes back. Budgets refill with it.
    #[inline]
    fn advance(&mut self, now: Instant) -> Instant {
        if now > self.state.latest {
            self.pass_time(now);
        }
        self.state.latest
    }

    fn pass_time(&mut self, now: Instant) {
        let Self { limits, state } = self;
        let millis = now.as_millis() - state.latest.as_millis();
        state.budgets.refill(millis, limits);
        let quiet = millis.saturating_add(state.quiet_millis.into());
        state.quiet_millis = u32::try_from(quiet).unwrap_or(u32::MAX);
        state.latest = now;
    }
}

/// What a frame costs of a budget of bytes: its payload, and its handling.
fn cost(bytes: usize) -> u64 {
    const FRAME: u64 = 32;
    FRAME.saturating_add(bytes as u64)
}

/// Why a message is not carried out.
enum Verdict {
    Ignored(Ignored),
    Refused(CloseReason),
}

impl State {
    fn place_of(&self, topic: &str) -> Result<usize, usize> {
        self.topics.binary_search_by(|known| (**known).cmp(topic))
    }
}

/// The end of an interval, unless it is zero, which is none.
fn after(interval: Duration, start: Instant) -> Option<Instant> {
    (interval > Duration::ZERO).then(|| start.saturating_add(interval))
}

//! A naive relay on `serde_json`, in memory and with a virtual clock, right unless it is given a fault.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use signal_conformance::{Event, Grant};

use crate::fault::{Fault, Faults};
use crate::message::{Members, depth, text, topic};

pub(crate) type PeerId = u64;

/// The limits in force; see `declared` in `backend.rs` for their names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) fan_out_burst: u64,
    pub(crate) fan_out_per_second: u64,
}

pub(crate) const MESSAGE_BYTES_MAX: usize = 4096 * 16;
pub(crate) const DEPTH_MAX: usize = 64;
pub(crate) const TOPICS_PER_PEER_MAX: usize = 50;
pub(crate) const TOPIC_BYTES_MAX: usize = 256;
pub(crate) const MESSAGES_BURST: u64 = 600;
pub(crate) const MESSAGES_PER_SECOND: u64 = 50;
pub(crate) const PINGS_BURST: u64 = 5;
pub(crate) const PINGS_PER_SECOND: u64 = 1;
pub(crate) const STRIKES_BURST: u64 = 200;
pub(crate) const STRIKES_PER_SECOND: u64 = 1;
pub(crate) const INVALID_MESSAGES_MAX: u64 = 5;
pub(crate) const OUTBOUND_BYTES_MAX: usize = 1 << 20;
pub(crate) const PING_INTERVAL: u64 = 30_000;
pub(crate) const CLOSE_HOLD: u64 = 2_000;

/// The whole relay.
pub(crate) struct Relay {
    pub(crate) now: u64,
    pub(crate) faults: Faults,
    pub(crate) peers: BTreeMap<PeerId, Peer>,
    limits: Limits,
    /// What faults need to remember.
    history: Vec<(String, String)>,
    ghosts: BTreeMap<String, BTreeSet<String>>,
    shared_messages: Budget,
}

pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) paused: bool,
    pub(crate) ended: bool,
    pub(crate) topics: Vec<String>,
    grant: Option<Grant>,
    expires: Option<u64>,
    next_ping: u64,
    heard: bool,
    invalid: u64,
    refused: Option<(u64, u16)>,
    messages: Budget,
    pings: Budget,
    fan_out: Budget,
    strikes: Budget,
    ungranted: usize,
    late: Vec<String>,
    unsubscribed: Vec<String>,
}

/// A bucket of tokens that fills with time.
#[derive(Clone, Copy)]
struct Budget {
    left: f64,
    at: u64,
    burst: u64,
    per_second: u64,
}

impl Budget {
    fn new(now: u64, burst: u64, per_second: u64) -> Self {
        Self {
            left: burst as f64,
            at: now,
            burst,
            per_second,
        }
    }

    /// Whether there is room; takes all of `cost` even if that overdraws.
    fn take(&mut self, now: u64, cost: u64, refills: bool) -> bool {
        if refills {
            let filled = self.left + (now - self.at) as f64 * self.per_second as f64 / 1000.0;
            self.left = filled.min(self.burst as f64);
        }
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= cost as f64;
        true
    }
}

impl Relay {
    pub(crate) fn new(faults: Faults, limits: Limits) -> Self {
        let shared_messages = Budget::new(0, MESSAGES_BURST, MESSAGES_PER_SECOND);
        let (peers, ghosts) = (BTreeMap::new(), BTreeMap::new());
        Self {
            now: 0,
            faults,
            peers,
            limits,
            history: Vec::new(),
            ghosts,
            shared_messages,
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.has(fault)
    }

    pub(crate) fn connect(&mut self, name: &str, grant: Option<Grant>) -> PeerId {
        let id = self.peers.keys().next_back().map_or(0, |last| last + 1);
        let now = self.now;
        let early = if self.has(Fault::ExpiryTooEarly) {
            5_000
        } else {
            0
        };
        let remembers =
            self.has(Fault::SubscriptionsOutliveConnection) || self.has(Fault::RestartRemembers);
        let topics = if remembers {
            self.ghosts.remove(name).unwrap_or_default()
        } else {
            BTreeSet::new()
        };
        let peer = Peer {
            name: name.to_owned(),
            inbox: VecDeque::new(),
            paused: false,
            ended: false,
            topics: topics.into_iter().collect(),
            expires: grant
                .as_ref()
                .and_then(|grant| grant.expires_in_ms)
                .map(|ms| now + ms - early),
            grant,
            next_ping: now + PING_INTERVAL,
            heard: true,
            invalid: 0,
            refused: None,
            messages: Budget::new(now, MESSAGES_BURST, MESSAGES_PER_SECOND),
            pings: Budget::new(now, PINGS_BURST, PINGS_PER_SECOND),
            fan_out: Budget::new(
                now,
                self.limits.fan_out_burst,
                self.limits.fan_out_per_second,
            ),
            strikes: Budget::new(now, STRIKES_BURST, STRIKES_PER_SECOND),
            ungranted: 0,
            late: Vec::new(),
            unsubscribed: Vec::new(),
        };
        self.peers.insert(id, peer);
        id
    }

    pub(crate) fn receive_binary(&mut self, id: PeerId, bytes: &[u8]) {
        if self.has(Fault::BinaryIgnored) {
            return;
        }
        if self.has(Fault::InvalidUtf8Repaired) {
            return self.receive(id, &String::from_utf8_lossy(bytes));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.receive(id, text),
            Err(_) => self.receive(id, "no text"),
        }
        if self.has(Fault::BinaryAnsweredAsBinary) {
            if let Some(Event::Text(text)) = self.peers[&id].inbox.back().cloned() {
                self.peer(id).inbox.pop_back();
                self.peer(id)
                    .inbox
                    .push_back(Event::Binary(text.into_bytes()));
            }
        }
    }

    pub(crate) fn receive(&mut self, id: PeerId, message: &str) {
        let faults = self.faults;
        let peer = self.peer(id);
        if peer.ended || peer.refused.is_some() && !faults.has(Fault::RefusedPeerRead) {
            return;
        }
        peer.heard |= !faults.has(Fault::OnlyPongsAreLife);
        let late = std::mem::take(&mut peer.late);
        let max = MESSAGE_BYTES_MAX - usize::from(faults.has(Fault::MessageLimitOffByOne));
        if message.len() > max && !faults.has(Fault::MessageLimitMissing) {
            return self.refuse(id, 1009);
        }
        let mut message = message;
        if faults.has(Fault::ByteOrderMarkSkipped) {
            message = message.trim_start_matches('\u{feff}');
        }
        let off_by_one = usize::from(faults.has(Fault::DepthOffByOne));
        let too_deep =
            depth(message, faults) > DEPTH_MAX - off_by_one && !faults.has(Fault::DepthUnlimited);
        // Raw values are checked without recursion, so that any depth can be read.
        let is_json = serde_json::from_str::<&serde_json::value::RawValue>(message).is_ok();
        if too_deep || !is_json {
            self.no_json(id);
        } else {
            if !faults.has(Fault::NoJsonNotForgotten) {
                self.peer(id).invalid = 0;
            }
            match serde_json::from_str::<Members>(message) {
                Ok(members) => self.request(id, &members),
                Err(_) if self.has(Fault::NoObjectAnswered) => self.send(id, r#"{"type":"error"}"#),
                Err(_) => {}
            }
        }
        if !late.is_empty() {
            self.peer(id).topics.extend(late);
        }
    }

    fn no_json(&mut self, id: PeerId) {
        if self.has(Fault::NoJsonAnswered) {
            self.send(id, r#"{"type":"error"}"#);
        }
        if self.has(Fault::NoJsonEndsAll) {
            let all: Vec<_> = self.peers.keys().copied().collect();
            return all.into_iter().for_each(|id| self.end(id, 1006));
        }
        let max = if self.has(Fault::NoJsonNotBorne) {
            0
        } else {
            INVALID_MESSAGES_MAX
        };
        let unlimited = self.has(Fault::NoJsonUnlimited);
        let peer = self.peer(id);
        peer.invalid += 1;
        if peer.invalid > max && !unlimited {
            self.refuse(id, 1007);
        }
    }

    fn request(&mut self, id: PeerId, members: &Members) {
        let faults = self.faults;
        let mut kind = members
            .value("type", faults)
            .and_then(text)
            .unwrap_or_default();
        if faults.has(Fault::TypeCaseFolded) {
            kind = kind.to_lowercase();
        }
        let is_ping = kind == "ping" && !faults.has(Fault::PingsShareTheBudget);
        if is_ping && faults.has(Fault::PingsUnlimited) {
            return self.ping(id, members);
        }
        let (now, refills) = (self.now, !faults.has(Fault::MessagesNeverRefilled));
        let within = if faults.has(Fault::MessagesBudgetShared) && !is_ping {
            self.shared_messages.take(now, 1, refills)
        } else {
            let peer = self.peer(id);
            if is_ping {
                peer.pings.take(now, 1, true)
            } else {
                peer.messages.take(now, 1, refills)
            }
        };
        if !within && !faults.has(Fault::MessagesUnlimited) {
            return self.strike(id);
        }
        match kind.as_str() {
            "subscribe" => self.subscribe(id, members),
            "unsubscribe" => self.unsubscribe(id, members),
            "publish" => self.publish(id, members),
            "ping" => self.ping(id, members),
            "pong" if faults.has(Fault::PongFromClientAnswered) => {
                self.send(id, r#"{"type":"ping"}"#)
            }
            "pong" => {}
            _ if faults.has(Fault::UnknownTypeAnswered) => self.send(id, r#"{"type":"error"}"#),
            _ => {}
        }
    }

    fn strike(&mut self, id: PeerId) {
        let (now, unlimited) = (self.now, self.has(Fault::StrikesUnlimited));
        if !self.peer(id).strikes.take(now, 1, true) && !unlimited {
            self.refuse(id, 4429);
        }
    }

    fn topics_of(&self, members: &Members, kind: Fault) -> Vec<String> {
        let faults = self.faults;
        let single = |raw: &str| {
            topic(raw, faults)
                .into_iter()
                .filter(|_| raw.starts_with('"'))
                .collect()
        };
        let singular = members.value("topic", faults);
        let several = members.value("topics", faults);
        if let (Some(raw), true) = (singular, faults.has(Fault::SingularTopicDecides)) {
            return single(raw);
        }
        let Some(several) = several else {
            return singular
                .filter(|_| !faults.has(Fault::SingularTopicIgnored))
                .map_or_else(Vec::new, single);
        };
        if several.starts_with('"') && faults.has(kind) {
            return single(several);
        }
        let Ok(entries) = serde_json::from_str::<Vec<Box<serde_json::value::RawValue>>>(several)
        else {
            return Vec::new();
        };
        if faults.has(Fault::OddEntriesSpoilTheRest)
            && entries.iter().any(|entry| text(entry.get()).is_none())
        {
            return Vec::new();
        }
        let strings = entries.iter().filter(|entry| entry.get().starts_with('"'));
        strings
            .filter_map(|entry| topic(entry.get(), faults))
            .collect()
    }

    fn subscribe(&mut self, id: PeerId, members: &Members) {
        let faults = self.faults;
        let topics = self.topics_of(members, Fault::TopicsStringSubscribed);
        let spoilt = topics.iter().any(|topic| topic.len() > TOPIC_BYTES_MAX);
        let peer = self.peer(id);
        if faults.has(Fault::SubscribeReplaces) {
            peer.topics.clear();
        }
        for topic in topics {
            if !granted(&peer.grant, |grant| &grant.subscribe, &topic, faults) {
                peer.ungranted += usize::from(faults.has(Fault::UngrantedTopicsCounted));
                continue;
            }
            if spoilt
                && (topic.len() > TOPIC_BYTES_MAX || faults.has(Fault::TooLongTopicSpoilsTheRest))
            {
                continue;
            }
            let known =
                peer.topics.contains(&topic) && !faults.has(Fault::SubscribedTwiceCountsTwice);
            let full = peer.topics.len() + peer.ungranted >= TOPICS_PER_PEER_MAX;
            if known || full && !faults.has(Fault::TopicsUnlimited) {
                continue;
            }
            if faults.has(Fault::SubscribeLate) {
                peer.late.push(topic);
            } else {
                peer.topics.push(topic);
            }
        }
        let new = self.peers[&id].topics.last().cloned().unwrap_or_default();
        if self.has(Fault::HistoryReplayed) {
            let old: Vec<_> = self
                .history
                .iter()
                .filter(|(topic, _)| *topic == new)
                .cloned()
                .collect();
            old.into_iter()
                .for_each(|(_, message)| self.send(id, &message));
        }
        if self.has(Fault::SubscribeAnswered) {
            self.send(id, r#"{"type":"subscribed"}"#);
        }
        if self.has(Fault::SubscribeAnnounced) {
            let others: Vec<_> = self
                .subscribers(&new)
                .into_iter()
                .filter(|other| *other != id)
                .collect();
            others
                .into_iter()
                .for_each(|other| self.send(other, r#"{"type":"joined"}"#));
        }
    }

    fn unsubscribe(&mut self, id: PeerId, members: &Members) {
        let topics = self.topics_of(members, Fault::TopicsStringUnsubscribed);
        if self.has(Fault::UnsubscribeIgnored) {
            return;
        }
        let (ends_all, keeps) = (
            self.has(Fault::UnsubscribeEndsAll),
            self.has(Fault::CountStaleAfterUnsubscribe),
        );
        let others = self.has(Fault::UnsubscribeEndsOthers);
        for (other, peer) in &mut self.peers {
            if *other != id && !others {
                continue;
            }
            peer.topics
                .retain(|topic| !topics.contains(topic) && !ends_all);
            if keeps || *other == id {
                peer.unsubscribed.extend(topics.clone());
            }
        }
    }

    fn publish(&mut self, id: PeerId, members: &Members) {
        let faults = self.faults;
        let raw = members.value("topic", faults).unwrap_or("null");
        let several = self.topics_of(members, Fault::TopicsOfPublishUsed).pop();
        let several = several.filter(|_| faults.has(Fault::TopicsOfPublishUsed));
        let Some(topic) = topic(raw, faults).or(several) else {
            return;
        };
        let special = topic == "__proto__" && faults.has(Fault::ProtoIsSpecial);
        if special || topic.is_empty() && !faults.has(Fault::EmptyTopicPublished) {
            return;
        }
        if topic == "constructor" && faults.has(Fault::ConstructorIsSpecial) {
            self.send(
                id,
                r#"{"type":"error","message":"subscribers is not iterable"}"#,
            );
        }
        let may = granted(
            &self.peers[&id].grant,
            |grant| &grant.publish,
            &topic,
            faults,
        );
        if !may && !faults.has(Fault::GrantOfPublishIgnored) {
            return;
        }
        let mut to = self.subscribers(&topic);
        if faults.has(Fault::DeliveredToAll) {
            to = self
                .peers
                .iter()
                .filter(|(_, peer)| !peer.ended)
                .map(|(id, _)| *id)
                .collect();
        }
        let is_subscriber = to.contains(&id);
        if faults.has(Fault::PublisherMustSubscribe) && !is_subscriber {
            return;
        }
        let (now, cost) = (self.now, to.len() as u64);
        let peer = self.peer(id);
        let too_dear = faults.has(Fault::FanOutNeverOverdrawn) && peer.fan_out.left < cost as f64;
        if (too_dear || !peer.fan_out.take(now, cost, true)) && !faults.has(Fault::FanOutUnlimited)
        {
            return self.strike(id);
        }
        let stale = self.peers.values().filter(|peer| {
            peer.unsubscribed.contains(&topic) && faults.has(Fault::CountStaleAfterUnsubscribe)
                || peer.ended && peer.topics.contains(&topic)
        });
        let mut clients = to.len() + stale.count();
        clients += usize::from(faults.has(Fault::CountsPublisherToo) && !is_subscriber);
        clients -= usize::from(faults.has(Fault::CountsOthersOnly) && is_subscriber);
        let message = members.relay(clients, faults);
        self.history.push((topic.clone(), message.clone()));
        if faults.has(Fault::EchoSuppressed) {
            to.retain(|peer| *peer != id);
        }
        for peer in to {
            self.deliver(peer, &topic, &message);
            if faults.has(Fault::DeliveredTwice) {
                self.deliver(peer, &topic, &message);
            }
        }
        if faults.has(Fault::PublishAnswered) {
            self.send(id, r#"{"type":"published"}"#);
        }
    }

    fn ping(&mut self, id: PeerId, members: &Members) {
        let faults = self.faults;
        let pong = match members.0.iter().find(|(name, _)| name == "\"id\"") {
            Some((_, value)) if faults.has(Fault::PongWithExtraMembers) => {
                format!(r#"{{"type":"pong","id":{value}}}"#)
            }
            _ if faults.has(Fault::PongWithSpace) => r#"{"type": "pong"}"#.to_owned(),
            _ => r#"{"type":"pong"}"#.to_owned(),
        };
        if faults.has(Fault::PingIgnored) {
            return;
        }
        if faults.has(Fault::PingsOvertake) {
            return self.peer(id).inbox.push_front(Event::Text(pong));
        }
        self.send(id, &pong);
        if faults.has(Fault::PongTwice) {
            self.send(id, &pong);
        }
        if faults.has(Fault::PongToAll) {
            let others: Vec<_> = self
                .peers
                .keys()
                .copied()
                .filter(|other| *other != id)
                .collect();
            others.into_iter().for_each(|other| self.send(other, &pong));
        }
    }

    fn subscribers(&self, topic: &str) -> Vec<PeerId> {
        let faults = self.faults;
        let listens = |subscribed: &String| {
            subscribed == topic
                || faults.has(Fault::PrefixMatches) && topic.starts_with(subscribed.as_str())
                || faults.has(Fault::WildcardsMatch)
                    && subscribed
                        .strip_suffix('*')
                        .is_some_and(|start| topic.starts_with(start))
        };
        let served = self.peers.iter().filter(|(_, peer)| {
            !peer.ended && (peer.refused.is_none() || faults.has(Fault::RefusedPeerCounted))
        });
        served
            .flat_map(|(id, peer)| {
                peer.topics
                    .iter()
                    .filter(|topic| listens(topic))
                    .map(|_| *id)
            })
            .collect()
    }

    fn deliver(&mut self, to: PeerId, topic: &str, message: &str) {
        let faults = self.faults;
        let inbox = &mut self.peer(to).inbox;
        let before = match inbox.back() {
            _ if faults.has(Fault::NewestFirst) => 0,
            Some(Event::Text(last))
                if faults.has(Fault::OrderOnlyPerTopic)
                    && !last.contains(&format!("\"{topic}\"")) =>
            {
                inbox.len() - 1
            }
            Some(_) if faults.has(Fault::OrderDiffersBetweenReceivers) && to % 2 == 1 => {
                inbox.len() - 1
            }
            _ => inbox.len(),
        };
        inbox.insert(before, Event::Text(message.to_owned()));
        self.check_reader(to);
    }

    fn send(&mut self, to: PeerId, message: &str) {
        let peer = self.peer(to);
        if !peer.ended && peer.refused.is_none() {
            peer.inbox.push_back(Event::Text(message.to_owned()));
        }
        self.check_reader(to);
    }

    /// Ends a peer that does not read.
    fn check_reader(&mut self, id: PeerId) {
        let kept = self.has(Fault::SlowReaderKept);
        let peer = self.peer(id);
        let waiting = peer
            .inbox
            .iter()
            .filter_map(|event| event.text().map(str::len));
        if peer.paused && !kept && waiting.sum::<usize>() > OUTBOUND_BYTES_MAX {
            peer.inbox.clear();
            self.end(id, 1013);
        }
    }

    /// Ends subscriptions at once, and the connection after the hold.
    fn refuse(&mut self, id: PeerId, code: u16) {
        let until = self.now + CLOSE_HOLD;
        let counted = self.has(Fault::RefusedPeerCounted) || self.has(Fault::RefusedPeerRead);
        let peer = self.peer(id);
        if peer.refused.is_none() {
            peer.refused = Some((until, code));
            if !counted {
                peer.topics.clear();
            }
        }
    }

    pub(crate) fn close(&mut self, id: PeerId, code: u16) {
        let code = if self.has(Fault::CloseCodeNotEchoed) {
            1000
        } else {
            code
        };
        if self.has(Fault::CloseEndsOthers) {
            let all: Vec<_> = self.peers.keys().copied().collect();
            all.into_iter().for_each(|other| self.end(other, code));
        }
        if self.has(Fault::LastPublishLostOnClose) {
            for (_, peer) in self.peers.iter_mut().filter(|(other, _)| **other != id) {
                peer.inbox.pop_back();
            }
        }
        let keeps = self.has(Fault::CountStaleAfterClose);
        self.leave(id, code, keeps);
    }

    pub(crate) fn abort(&mut self, id: PeerId) {
        let keeps = self.has(Fault::CountStaleAfterAbort);
        self.leave(id, 1006, keeps);
    }

    fn leave(&mut self, id: PeerId, code: u16, keeps: bool) {
        let topics = self.peers[&id].topics.clone();
        self.end(id, code);
        if keeps {
            self.peer(id).topics = topics;
        }
    }

    pub(crate) fn end(&mut self, id: PeerId, code: u16) {
        let peer = self.peers.get_mut(&id).expect("peers are never removed");
        if peer.ended {
            return;
        }
        peer.ended = true;
        peer.inbox.push_back(Event::Closed {
            code,
            reason: String::new(),
        });
        let (name, topics) = (peer.name.clone(), std::mem::take(&mut peer.topics));
        self.ghosts.insert(name, topics.into_iter().collect());
    }

    pub(crate) fn hibernate(&mut self) {
        let (now, faults) = (self.now, self.faults);
        for peer in self.peers.values_mut() {
            if faults.has(Fault::HibernationForgetsSubscriptions) {
                peer.topics.clear();
            }
            if faults.has(Fault::HibernationRevivesUnsubscribed) {
                peer.topics.append(&mut peer.unsubscribed);
            }
            if faults.has(Fault::HibernationForgetsBudgets) {
                peer.messages = Budget::new(now, MESSAGES_BURST, MESSAGES_PER_SECOND);
                peer.strikes = Budget::new(now, STRIKES_BURST, STRIKES_PER_SECOND);
            }
        }
    }

    /// When the next timer is due.
    pub(crate) fn next_timer(&self) -> Option<u64> {
        let live = self.peers.values().filter(|peer| !peer.ended);
        live.flat_map(|peer| {
            [
                Some(peer.next_ping),
                peer.refused.map(|(until, _)| until),
                peer.expires,
            ]
        })
        .flatten()
        .min()
    }

    /// Acts on all timers that are due.
    pub(crate) fn handle_timers(&mut self) {
        let (now, faults) = (self.now, self.faults);
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            let peer = self.peer(id);
            if peer.ended {
                continue;
            }
            if let Some((_, code)) = peer.refused.filter(|(until, _)| *until <= now) {
                self.end(id, code);
                continue;
            }
            if peer.expires.is_some_and(|expires| expires <= now) {
                peer.expires = None;
                if !faults.has(Fault::ExpiryIgnored) {
                    self.refuse(id, 4401);
                }
                continue;
            }
            if peer.next_ping <= now {
                peer.next_ping += PING_INTERVAL;
                let idle = peer.topics.is_empty() && faults.has(Fault::IdlePeerClosed);
                if !peer.heard && !faults.has(Fault::VanishedPeerKept) || idle {
                    self.end(id, 4408);
                    continue;
                }
                peer.heard = !peer.paused && !faults.has(Fault::PongsAreNoLife);
            }
        }
    }

    pub(crate) fn peer(&mut self, id: PeerId) -> &mut Peer {
        self.peers.get_mut(&id).expect("peers are never removed")
    }
}

/// Whether a grant allows a topic.
fn granted(
    grant: &Option<Grant>,
    right: impl Fn(&Grant) -> &Vec<String>,
    topic: &str,
    faults: Faults,
) -> bool {
    let Some(grant) = grant else { return true };
    let is_subscribe = std::ptr::eq(right(grant), &grant.subscribe);
    if is_subscribe && faults.has(Fault::GrantOfSubscribeIgnored) {
        return true;
    }
    let mut patterns = right(grant).clone();
    if faults.has(Fault::GrantRightsMixed) {
        patterns = [grant.subscribe.clone(), grant.publish.clone()].concat();
    }
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => {
                topic.starts_with(start)
                    || faults.has(Fault::GrantMatchesShorterTopics) && start.starts_with(topic)
            }
            None if faults.has(Fault::GrantIsPrefix) => topic.starts_with(pattern.as_str()),
            None if faults.has(Fault::GrantCaseFolded) => topic.eq_ignore_ascii_case(pattern),
            None => topic == pattern,
        })
}

//! A naive relay on `serde_json`, in memory and with a virtual clock, right unless it is given a
//! fault. Here is what it knows, and how messages come in and go out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use signal_conformance::{Event, Grant};

use crate::fault::{Fault, Faults};
use crate::limits::{
    Budget, DEPTH_MAX, FRAME_COST, INVALID_MESSAGES_MAX, Limits, MESSAGE_BYTES_MAX, MESSAGES_BURST,
    MESSAGES_PER_SECOND, OUTBOUND_BYTES_MAX, PING_INTERVAL, PINGS_BURST, PINGS_PER_SECOND,
    STRIKES_BURST, STRIKES_PER_SECOND,
};
use crate::message::{Members, depth};
use crate::nodes::Nodes;

pub(crate) type PeerId = u64;

/// The whole relay.
pub(crate) struct Relay {
    pub(crate) now: u64,
    pub(crate) faults: Faults,
    pub(crate) peers: BTreeMap<PeerId, Peer>,
    pub(crate) draining: bool,
    pub(crate) nodes: Nodes,
    pub(crate) limits: Limits,
    /// What faults need to remember.
    pub(crate) history: Vec<(String, String)>,
    pub(crate) ghosts: BTreeMap<String, BTreeSet<String>>,
    pub(crate) shared_messages: Budget,
    pub(crate) shared_bytes: Budget,
}

pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) node: usize,
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) paused: bool,
    pub(crate) ended: bool,
    pub(crate) topics: Vec<String>,
    pub(crate) grant: Option<Grant>,
    pub(crate) subject: Option<String>,
    pub(crate) expires: Option<u64>,
    pub(crate) next_ping: u64,
    pub(crate) ponged: u64,
    pub(crate) heard: bool,
    pub(crate) invalid: u64,
    pub(crate) refused: Option<(u64, u16)>,
    pub(crate) messages: Budget,
    pub(crate) pings: Budget,
    pub(crate) fan_out: Budget,
    pub(crate) bytes: Budget,
    pub(crate) fan_out_bytes: Budget,
    /// What the message that is handled costs of those two.
    pub(crate) cost: u64,
    pub(crate) strikes: Budget,
    pub(crate) ungranted: usize,
    pub(crate) late: Vec<String>,
    pub(crate) unsubscribed: Vec<String>,
    /// Subscribed, and not known on other nodes yet.
    pub(crate) fresh: BTreeSet<String>,
}

impl Relay {
    pub(crate) fn new(faults: Faults, limits: Limits) -> Self {
        let shared_messages = Budget::new(0, MESSAGES_BURST, MESSAGES_PER_SECOND);
        let shared_bytes = Budget::new(0, limits.bytes_burst, limits.bytes_per_second);
        let (peers, ghosts) = (BTreeMap::new(), BTreeMap::new());
        Self {
            now: 0,
            faults,
            peers,
            draining: false,
            nodes: Nodes::default(),
            limits,
            history: Vec::new(),
            ghosts,
            shared_messages,
            shared_bytes,
        }
    }

    /// How many connections of a subject are open.
    pub(crate) fn peers_of(&self, subject: &str) -> usize {
        if self.has(Fault::SubjectsUncounted) {
            return 0;
        }
        let open = self.peers.values().filter(|peer| !peer.ended);
        open.filter(|peer| peer.subject.as_deref() == Some(subject))
            .count()
    }

    /// Its time in milliseconds since 1970.
    pub(crate) fn unix_now(&self) -> u64 {
        1_800_000_000_000 + self.now
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.has(fault)
    }

    pub(crate) fn connect(&mut self, name: &str, node: usize, grant: Option<Grant>) -> PeerId {
        let id = self.peers.keys().next_back().map_or(0, |last| last + 1);
        let now = self.now;
        let early = if self.has(Fault::ExpiryTooEarly) {
            30_000
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
            node,
            inbox: VecDeque::new(),
            paused: false,
            ended: false,
            topics: topics.into_iter().collect(),
            expires: grant
                .as_ref()
                .and_then(|grant| grant.expires_in_ms)
                .map(|ms| now + ms - early),
            grant,
            subject: None,
            next_ping: now + PING_INTERVAL,
            ponged: now,
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
            bytes: Budget::new(now, self.limits.bytes_burst, self.limits.bytes_per_second),
            fan_out_bytes: Budget::new(
                now,
                self.limits.fan_out_bytes_burst,
                self.limits.fan_out_bytes_per_second,
            ),
            cost: 0,
            strikes: Budget::new(now, STRIKES_BURST, STRIKES_PER_SECOND),
            ungranted: 0,
            late: Vec::new(),
            unsubscribed: Vec::new(),
            fresh: BTreeSet::new(),
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
        let grant = self.peer(id).grant.clone();
        if self.has(Fault::BinaryNotJudged) {
            self.peer(id).grant = None;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.receive(id, text),
            Err(_) => self.receive(id, "no text"),
        }
        self.peer(id).grant = grant;
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
        peer.cost = message.len() as u64 + FRAME_COST;
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

    pub(crate) fn no_json(&mut self, id: PeerId) {
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

    pub(crate) fn deliver(&mut self, to: PeerId, topic: &str, message: &str) {
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

    pub(crate) fn send(&mut self, to: PeerId, message: &str) {
        let peer = self.peer(to);
        if !peer.ended && peer.refused.is_none() {
            peer.inbox.push_back(Event::Text(message.to_owned()));
        }
        self.check_reader(to);
    }

    /// Ends a peer that does not read.
    pub(crate) fn check_reader(&mut self, id: PeerId) {
        let kept = self.has(Fault::SlowReaderKept);
        let max = if self.has(Fault::QueueTooShort) {
            OUTBOUND_BYTES_MAX / 16
        } else {
            OUTBOUND_BYTES_MAX
        };
        let peer = self.peer(id);
        let waiting = peer
            .inbox
            .iter()
            .filter_map(|event| event.text().map(str::len));
        if peer.paused && !kept && waiting.sum::<usize>() > max {
            peer.inbox.clear();
            self.end(id, 1013);
        }
    }

    pub(crate) fn peer(&mut self, id: PeerId) -> &mut Peer {
        self.peers.get_mut(&id).expect("peers are never removed")
    }
}

//! A naive relay, against which the real one is held: a set of pairs, and a list of facts for each
//! peer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use signal_core::{CloseReason, Grant, Instant, Limits, Output, PeerId, PeerSnapshot, Room};

#[derive(Clone, Debug)]
pub enum Op {
    Connect {
        peer: u64,
        grant_millis: Option<u64>,
    },
    Disconnect {
        peer: u64,
    },
    Subscribe {
        peer: u64,
        topics: Vec<u8>,
    },
    Unsubscribe {
        peer: u64,
        topics: Vec<u8>,
    },
    Publish {
        peer: u64,
        topic: u8,
        data: u32,
    },
    Ping {
        peer: u64,
    },
    Pong {
        peer: u64,
    },
    Garbage {
        peer: u64,
    },
    Refuse {
        peer: u64,
    },
    /// Moves the clock, backwards too, and handles what is due.
    Advance {
        millis: i64,
    },
    /// Takes the twin room apart and restores it from bytes.
    Hibernate,
}

pub const PEERS: u64 = 6;
pub const TOPICS: u8 = 8;

/// Topics that are easily confused.
pub fn topic_name(topic: u8) -> &'static str {
    [
        "t",
        "T",
        "t ",
        "tt",
        "",
        "__proto__",
        "caf\u{e9}",
        "cafe\u{301}",
    ][usize::from(topic % TOPICS)]
}

struct Known {
    /// The latest time the peer has seen: for it, time never goes back.
    latest: u64,
    grant_ends: Option<u64>,
    next_ping: u64,
    heard: bool,
    invalid: u32,
    held: Option<(u64, CloseReason)>,
}

/// The naive relay, the real one, and a twin of the real one that hibernates.
pub struct Trio {
    now: u64,
    limits: Limits,
    known: BTreeMap<u64, Known>,
    pairs: BTreeSet<(String, u64)>,
    room: Room,
    twin: Room,
}

impl Trio {
    pub fn new() -> Self {
        let mut limits = Limits::default();
        // Budgets have tests of their own; here nothing may run out.
        limits.messages_burst = u32::MAX;
        limits.pings_burst = u32::MAX;
        limits.fan_out_burst = u32::MAX;
        limits.invalid_messages_max = 2;
        limits.topics_per_peer_max = 5;
        Self {
            now: 1_000_000,
            room: Room::new(limits.clone()),
            twin: Room::new(limits.clone()),
            limits,
            known: BTreeMap::new(),
            pairs: BTreeSet::new(),
        }
    }

    pub fn run(ops: &[Op]) {
        let mut trio = Self::new();
        for (step, op) in ops.iter().enumerate() {
            let expected = trio.expect(op);
            let now = Instant::from_millis(trio.now);
            let real = perform(&mut trio.room, now, op);
            let twin = perform(&mut trio.twin, now, op);
            assert_eq!(
                real, twin,
                "step {step}: {op:?}: the twin that hibernates differs"
            );
            assert_eq!(normal(real), expected, "step {step}: {op:?}");
            if let Op::Hibernate = op {
                trio.twin = hibernate(&trio.twin);
            }
            trio.check(step);
        }
    }

    fn expect(&mut self, op: &Op) -> Vec<Output> {
        match op {
            Op::Advance { millis } => {
                self.now = self.now.saturating_add_signed(*millis);
                return self.expect_timeouts();
            }
            Op::Hibernate => return Vec::new(),
            Op::Connect { .. }
            | Op::Disconnect { .. }
            | Op::Subscribe { .. }
            | Op::Unsubscribe { .. }
            | Op::Publish { .. }
            | Op::Ping { .. }
            | Op::Pong { .. }
            | Op::Garbage { .. }
            | Op::Refuse { .. } => {}
        }
        self.expect_of_peer(op)
    }

    fn expect_of_peer(&mut self, op: &Op) -> Vec<Output> {
        match *op {
            Op::Connect { peer, grant_millis } => {
                self.forget(peer);
                let known = Known {
                    latest: self.now,
                    grant_ends: grant_millis.map(|millis| self.now + millis),
                    next_ping: self.now + 30_000,
                    heard: true,
                    invalid: 0,
                    held: None,
                };
                self.known.insert(peer, known);
            }
            Op::Disconnect { peer } => self.forget(peer),
            Op::Refuse { peer } => self.hold(peer, CloseReason::TooBig),
            Op::Pong { peer } => {
                self.see_time(peer);
                if let Some(known) = self.known.get_mut(&peer) {
                    known.heard = true;
                }
            }
            Op::Garbage { peer } => {
                if self.may_speak(peer) {
                    let known = self.known.get_mut(&peer).expect("it may speak");
                    known.invalid += 1;
                    if known.invalid > self.limits.invalid_messages_max {
                        self.hold(peer, CloseReason::Invalid);
                    }
                }
            }
            Op::Ping { peer } => {
                if self.says_json(peer) {
                    return vec![super::to(&[PeerId::new(peer)], r#"{"type":"pong"}"#)];
                }
            }
            Op::Subscribe { peer, ref topics } => {
                if self.says_json(peer) {
                    for topic in topics {
                        let count = self
                            .pairs
                            .iter()
                            .filter(|(_, member)| *member == peer)
                            .count();
                        if count < self.limits.topics_per_peer_max as usize {
                            self.pairs.insert((topic_name(*topic).to_owned(), peer));
                        }
                    }
                }
            }
            Op::Unsubscribe { peer, ref topics } => {
                if self.says_json(peer) {
                    for topic in topics {
                        self.pairs.remove(&(topic_name(*topic).to_owned(), peer));
                    }
                }
            }
            Op::Publish { peer, topic, data } => {
                let name = topic_name(topic);
                if self.says_json(peer) && !name.is_empty() {
                    let to: Vec<PeerId> = self
                        .pairs
                        .iter()
                        .filter(|(known, _)| known == name)
                        .map(|(_, member)| PeerId::new(*member))
                        .collect();
                    if !to.is_empty() {
                        let message = json!({
                            "type": "publish", "topic": name, "data": data, "clients": to.len(),
                        });
                        return vec![super::to(&to, &message.to_string())];
                    }
                }
            }
            Op::Advance { .. } | Op::Hibernate => {}
        }
        Vec::new()
    }

    /// In the order of deadlines, then of peers.
    fn expect_timeouts(&mut self) -> Vec<Output> {
        let mut due: Vec<(u64, u64)> = self
            .known
            .iter()
            .map(|(peer, known)| (known.deadline(), *peer))
            .filter(|(deadline, _)| *deadline <= self.now)
            .collect();
        due.sort_unstable();
        let mut out = Vec::new();
        for (deadline, peer) in due {
            let now = self.see_time(peer);
            let known = self.known.get_mut(&peer).expect("listed above");
            if let Some((_, reason)) = known.held {
                out.push(Output::Close(PeerId::new(peer), reason));
                self.forget(peer);
            } else if known.grant_ends.is_some_and(|end| end <= now) {
                self.hold(peer, CloseReason::GrantExpired);
            } else if known.heard || now - deadline >= 30_000 {
                known.heard = false;
                known.next_ping = now + 30_000;
                out.push(Output::Ping(PeerId::new(peer)));
            } else {
                out.push(Output::Close(PeerId::new(peer), CloseReason::TimedOut));
                self.forget(peer);
            }
        }
        out
    }

    /// Whether the peer is heard at all; refuses it if its grant has ended.
    fn may_speak(&mut self, peer: u64) -> bool {
        let now = self.see_time(peer);
        let Some(known) = self.known.get_mut(&peer) else {
            return false;
        };
        if known.held.is_some() {
            return false;
        }
        known.heard = true;
        let expired = known.grant_ends.is_some_and(|end| end <= now);
        if expired {
            self.hold(peer, CloseReason::GrantExpired);
        }
        !expired
    }

    fn says_json(&mut self, peer: u64) -> bool {
        let speaks = self.may_speak(peer);
        if speaks {
            self.known.get_mut(&peer).expect("it speaks").invalid = 0;
        }
        speaks
    }

    fn hold(&mut self, peer: u64, reason: CloseReason) {
        let until = self.see_time(peer) + 2_000;
        if let Some(known) = self.known.get_mut(&peer) {
            known.held.get_or_insert((until, reason));
            self.pairs.retain(|(_, member)| *member != peer);
        }
    }

    /// The time as the peer sees it.
    fn see_time(&mut self, peer: u64) -> u64 {
        let now = self.now;
        self.known.get_mut(&peer).map_or(now, |known| {
            known.latest = known.latest.max(now);
            known.latest
        })
    }

    fn forget(&mut self, peer: u64) {
        self.known.remove(&peer);
        self.pairs.retain(|(_, member)| *member != peer);
    }

    /// The room's indexes are what its peers say, and its deadline is the earliest of theirs.
    fn check(&mut self, step: usize) {
        let pairs: BTreeSet<(String, u64)> = self
            .room
            .topics()
            .iter()
            .flat_map(|(topic, peers)| peers.iter().map(|peer| (topic.to_owned(), peer.as_u64())))
            .collect();
        assert_eq!(pairs, self.pairs, "step {step}: who listens to what");
        assert!(
            self.room
                .topics()
                .iter()
                .all(|(_, peers)| !peers.is_empty()),
            "step {step}"
        );
        let peers: Vec<u64> = self.room.peers().map(PeerId::as_u64).collect();
        assert_eq!(
            peers,
            self.known.keys().copied().collect::<Vec<_>>(),
            "step {step}: peers"
        );
        let deadline = self.known.values().map(Known::deadline).min();
        assert_eq!(
            self.room.poll_timeout().map(Instant::as_millis),
            deadline,
            "step {step}: the next deadline"
        );
    }
}

impl Known {
    fn deadline(&self) -> u64 {
        match self.held {
            Some((until, _)) => until,
            None => self.grant_ends.unwrap_or(u64::MAX).min(self.next_ping),
        }
    }
}

fn perform(room: &mut Room, now: Instant, op: &Op) -> Vec<Output> {
    let mut out = Vec::new();
    let names = |topics: &[u8]| {
        topics
            .iter()
            .map(|topic| topic_name(*topic))
            .collect::<Vec<_>>()
    };
    let (peer, text) = match op {
        Op::Connect { peer, grant_millis } => {
            let grant = match grant_millis {
                Some(millis) => {
                    Grant::open().expires_at(Instant::from_millis(now.as_millis() + millis))
                }
                None => Grant::open(),
            };
            room.connect(now, PeerId::new(*peer), grant);
            return out;
        }
        Op::Disconnect { peer } => {
            room.disconnect(PeerId::new(*peer));
            return out;
        }
        Op::Pong { peer } => {
            room.pong(now, PeerId::new(*peer));
            return out;
        }
        Op::Refuse { peer } => {
            room.refuse(now, PeerId::new(*peer), CloseReason::TooBig);
            return out;
        }
        Op::Advance { .. } => {
            room.handle_timeout(now, &mut out);
            return out;
        }
        Op::Hibernate => return out,
        Op::Subscribe { peer, topics } => (
            peer,
            json!({"type": "subscribe", "topics": names(topics)}).to_string(),
        ),
        Op::Unsubscribe { peer, topics } => (
            peer,
            json!({"type": "unsubscribe", "topics": names(topics)}).to_string(),
        ),
        Op::Publish { peer, topic, data } => (
            peer,
            json!({"type": "publish", "topic": topic_name(*topic), "data": data}).to_string(),
        ),
        Op::Ping { peer } => (peer, r#"{"type":"ping"}"#.to_owned()),
        Op::Garbage { peer } => (peer, "{".to_owned()),
    };
    room.receive(now, PeerId::new(*peer), &text, &mut out);
    out
}

/// Every snapshot goes through its bytes, and the peers come back in another order.
pub fn hibernate(room: &Room) -> Room {
    let mut woken = Room::new(room.limits().clone());
    let peers: Vec<PeerId> = room.peers().collect();
    for peer in peers.into_iter().rev() {
        let snapshot = room.snapshot(peer).expect("the room lists it");
        let bytes = snapshot.to_bytes();
        assert_eq!(bytes.len(), snapshot.encoded_len());
        let read = PeerSnapshot::from_bytes(&bytes).expect("these are its own bytes");
        assert_eq!(read, snapshot);
        woken.restore(peer, read).expect("the room is new");
    }
    woken
}

/// Messages compare after parsing.
fn normal(outputs: Vec<Output>) -> Vec<Output> {
    outputs
        .into_iter()
        .map(|output| match output {
            Output::Send { to, message } => {
                let value: Value = serde_json::from_str(message.as_str()).expect("it sends JSON");
                Output::Send {
                    to,
                    message: value.to_string().into(),
                }
            }
            other @ (Output::Ping(_) | Output::Close(..)) => other,
        })
        .collect()
}

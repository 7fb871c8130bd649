//! The real room held against the naive one of `signal-memory`, which there sees whole worlds and
//! here operations that no host would do, in any order.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use signal_core::{
    CloseReason, Grant, Instant, Limits, Outcome, Output, PeerId, PeerSnapshot, Room, TopicSet,
};

use naive::{Meaning, NaiveRoom, Rights};

#[path = "../../../signal-memory/src/naive.rs"]
mod naive;

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

/// The naive relay, the real one, and a twin of the real one that hibernates.
pub struct Trio {
    now: u64,
    naive: NaiveRoom,
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
        limits.bytes_burst = u32::MAX;
        limits.fan_out_bytes_burst = 1 << 40;
        limits.invalid_messages_max = 2;
        limits.topics_per_peer_max = 5;
        limits.clients_max = 3;
        Self {
            now: 1_000_000,
            naive: NaiveRoom::new(limits.clone()),
            room: Room::new(limits.clone()),
            twin: Room::new(limits),
        }
    }

    pub fn run(ops: &[Op]) {
        let mut trio = Self::new();
        for (step, op) in ops.iter().enumerate() {
            if let Op::Advance { millis } = op {
                trio.now = trio.now.saturating_add_signed(*millis);
            }
            let now = Instant::from_millis(trio.now);
            let expected = imagine(&mut trio.naive, now, op);
            let real = perform(&mut trio.room, now, op);
            let twin = perform(&mut trio.twin, now, op);
            assert_eq!(
                real, twin,
                "step {step}: {op:?}: the twin that hibernates differs"
            );
            assert_eq!(real, expected, "step {step}: {op:?}");
            if let Op::Hibernate = op {
                trio.twin = hibernate(&trio.twin);
            }
            trio.check(step);
        }
    }

    /// The room's indexes are what its peers say, and its deadline is the earliest of theirs.
    fn check(&self, step: usize) {
        let pairs = self
            .room
            .topics()
            .iter()
            .flat_map(|(topic, peers)| peers.iter().map(move |peer| (&**topic, *peer)));
        let expected = self.naive.pairs.iter().copied();
        assert!(
            pairs.collect::<BTreeSet<_>>().into_iter().eq(expected),
            "step {step}: {:?}, not {:?}",
            self.room.topics(),
            self.naive.pairs
        );
        let mut topics = self.room.topics().iter();
        assert!(topics.all(|(_, peers)| !peers.is_empty()), "step {step}");
        let peers = self.room.peers();
        assert!(
            peers.eq(self.naive.peers.keys().copied()),
            "step {step}: peers"
        );
        assert_eq!(
            self.room.poll_timeout(),
            self.naive.due(),
            "step {step}: the next deadline"
        );
    }
}

/// What must come of an operation.
fn imagine(naive: &mut NaiveRoom, now: Instant, op: &Op) -> (Option<Outcome>, Vec<Output>) {
    let (peer, meaning) = match op {
        Op::Connect { peer, grant_millis } => {
            let peer = PeerId::new(*peer);
            naive.forget(peer);
            let sizes: &[_] = if is_shy(peer) { &SIZES } else { &[] };
            let rights = Rights {
                sizes,
                ..Rights::default()
            };
            naive.connect(now, peer, rights, end(now, *grant_millis));
            return Default::default();
        }
        Op::Disconnect { peer } => {
            naive.forget(PeerId::new(*peer));
            return Default::default();
        }
        Op::Pong { peer } => {
            let outcome = naive.frame(now, PeerId::new(*peer), 0);
            return (outcome, Vec::new());
        }
        Op::Refuse { peer } => {
            naive.refuse(now, PeerId::new(*peer), CloseReason::TooBig);
            return Default::default();
        }
        Op::Advance { .. } => return (None, naive.deadlines(now)),
        Op::Hibernate => return Default::default(),
        Op::Subscribe { peer, topics } => (peer, Meaning::Subscribe(names(topics))),
        Op::Unsubscribe { peer, topics } => (peer, Meaning::Unsubscribe(names(topics))),
        Op::Publish { peer, topic, data } => (
            peer,
            match topic_name(*topic) {
                "" => Meaning::Meaningless,
                topic => Meaning::Publish {
                    topic,
                    members: members(topic, *data),
                },
            },
        ),
        Op::Ping { peer } => (peer, Meaning::Ping),
        Op::Garbage { peer } => (peer, Meaning::Garbage),
    };
    // No budget of bytes runs out, so any length will do.
    naive.message(now, PeerId::new(*peer), &meaning, 50)
}

fn perform(room: &mut Room, now: Instant, op: &Op) -> (Option<Outcome>, Vec<Output>) {
    let mut out = Vec::new();
    let (peer, text) = match op {
        Op::Connect { peer, grant_millis } => {
            let peer = PeerId::new(*peer);
            let mut grant = Grant::open();
            for (topic, size) in SIZES.into_iter().filter(|_| is_shy(peer)) {
                grant = grant.clients_max(TopicSet::none().exact(topic), size as u32);
            }
            if let Some(end) = end(now, *grant_millis) {
                grant = grant.expires_at(end);
            }
            room.connect(now, peer, grant);
            return (None, out);
        }
        Op::Disconnect { peer } => {
            room.disconnect(PeerId::new(*peer));
            return (None, out);
        }
        Op::Pong { peer } => {
            let outcome = room.receive_frame(now, PeerId::new(*peer), 0);
            return (outcome, out);
        }
        Op::Refuse { peer } => {
            room.refuse(now, PeerId::new(*peer), CloseReason::TooBig);
            return (None, out);
        }
        Op::Advance { .. } => {
            room.handle_timeout(now, &mut out);
            return (None, out);
        }
        Op::Hibernate => return (None, out),
        Op::Subscribe { peer, topics } => (
            peer,
            json!({"type": "subscribe", "topics": names(topics)}).to_string(),
        ),
        Op::Unsubscribe { peer, topics } => (
            peer,
            json!({"type": "unsubscribe", "topics": names(topics)}).to_string(),
        ),
        Op::Publish { peer, topic, data } => {
            (peer, format!("{{{}}}", members(topic_name(*topic), *data)))
        }
        Op::Ping { peer } => (peer, r#"{"type":"ping"}"#.to_owned()),
        Op::Garbage { peer } => (peer, "{".to_owned()),
    };
    let outcome = room.receive(now, PeerId::new(*peer), &text, &mut out);
    (outcome, out)
}

/// How many peers some topics may have for peers with a grant that says so: fewer than the setting,
/// as many, and more.
const SIZES: [(&str, usize); 4] = [("t", 2), ("T", 1), ("tt", 3), ("t ", 9)];

fn is_shy(peer: PeerId) -> bool {
    peer.as_u64() % 2 == 1
}

fn end(now: Instant, grant_millis: Option<u64>) -> Option<Instant> {
    grant_millis.map(|millis| now.saturating_add(Duration::from_millis(millis)))
}

fn names(topics: &[u8]) -> Vec<&'static str> {
    topics.iter().map(|topic| topic_name(*topic)).collect()
}

/// A publish without its brackets: what is to be relayed.
fn members(topic: &str, data: u32) -> String {
    format!(r#""type":"publish","topic":"{topic}","data":{data}"#)
}

/// Every snapshot goes through its bytes, and the peers come back in another order.
pub fn hibernate(room: &Room) -> Room {
    let mut woken = Room::new(room.limits().clone());
    let peers: Vec<PeerId> = room.peers().collect();
    for peer in peers.into_iter().rev() {
        let snapshot = room.snapshot(peer).expect("the room lists it");
        let bytes = snapshot.to_bytes();
        let read = PeerSnapshot::from_bytes(&bytes).expect("these are its own bytes");
        assert_eq!(read, snapshot);
        woken.restore(peer, read).expect("the room is new");
    }
    woken
}

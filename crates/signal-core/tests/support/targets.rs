//! The fuzz targets, as functions: libFuzzer calls them with new inputs, `cargo test` with the
//! corpus.

use std::sync::Arc;

use serde_json::value::RawValue;
use signal_core::{Hub, Ignored, Limits, Outcome, Output, Publish};

use super::model::{Op, PEERS, TOPICS, Trio};
use super::{ANN, BOB, CAT, Still, at};

/// Bytes into the wire.
///
/// What is JSON for serde_json is JSON for us, within the depth limit; and what we relay is one
/// JSON object with a true count, whose topic is the one it was routed by.
pub fn wire(data: &[u8]) {
    let mut still = Still::new();
    let mut out = Vec::new();
    let outcome = still.room.receive_binary(at(0), CAT, data, &mut out);
    let outcome = outcome.expect("cat is connected");
    if data.len() > Limits::default().message_bytes_max as usize {
        return;
    }
    let text = core::str::from_utf8(data).ok();
    let is_json = text
        .is_some_and(|text| serde_json::from_str::<&RawValue>(text).is_ok() && depth(text) <= 128);
    assert_eq!(outcome != Outcome::Ignored(Ignored::NotJson), is_json);

    for output in &out {
        let Output::Send { to, message } = output else {
            panic!("a message caused {output:?}")
        };
        check_sent(message.as_str(), outcome, to.len());
    }
    assert_eq!(
        still.receivers("t"),
        if subscribes_cat(outcome, &still) {
            vec![ANN, BOB, CAT]
        } else {
            vec![ANN, BOB]
        }
    );
}

fn subscribes_cat(outcome: Outcome, still: &Still) -> bool {
    matches!(outcome, Outcome::Subscribed { .. })
        && still
            .room
            .peer(CAT)
            .is_some_and(|peer| peer.topics().any(|topic| topic == "t"))
}

fn check_sent(text: &str, outcome: Outcome, receivers: usize) {
    if outcome == Outcome::Ponged {
        assert_eq!(text, r#"{"type":"pong"}"#);
        return;
    }
    assert_eq!(
        outcome,
        Outcome::Published {
            deliveries: receivers
        }
    );
    serde_json::from_str::<&RawValue>(text).expect("it relays JSON");
    // `Value` cannot hold lone surrogates and 1e400; those are covered by named tests.
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
        return;
    };
    assert_eq!(value["type"], "publish");
    assert_eq!(value["topic"], "t");
    assert_eq!(value["clients"], receivers);
}

/// The deepest nesting of a JSON text, by counting brackets outside strings.
pub fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Operations into the room: three bytes each.
pub fn room(data: &[u8]) {
    let ops: Vec<Op> = data
        .chunks_exact(3)
        .take(400)
        .map(|bytes| op([bytes[0], bytes[1], bytes[2]]))
        .collect();
    Trio::run(&ops);
}

fn op([kind, who, what]: [u8; 3]) -> Op {
    let peer = u64::from(who) % PEERS;
    let topics = || (0..TOPICS).filter(|topic| what >> topic & 1 == 1).collect();
    match kind % 12 {
        0 => Op::Connect {
            peer,
            grant_millis: None,
        },
        1 => Op::Connect {
            peer,
            grant_millis: Some(u64::from(what) * 500),
        },
        2 => Op::Disconnect { peer },
        3 | 4 => Op::Subscribe {
            peer,
            topics: topics(),
        },
        5 => Op::Unsubscribe {
            peer,
            topics: topics(),
        },
        6 | 7 => Op::Publish {
            peer,
            topic: what % TOPICS,
            data: u32::from(what),
        },
        8 => Op::Advance {
            millis: (i64::from(who) - 32) * i64::from(what) * 8,
        },
        9 => match what % 4 {
            0 => Op::Refuse { peer },
            1 => Op::Garbage { peer },
            _ => Op::Pong { peer },
        },
        10 => Op::Ping { peer },
        _ => Op::Hibernate,
    }
}

/// The same effects, whether a message comes as text or as bytes.
pub fn is_same_either_way(text: &str) -> bool {
    let peer = signal_core::Peer::new(
        std::sync::Arc::new(Limits::default()),
        signal_core::Grant::open(),
        at(0),
    );
    let (mut by_text, mut by_bytes) = (peer.clone(), peer);
    let (mut first, mut second) = (Calls::default(), Calls::default());
    by_text.receive(at(0), text, &mut first)
        == by_bytes.receive_binary(at(0), text.as_bytes(), &mut second)
        && first.0 == second.0
}

/// Writes down what a peer asks of its hub.
#[derive(Default)]
struct Calls(Vec<String>);

impl Hub for Calls {
    fn subscribe(&mut self, topic: &Arc<str>, _clients_max: usize) -> bool {
        self.0.push(format!("subscribe {topic}"));
        true
    }

    fn subscribers(&self, _topic: &str) -> usize {
        0
    }

    fn unsubscribe(&mut self, topic: &str) {
        self.0.push(format!("unsubscribe {topic}"));
    }

    fn publish(&mut self, publish: &Publish<'_>) -> usize {
        self.0.push(format!("publish {:?}", publish.encode(7)));
        7
    }

    fn pong(&mut self) {
        self.0.push("pong".to_owned());
    }
}

//! What the core's tests and fuzz targets share.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test uses its part of this module"
)]

pub mod model;
pub mod targets;

use signal_core::{Grant, Instant, Limits, Outcome, Output, PeerId, Room};

pub const ANN: PeerId = PeerId::new(1);
pub const BOB: PeerId = PeerId::new(2);
pub const CAT: PeerId = PeerId::new(3);

pub const PING: &str = r#"{"type":"ping"}"#;
pub const PUBLISH: &str = r#"{"type":"publish","topic":"t"}"#;

pub fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A room in which everything happens at one moment, for tests that are not about time.
pub struct Still {
    pub room: Room,
}

impl Still {
    /// Ann and Bob are subscribed to `t`, Cat is connected.
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        let mut room = Room::new(limits);
        for peer in [ANN, BOB, CAT] {
            room.connect(Instant::ZERO, peer, Grant::open());
        }
        let mut still = Self { room };
        for peer in [ANN, BOB] {
            assert_eq!(
                still.send(peer, r#"{"type":"subscribe","topics":["t"]}"#),
                []
            );
        }
        still
    }

    /// With changed limits.
    pub fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        limits.check().expect("the test's limits are in range");
        Self::with(limits)
    }

    /// What comes of each when Cat sends `text` as often.
    pub fn outcomes(&mut self, millis: u64, text: &str, times: usize) -> Vec<Outcome> {
        let mut send = || self.send_at(millis, CAT, text).1;
        (0..times).map(|_| send()).collect()
    }

    /// What the room does when `peer` sends `text`.
    pub fn send(&mut self, peer: PeerId, text: &str) -> Vec<Output> {
        self.send_at(0, peer, text).0
    }

    pub fn send_at(&mut self, millis: u64, peer: PeerId, text: &str) -> (Vec<Output>, Outcome) {
        let mut out = Vec::new();
        let outcome = self.room.receive(at(millis), peer, text, &mut out);
        (out, outcome.expect("the peer is connected"))
    }

    /// Who gets a publish to `topic` sent by Cat.
    pub fn receivers(&mut self, topic: &str) -> Vec<PeerId> {
        let text = serde_json::json!({"type": "publish", "topic": topic}).to_string();
        match self.send(CAT, &text).as_slice() {
            [] => Vec::new(),
            [Output::Send { to, .. }] => to.clone(),
            other => panic!("a publish caused {other:?}"),
        }
    }
}

pub fn to(peers: &[PeerId], text: &str) -> Output {
    Output::Send {
        to: peers.to_vec(),
        message: text.to_owned().into(),
    }
}

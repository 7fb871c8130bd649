use std::sync::Arc;

use signal_core::{Hub, Instant, Message, PeerId, Publish};

use crate::frame::{self, Opcode};
use crate::hub::queue::Outbound;
use crate::hub::rooms::Rooms;
use crate::stats::SentType;

/// One peer's way to the topics and to its own queue, for the core.
pub(super) struct PeerHub<'a> {
    rooms: &'a Rooms,
    id: PeerId,
    queue: &'a Arc<Outbound>,
    /// When the turn began.
    now: Instant,
}

impl<'a> PeerHub<'a> {
    pub(super) fn new(
        rooms: &'a Rooms,
        id: PeerId,
        queue: &'a Arc<Outbound>,
        now: Instant,
    ) -> Self {
        Self {
            rooms,
            id,
            queue,
            now,
        }
    }
}

impl Hub for PeerHub<'_> {
    fn subscribe(&mut self, topic: &Arc<str>, clients_max: usize) -> bool {
        let shards = &self.rooms.shards;
        let is_in = shards.subscribe(self.id, self.queue, topic, clients_max);
        if is_in {
            self.queue.hold_topic(topic);
        }
        is_in
    }

    fn subscribers(&self, topic: &str) -> usize {
        self.rooms.shards.subscribers(topic)
    }

    fn unsubscribe(&mut self, topic: &str) {
        self.rooms.shards.unsubscribe(self.id, topic);
        self.queue.drop_topic(topic);
    }

    fn publish(&mut self, publish: &Publish<'_>) -> usize {
        if self.rooms.shards.uplink().is_some() {
            self.queue.note_published(self.now);
        }
        self.rooms.publish(publish, Some(self.id))
    }

    fn pong(&mut self) {
        let pong = frame::encode(Opcode::Text, Message::PONG.as_bytes());
        self.rooms.answer(self.queue, SentType::Pong, pong);
    }
}

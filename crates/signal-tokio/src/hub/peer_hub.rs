use std::sync::Arc;

use bytes::BytesMut;
use signal_core::{Hub, Message, PeerId, Publish};

use crate::frame::{self, Opcode};
use crate::hub::batch::Queued;
use crate::hub::queue::{Outbound, Pushed};
use crate::hub::rooms::Rooms;
use crate::stats::SentType;

/// One peer's way to the topics and to its own queue, for the core.
pub(super) struct PeerHub<'a> {
    rooms: &'a Rooms,
    id: PeerId,
    queue: &'a Arc<Outbound>,
}

impl<'a> PeerHub<'a> {
    pub(super) fn new(rooms: &'a Rooms, id: PeerId, queue: &'a Arc<Outbound>) -> Self {
        Self { rooms, id, queue }
    }

    pub(super) fn push(&self, what: SentType, frame: BytesMut) {
        let frame = Queued::new(frame);
        match self.queue.push(&frame, self.rooms.queue_bytes_max) {
            Pushed::Queued => self.rooms.counters.count_sent(what, frame.len()),
            // The next turn hears so from the queue itself.
            Pushed::Overflowed | Pushed::Closed => {}
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
        if let Some(uplink) = self.rooms.shards.uplink() {
            self.queue.note_published(uplink.now());
        }
        self.rooms.publish(publish, Some(self.id))
    }

    fn pong(&mut self) {
        let pong = frame::encode(Opcode::Text, Message::PONG.as_bytes());
        self.push(SentType::Pong, pong);
    }
}

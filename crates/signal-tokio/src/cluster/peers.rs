use std::sync::Arc;

use signal_cluster::Local;
use signal_core::{Instant, PeerId, Publish};

use super::nudges::Nudges;
use crate::hub::rooms::Rooms;

/// The peers of this relay, as its cluster reaches them.
pub(super) struct Peers<'a> {
    pub(super) now: Instant,
    /// `None` once the relay is gone.
    pub(super) rooms: Option<Arc<Rooms>>,
    pub(super) nudges: &'a mut Nudges,
}

impl Local for Peers<'_> {
    fn topics(&mut self, name: &mut dyn FnMut(&str, u32)) {
        if let Some(rooms) = &self.rooms {
            rooms.shards.tell(name);
        }
    }

    fn pass(&mut self, publish: &Publish<'_>, elsewhere: u32) {
        if let Some(rooms) = &self.rooms {
            rooms.shards.pass(publish, elsewhere);
        }
    }

    fn elsewhere(&mut self, topic: &str, subscribers: u32) {
        if let Some(rooms) = &self.rooms {
            rooms.shards.set_elsewhere(topic, subscribers);
        }
    }

    fn reach(&mut self, topic: &str, subscribers: u32) {
        if let Some(rooms) = &self.rooms {
            rooms.shards.set_reach(topic, subscribers);
        }
    }

    fn owe(&mut self, peer: u64, deliveries: u32, message_bytes: usize) {
        if let Some(rooms) = &self.rooms {
            let queue = rooms.registry.queue(PeerId::new(peer));
            if let Some(queue) = queue {
                queue.owe(deliveries.into(), message_bytes as u64);
            }
        }
    }

    fn announce_again(&mut self, topic: &str, since: Instant) {
        let Self { now, nudges, .. } = self;
        if let Some(rooms) = &self.rooms {
            let plan = |peer, queue: &_| nudges.plan(*now, peer, queue);
            rooms.shards.published_since(topic, since, plan);
        }
    }
}

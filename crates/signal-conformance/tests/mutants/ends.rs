//! How connections end.

use signal_conformance::Event;

use crate::list::Mutant::*;
use crate::relay::{PeerId, Relay};

impl Relay {
    pub(crate) fn close(&mut self, id: PeerId, code: u16) {
        let (room, names) = (self.neighbours(id), self.topic_names(id));
        match self.mutant {
            Some(CloseClosesRoom) => room.into_iter().for_each(|other| self.end(other, 1001)),
            Some(CloseEmptiesRoom) => names.iter().for_each(|name| self.empty(name)),
            Some(CloseAnnounced) => {
                for other in room {
                    self.send(other, r#"{"type":"left"}"#);
                }
            }
            Some(CloseEchoesToAll) => self
                .open()
                .into_iter()
                .for_each(|other| self.end(other, code)),
            _ => {}
        }
        let code = if self.is(CloseCode1000) { 1000 } else { code };
        if self.is(CloseOfFirstTopic) {
            // The others stay, and count.
            let rest = self.peer(id).topics.split_off(1.min(names.len()));
            self.end(id, code);
            for topic in rest {
                *self.memory.gone.entry(topic.name).or_default() += 1;
            }
            return;
        }
        let topics = self.peer(id).topics.clone();
        self.end(id, code);
        if self.is(EndKeeps) {
            self.peer(id).topics = topics;
        }
    }

    pub(crate) fn abort(&mut self, id: PeerId) {
        let (room, topics) = (self.neighbours(id), self.peer(id).topics.clone());
        if self.is(AbortClosesRoom) {
            room.into_iter().for_each(|other| self.end(other, 1001));
        }
        self.end(id, 1006);
        if self.is(AbortKeeps) || self.is(EndKeeps) {
            self.peer(id).topics = topics;
        }
    }

    fn topic_names(&mut self, id: PeerId) -> Vec<String> {
        let topics = self.peer(id).topics.iter();
        topics.map(|topic| topic.name.clone()).collect()
    }

    /// Ends a connection, with all its subscriptions.
    pub(crate) fn end(&mut self, id: PeerId, code: u16) {
        let peer = self.peer(id);
        if peer.ended {
            return;
        }
        peer.ended = true;
        peer.outbox.push_back(Event::Closed {
            code,
            reason: String::new(),
        });
        let (name, topics) = (peer.name.clone(), std::mem::take(&mut peer.topics));
        for topic in &topics {
            if self.is(CountStaleGone) {
                *self.memory.gone.entry(topic.name.clone()).or_default() += 1;
            }
            if self.subscribers(&topic.name).is_empty() {
                self.memory.closed_rooms.insert(topic.name.clone());
            } else {
                self.memory.dead_rooms.insert(topic.name.clone());
            }
        }
        self.memory.names.insert(name, topics);
    }
}

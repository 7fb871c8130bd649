use alloc::sync::Arc;
use alloc::vec::Vec;

use signal_core::Instant;

use super::Cluster;
use crate::retained::Entry;
use crate::wire::Frame;
use crate::{Node, Payer};

/// As the home of topics.
impl Cluster {
    /// A node has so many subscribers.
    pub(super) fn count_in(
        &mut self,
        now: Instant,
        from: Node,
        topic: &Arc<str>,
        subscribers: u32,
        moved: bool,
    ) {
        if !self.directory.set(topic, from, subscribers, moved) {
            self.stats.directory_overflows += 1;
        }
        if self.directory.has_changed() && self.next_report.is_none() {
            self.next_report = Some(now.saturating_add(self.config.cluster_gather));
        }
        if !moved || subscribers == 0 || !self.parts.recent {
            return;
        }
        let elsewhere = self.directory.elsewhere(topic, from);
        let recent = self.recent.of(topic, now, self.config.cluster_keep);
        let missed = recent.filter(|entry| entry.origin != from);
        let frames: Vec<_> = missed.map(|entry| pass(topic, entry, elsewhere)).collect();
        frames.into_iter().for_each(|frame| self.send(from, frame));
    }

    /// Answers the node of a publisher that was not charged for what its publish is about to cause.
    pub(super) fn charge(&mut self, topic: &Arc<str>, entry: &Entry, payer: Payer) {
        let (origin, Payer { peer, charged }) = (entry.origin, payer);
        let elsewhere = self.directory.elsewhere(topic, origin);
        if elsewhere == charged || !self.parts.owe {
            return;
        }
        if elsewhere > charged {
            let message_bytes = u32::try_from(entry.message.as_bytes().len()).unwrap_or(u32::MAX);
            let owe = Frame::Owe {
                peer,
                deliveries: elsewhere - charged,
                message_bytes,
            };
            self.send(origin, owe);
        }
        if let Some(elsewhere) = self.directory.tell(topic, origin) {
            let topic = topic.clone();
            self.send(origin, Frame::Count { topic, elsewhere });
        }
    }

    /// A peer of a node has published.
    pub(super) fn pass_on(&mut self, topic: &Arc<str>, entry: Entry, again: bool) {
        let nodes = self
            .directory
            .of(topic)
            .filter(|(node, _)| *node != entry.origin);
        let frames: Vec<_> = nodes
            .map(|(node, elsewhere)| (node, pass(topic, &entry, elsewhere)))
            .collect();
        frames
            .into_iter()
            .for_each(|(node, frame)| self.send(node, frame));
        if !again || !self.recent.contains(topic, entry.origin, entry.number) {
            self.stats.recent_overflows += self.recent.push(topic, self.me, entry);
        }
    }
}

fn pass(topic: &Arc<str>, entry: &Entry, elsewhere: u32) -> Frame {
    Frame::Pass {
        topic: topic.clone(),
        origin: entry.origin,
        number: entry.number,
        elsewhere,
        message: entry.message.clone(),
    }
}

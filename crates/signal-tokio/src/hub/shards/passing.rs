//! What other nodes have to say to the topics of this one.

use std::collections::HashMap;
use std::sync::Arc;

use signal_core::{Instant, PeerId, Publish};

use super::Shards;
use crate::hub::queue::Outbound;

impl Shards {
    /// Other nodes hear of nothing from now on, as there are none.
    pub(crate) fn hush(&self) {
        for shard in &self.shards {
            shard.lock().is_hushed = true;
        }
    }

    /// Names all topics with how many subscribers they have here, and other nodes hear of all that
    /// happens to each afterwards.
    pub(crate) fn tell(&self, name: &mut dyn FnMut(&str, u32)) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.is_hushed = false;
            for (topic, members) in shard.topics.iter() {
                name(topic, u32::try_from(members.len()).unwrap_or(u32::MAX));
            }
        }
    }

    /// Queues a publish of another node for all subscribers of its topic here.
    pub(crate) fn pass(&self, publish: &Publish<'_>, elsewhere: u32) {
        let mut shard = self.shard(publish.topic());
        shard.send(publish, elsewhere as usize, self.queue_bytes_max);
    }

    /// Takes how many subscribers a topic has on other nodes.
    pub(crate) fn set_elsewhere(&self, topic: &str, subscribers: u32) {
        note(&mut self.shard(topic).elsewhere, topic, subscribers);
    }

    /// The same of a topic that nobody here is subscribed to.
    pub(crate) fn set_reach(&self, topic: &str, subscribers: u32) {
        note(&mut self.shard(topic).reach, topic, subscribers);
    }

    /// Hands out the subscribers of a topic that have published, to whatever topic, since then.
    pub(crate) fn published_since(
        &self,
        topic: &str,
        since: Instant,
        mut each: impl FnMut(PeerId, &Arc<Outbound>),
    ) {
        let shard = self.shard(topic);
        let subscribers = shard.topics.subscribers(topic).iter();
        subscribers
            .filter(|member| member.queue.has_published_since(since))
            .for_each(|member| each(member.peer, &member.queue));
    }
}

fn note(numbers: &mut HashMap<Box<str>, u32>, topic: &str, number: u32) {
    if number == 0 {
        numbers.remove(topic);
    } else if let Some(known) = numbers.get_mut(topic) {
        *known = number;
    } else {
        numbers.insert(topic.into(), number);
    }
}

use signal_cluster::wire::{self, Frame};

use super::failure::{Broken, Promise};
use super::world::{LIFE, MEET, World, total};

/// What is compared with the promises.
impl World {
    /// M4: each node knows how many there are elsewhere.
    pub(super) fn compare_counts(&mut self) -> Result<(), Broken> {
        let is_over = self.now >= LIFE.max(self.healed_at) + MEET;
        if self.now < self.calm_at && !is_over {
            return Ok(());
        }
        for (topic, name) in self.topics.iter().enumerate() {
            if self.now < self.counted_at[topic] + 500 {
                continue;
            }
            let total = total(&self.hosts, name);
            for (number, slot) in self.hosts.iter().enumerate() {
                let Some(slot) = slot else { continue };
                let local = slot.host.subscribers(name).len();
                let counted = local + slot.host.elsewhere(name) as usize;
                if local > 0 && slot.paused_until <= self.now {
                    self.stats.counts += 1;
                    if counted != total {
                        let problem =
                            format!("node {number} counts {counted} in {name}, not {total}");
                        return Err(Broken(Promise::Count, problem));
                    }
                }
            }
        }
        Ok(())
    }

    /// M6: frames go to the home, and to those who share the topic.
    pub(super) fn inspect_batch(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let Ok(wire::Message::Batch(batch)) = wire::Message::decode(bytes, 1..=2) else {
            return Ok(());
        };
        if self.clones.contains(&batch.from.id) || self.clones.contains(&batch.to.id) {
            return Ok(());
        }
        for frame in &batch.frames {
            match frame {
                Frame::Subscribe { .. }
                | Frame::Publish { again: true, .. }
                | Frame::Owe { .. } => {}
                Frame::Publish { number, .. } => {
                    let first = *self
                        .sent_to
                        .entry((batch.from, *number))
                        .or_insert(batch.to);
                    if first != batch.to {
                        let problem = format!("publish {number} of {:?} has two homes", batch.from);
                        return Err(Broken(Promise::Alone, problem));
                    }
                }
                Frame::Pass { topic, .. } | Frame::Count { topic, .. } => {
                    let topic = self.topics.iter().position(|name| **name == **topic);
                    let is_shared = |number: &usize| {
                        let topic = topic.unwrap_or(usize::MAX);
                        self.judge.had_subscribers(self.now, *number, topic)
                    };
                    let nodes = self.hosts_that(|slot| slot.host.cluster.node() == batch.to);
                    if !nodes.is_empty() && !nodes.iter().any(is_shared) {
                        let problem = format!("{:?} has no part in {frame:?}", batch.to);
                        return Err(Broken(Promise::Alone, problem));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn inspect_end(&mut self) -> Result<(), Broken> {
        self.now = LIFE.max(self.healed_at) + MEET;
        for number in 0..self.hosts.len() {
            if let Some(slot) = &self.hosts[number] {
                self.stats.add_node(slot.host.cluster.stats());
            }
        }
        self.stats.publishes = self.judge.publishes();
        self.stats.received = self.judge.received;
        self.stats.pairs = self.judge.inspect_meetings()?;
        self.stats.apart = self.judge.apart(&self.outages);
        self.compare_counts()?;
        self.stats.charges = self.judge.inspect_charges(self.now)?;
        self.stats.owed = self.judge.owed();
        if !self.may_lose {
            let ended_at = |host: usize| self.ended_at[host];
            self.stats.arrivals = self.judge.inspect_losses(self.now, ended_at)?;
        }
        Ok(())
    }
}

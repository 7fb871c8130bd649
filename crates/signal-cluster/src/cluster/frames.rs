use signal_core::{Instant, Publish};

use super::Cluster;
use crate::Node;
use crate::effect::Effect;
use crate::host::Local;
use crate::link::Overflow;
use crate::retained::Entry;
use crate::wire::{Batch, Frame};

/// As one end of links: frames go out, come in, and have their effects.
impl Cluster {
    /// Hands a frame to a node, which may be this one.
    pub(super) fn send(&mut self, to: Node, frame: Frame) {
        let now = self.clock.now();
        if to == self.me {
            return self.handle(now, to, frame);
        }
        if let Some(member) = self.members.get_mut(to) {
            member
                .link
                .push(now, frame, self.config.cluster_link_bytes_max);
        }
    }

    pub(super) fn receive_batch(&mut self, now: Instant, batch: Batch) {
        if batch.to != self.me {
            self.stats.misdirected += 1;
            return;
        }
        let from = batch.from;
        let Some(member) = self.members.get_mut(from) else {
            self.stats.strangers += 1;
            return;
        };
        let link = &mut member.link;
        if link.session != Some(batch.session) {
            self.stats.stale += 1;
            return;
        }
        self.stats.batches_received += 1;
        link.is_confirmed = true;
        link.acknowledge(batch.heard);
        let asked = if batch.asks {
            link.resend(now, batch.heard)
        } else {
            Ok(())
        };
        let frames = if self.parts.nack {
            link.receive(now, batch, &mut self.stats)
        } else {
            link.receive_with_gaps(batch)
        };
        for frame in frames {
            self.stats.frames_received.count(&frame);
            self.handle(now, from, frame);
        }
        if let Err(Overflow) = asked {
            self.overflow(now, from);
        }
    }

    /// Takes a frame of a node, which may be this one.
    fn handle(&mut self, now: Instant, from: Node, frame: Frame) {
        match frame {
            Frame::Subscribe {
                topic,
                subscribers,
                moved,
            } => self.count_in(now, from, &topic, subscribers, moved),
            Frame::Publish {
                topic,
                number,
                again,
                payer,
                message,
            } => {
                let entry = Entry {
                    at: now,
                    origin: from,
                    number,
                    message,
                };
                if let Some(payer) = payer {
                    self.charge(&topic, &entry, payer);
                }
                self.pass_on(&topic, entry, again);
            }
            Frame::Pass {
                topic,
                origin,
                number,
                elsewhere,
                message,
            } => {
                let is_own = self.former.contains(&origin);
                if self.parts.dedupe && (is_own || !self.windows.is_first(origin, number)) {
                    self.stats.duplicates += 1;
                    return;
                }
                // A peer that has left in the meantime is normal.
                if self.edge.get(&topic).is_some() {
                    self.effects.push_back(Effect::Pass {
                        topic,
                        elsewhere,
                        message,
                    });
                }
            }
            Frame::Count { topic, elsewhere } => self.be_told(now, from, topic, elsewhere),
            Frame::Owe {
                peer,
                deliveries,
                message_bytes,
            } => {
                self.stats.owed += u64::from(deliveries);
                self.effects.push_back(Effect::Owe {
                    peer,
                    deliveries,
                    message_bytes,
                });
            }
        }
    }

    pub(super) fn carry_out(&mut self, local: &mut dyn Local) {
        while let Some(effect) = self.effects.pop_front() {
            match effect {
                Effect::Pass {
                    topic,
                    elsewhere,
                    message,
                } => {
                    // What another node calls a publish is judged here again.
                    let publish = Publish::read(message.as_str());
                    match publish.filter(|publish| publish.topic() == &*topic) {
                        Some(publish) => {
                            self.stats.passed += 1;
                            local.pass(&publish, elsewhere);
                        }
                        None => self.stats.malformed += 1,
                    }
                }
                Effect::Elsewhere { topic, subscribers } => local.elsewhere(&topic, subscribers),
                Effect::Reach { topic, subscribers } => local.reach(&topic, subscribers),
                Effect::Owe {
                    peer,
                    deliveries,
                    message_bytes,
                } => local.owe(peer, deliveries, message_bytes as usize),
                Effect::AnnounceAgain { topic, since } => local.announce_again(&topic, since),
            }
        }
    }
}

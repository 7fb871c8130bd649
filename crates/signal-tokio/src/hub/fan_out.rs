//! How a publish gets into the queues of all subscribers of its topic.

use std::sync::{Arc, Weak};

use signal_core::{Delivery, PeerId, Subscriber};

use crate::frame;
use crate::hub::batch::{Batch, Queued};
use crate::hub::queue::{Outbound, Pushed};
use crate::stats::Traffic;

/// Rooms from this size on share batches; for two, a frame for each is as cheap.
const BATCHED_RECEIVERS_MIN: usize = 3;
/// Topics of a shard that may have an open batch.
const OPEN_BATCHES_MAX: usize = 8;

/// Frames a publish once and puts the same bytes into every receiver's queue.
///
/// In a room of `n` that all talk, each publish costs `n` pushes, and these are most of what a
/// relay does. So from [`BATCHED_RECEIVERS_MIN`] on a topic's queues share one open [`Batch`]: the
/// first publish pushes it to each of them, and the next ones are added to it once for all, until
/// a queue takes it or the subscribers change. A queue that is too full for what a batch may
/// become gets frames instead, so that its limit stays exact.
pub(super) struct FanOut<'a> {
    topic: &'a str,
    open: &'a mut OpenBatches,
    queue_bytes_max: usize,
    sent: Traffic,
}

impl<'a> FanOut<'a> {
    pub(super) fn new(topic: &'a str, open: &'a mut OpenBatches, queue_bytes_max: usize) -> Self {
        Self {
            topic,
            open,
            queue_bytes_max,
            sent: Traffic::default(),
        }
    }

    /// Queues a publish for these subscribers of the topic, and returns what was queued.
    pub(super) fn send(mut self, to: &[Member], publish: &Delivery<'_>) -> Traffic {
        // The connections of one relay are mostly of one kind.
        let takes_batches = to.first().is_some_and(|first| first.queue.takes_batches());
        let is_large = frame::encoded_len(publish.len()) > self.queue_bytes_max / 2;
        if to.len() < BATCHED_RECEIVERS_MIN || !takes_batches || is_large {
            self.push(to.iter().map(|member| &*member.queue), publish);
        } else if let Err(place) = self.add(to, publish) {
            self.start(place, to, publish);
        }
        self.sent
    }

    /// Adds a message to the topic's open batch, if there is one. The place of what was its batch
    /// otherwise.
    fn add(&mut self, to: &[Member], publish: &Delivery<'_>) -> Result<(), Option<usize>> {
        let place = self.open.place_of(self.topic).ok_or(None)?;
        let batch = self.open.0[place].batch.upgrade();
        if !batch.is_some_and(|batch| batch.add(publish, self.queue_bytes_max / 2)) {
            return Err(Some(place));
        }
        let others = std::mem::take(&mut self.open.0[place].others);
        self.count(to.len() - others.len(), publish.len());
        if !others.is_empty() {
            self.push(others.iter().map(|queue| &**queue), publish);
        }
        self.open.0[place].others = others;
        Ok(())
    }

    /// Puts a new batch into the queues that have room for all that it may become, and a frame into
    /// the others.
    fn start(&mut self, place: Option<usize>, to: &[Member], publish: &Delivery<'_>) {
        let batch = Arc::new(Batch::new(publish));
        let mut others = Vec::new();
        for member in to {
            if !member.queue.push_batch(&batch, self.queue_bytes_max) {
                others.push(Arc::clone(&member.queue));
            }
        }
        self.count(to.len() - others.len(), publish.len());
        if !others.is_empty() {
            self.push(others.iter().map(|queue| &**queue), publish);
        }
        // With most of them elsewhere it would save little.
        let is_open = others.len() <= to.len() / 2;
        match place {
            Some(place) if is_open => {
                self.open.0[place].batch = Arc::downgrade(&batch);
                self.open.0[place].others = others;
            }
            Some(place) => drop(self.open.0.swap_remove(place)),
            None if is_open => {
                if self.open.0.len() == OPEN_BATCHES_MAX {
                    self.open.0.remove(0);
                }
                self.open.0.push(OpenBatch {
                    topic: self.topic.into(),
                    batch: Arc::downgrade(&batch),
                    others,
                });
            }
            None => {}
        }
    }

    /// Puts a frame into each queue.
    fn push<'q>(&mut self, to: impl Iterator<Item = &'q Outbound>, publish: &Delivery<'_>) {
        let frame = Queued::new(frame::encode_publish(publish));
        let mut queued = 0;
        for queue in to {
            match queue.push(&frame, self.queue_bytes_max) {
                Pushed::Queued => queued += 1,
                // The connection hears of it from its queue.
                Pushed::Overflowed | Pushed::Closed => {}
            }
        }
        self.count(queued, publish.len());
    }

    fn count(&mut self, queued: usize, payload_bytes: usize) {
        let frame_bytes = frame::encoded_len(payload_bytes);
        self.sent += Traffic {
            count: queued as u64,
            bytes: (queued * frame_bytes) as u64,
        };
    }
}

/// What was published last in a few topics, while more can be added.
#[derive(Debug, Default)]
pub(super) struct OpenBatches(Vec<OpenBatch>);

/// A batch in the queues of a topic's subscribers, none of whom has taken it yet.
#[derive(Debug)]
struct OpenBatch {
    topic: Box<str>,
    /// The queues keep it for as long as it waits.
    batch: Weak<Batch>,
    /// Subscribers whose queues are half full or closed; they get frames.
    others: Vec<Arc<Outbound>>,
}

impl OpenBatches {
    /// Before the subscribers of a topic change: what is published later is not for the same ones.
    pub(super) fn close(&mut self, topic: &str) {
        if let Some(place) = self.place_of(topic) {
            let open = self.0.swap_remove(place);
            if let Some(batch) = open.batch.upgrade() {
                batch.seal();
            }
        }
    }

    fn place_of(&self, topic: &str) -> Option<usize> {
        self.0.iter().position(|open| *open.topic == *topic)
    }
}

/// A peer in a topic.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) peer: PeerId,
    pub(super) queue: Arc<Outbound>,
}

impl Subscriber for Member {
    fn peer(&self) -> PeerId {
        self.peer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_stays_small() {
        let bytes = size_of::<Member>();
        assert!(
            bytes <= 16,
            "a subscription has grown to {bytes} bytes; each costs this much while it is idle"
        );
    }
}

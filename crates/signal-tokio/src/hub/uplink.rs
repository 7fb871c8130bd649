//! What the peers of this relay do that other nodes have to hear.

use std::collections::BTreeMap;
use std::task::Waker;

use signal_core::{Delivery, Instant, PeerId};

use crate::clock::Clock;
use crate::lock::Lock;

/// What a note costs beside its text.
const NOTE_COST: usize = size_of::<Note>();
/// What is kept of the memory between two turns; a burst gives back the rest.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// What may wait for a task that has nobody to tell, as that is kept anyway.
const LAZY_BYTES_MAX: usize = KEPT_BYTES_MAX;

/// The mailbox between the topics of a relay and the task of its cluster.
///
/// Notes are put in under the lock of their topic, and so they are in the order in which its peers
/// did what they say. Nobody waits: when the mailbox is full, publishes stay on this node and are
/// counted, and the topics whose peers published them are noted instead. How many subscribers a
/// topic has is never lost, since nobody would say it again; of what does not fit, the last number
/// of each topic is kept.
#[derive(Debug)]
pub(crate) struct Uplink {
    clock: Clock,
    bytes_max: usize,
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    notes: Notes,
    order: Order,
    /// Wakes the task; `None` while it is awake.
    waker: Option<Waker>,
    /// Whether notes may wait for the task's next turn.
    is_lazy: bool,
    /// Whether the task is gone.
    is_closed: bool,
}

/// What the relay wants of the task. It only moves forward.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Order {
    /// Be a node.
    #[default]
    Serve,
    /// Be home of nothing any more: the peers are about to be moved elsewhere.
    Drain,
    /// Say good-bye.
    Leave,
}

/// What a mailbox holds.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The texts of all notes, one behind the other, so that none needs an allocation of its own.
    text: String,
    notes: Vec<Note>,
    /// What did not fit.
    pub(crate) overflow: Option<Overflow>,
}

#[derive(Clone, Copy, Debug)]
enum Note {
    Count {
        topic_len: u32,
        subscribers: u32,
    },
    Publish {
        topic_len: u32,
        message_len: u32,
        charged: u32,
        by: Option<PeerId>,
    },
}

/// What did not fit into a mailbox.
#[derive(Debug)]
pub(crate) struct Overflow {
    /// When the first note did not.
    pub(crate) since: Instant,
    /// Publishes that stay on this node.
    pub(crate) lost: u64,
    /// By their names, topics of which something did not fit.
    pub(crate) topics: BTreeMap<Box<str>, Late>,
}

/// What did not fit of a topic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Late {
    /// How many subscribers it had after the last change, if there was one.
    pub(crate) subscribers: Option<u32>,
    /// Whether one of its subscribers may have published.
    pub(crate) has_lost: bool,
}

/// A note as the task reads it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Told<'n> {
    /// How many subscribers a topic has now.
    Count { topic: &'n str, subscribers: u32 },
    /// A publish, as its subscribers here got it: of a peer that was charged for so many deliveries
    /// on other nodes, or of nobody who is charged.
    Publish {
        topic: &'n str,
        message: &'n str,
        charged: u32,
        by: Option<PeerId>,
    },
}

impl Uplink {
    /// A mailbox for so many bytes.
    pub(crate) fn new(clock: Clock, bytes_max: usize) -> Self {
        Self {
            clock,
            bytes_max,
            state: Lock::default(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Notes how many subscribers a topic has now. The waker is to be used once the topic's lock is
    /// given back.
    pub(crate) fn count(&self, topic: &str, subscribers: usize) -> Option<Waker> {
        let subscribers = u32::try_from(subscribers).unwrap_or(u32::MAX);
        self.put(topic.len(), |notes, fits, now| {
            if fits {
                notes.text.push_str(topic);
                notes.notes.push(Note::Count {
                    topic_len: len(topic.len()),
                    subscribers,
                });
            } else {
                let overflow = notes.overflow.get_or_insert_with(|| Overflow::new(now));
                overflow.late(topic).subscribers = Some(subscribers);
            }
        })
    }

    /// Notes a publish to a topic with so many subscribers here, and for how many elsewhere it was
    /// charged.
    pub(crate) fn publish(
        &self,
        topic: &str,
        subscribers: usize,
        publish: &Delivery<'_>,
        (by, charged): (Option<PeerId>, u32),
    ) -> Option<Waker> {
        self.put(topic.len() + publish.len(), |notes, fits, now| {
            if fits {
                notes.text.push_str(topic);
                publish.for_each_slice(|slice| notes.text.push_str(slice));
                notes.notes.push(Note::Publish {
                    topic_len: len(topic.len()),
                    message_len: len(publish.len()),
                    charged,
                    by,
                });
                return;
            }
            let overflow = notes.overflow.get_or_insert_with(|| Overflow::new(now));
            overflow.lost += 1;
            // Those who are not there cannot be made to announce again.
            if subscribers > 0 {
                overflow.late(topic).has_lost = true;
            }
        })
    }

    /// Wants something of the task.
    pub(crate) fn order(&self, order: Order) {
        let mut state = self.state.lock();
        state.order = state.order.max(order);
        let waker = state.waker.take();
        drop(state);
        wake(waker);
    }

    /// Exchanges all that is there for `notes`, which are none, and arranges a wake-up for the next
    /// note.
    pub(crate) fn take(&self, notes: &mut Notes, waker: &Waker) -> Order {
        notes.clear();
        let mut state = self.state.lock();
        std::mem::swap(&mut state.notes, notes);
        match &mut state.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        state.order
    }

    /// Says whether notes may wait for the task's next turn, because it has nobody to tell: waking
    /// it for each costs more than all else that a node without others does. Returns whether there
    /// are some that may not wait any more.
    #[must_use]
    pub(crate) fn set_lazy(&self, is_lazy: bool) -> bool {
        let mut state = self.state.lock();
        state.is_lazy = is_lazy;
        !is_lazy && !state.notes.is_empty()
    }

    /// Takes nothing from now on, and drops what has come.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let left = (std::mem::take(&mut state.notes), state.waker.take());
        drop(state);
        drop(left);
    }

    /// Puts something in that has so many bytes. Once something did not fit, nothing does until the
    /// task has taken all: of a topic, what comes later would be read before.
    fn put(&self, bytes: usize, put: impl FnOnce(&mut Notes, bool, Instant)) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        let notes = &mut state.notes;
        let fits = notes.overflow.is_none() && notes.bytes() + NOTE_COST + bytes <= self.bytes_max;
        let now = if fits { Instant::ZERO } else { self.now() };
        put(notes, fits, now);
        let is_little = notes.bytes() < LAZY_BYTES_MAX;
        if is_little && state.is_lazy {
            return None;
        }
        state.waker.take()
    }
}

impl Notes {
    /// What is told, from the first note to the last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Told<'_>> {
        let mut rest = self.text.as_str();
        let mut next = move |len: u32| {
            let (text, after) = rest.split_at(len as usize);
            rest = after;
            text
        };
        self.notes.iter().map(move |note| match *note {
            Note::Count {
                topic_len,
                subscribers,
            } => Told::Count {
                topic: next(topic_len),
                subscribers,
            },
            Note::Publish {
                topic_len,
                message_len,
                charged,
                by,
            } => Told::Publish {
                topic: next(topic_len),
                message: next(message_len),
                charged,
                by,
            },
        })
    }

    fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.overflow.is_none()
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.notes.len() * NOTE_COST
    }

    fn clear(&mut self) {
        self.text.clear();
        self.notes.clear();
        self.text.shrink_to(KEPT_BYTES_MAX);
        self.notes.shrink_to(KEPT_BYTES_MAX / NOTE_COST);
        self.overflow = None;
    }
}

impl Overflow {
    fn new(since: Instant) -> Self {
        Self {
            since,
            lost: 0,
            topics: BTreeMap::new(),
        }
    }

    fn late(&mut self, topic: &str) -> &mut Late {
        self.topics.entry(topic.into()).or_default()
    }
}

/// Wakes the task, if it has to be.
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// No message is as long as that: a frame says its length in 32 bits at most here.
fn len(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a message is shorter than its limit, which is below 4 GiB")
}

#[cfg(test)]
mod tests;

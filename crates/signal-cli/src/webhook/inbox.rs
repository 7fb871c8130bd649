//! Where the threads that serve put events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use signal_tokio::{Observed, Observer};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::settings::{Kind, Kinds};
use crate::webhook::counts::Counts;
use crate::webhook::event::Event;

/// The most events that wait: ten thousand peers that leave at once.
const EVENTS_MAX: usize = 20_000;
/// The most that they hold together: names of topics have 4 KiB by default.
const BYTES_MAX: usize = 8 << 20;

/// An event, and when it was.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Noted {
    /// In milliseconds since 1970.
    at: u64,
    #[serde(flatten)]
    pub(super) event: Event,
}

impl Noted {
    pub(super) fn now(event: Event) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let at = since.map_or(0, |since| since.as_millis());
        Self {
            at: u64::try_from(at).unwrap_or(u64::MAX),
            event,
        }
    }
}

/// Takes events without waiting; what there is no room for is counted.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    kinds: Kinds,
    queue: Sender<Noted>,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicUsize,
    /// Events that are lost, and that no batch has told of.
    lost: AtomicU64,
}

impl Inbox {
    pub(super) fn new(kinds: Kinds) -> (Self, Receiver<Noted>) {
        let (queue, events) = channel(EVENTS_MAX);
        let inbox = Self {
            kinds,
            queue,
            shared: Arc::default(),
            counts: Arc::default(),
        };
        (inbox, events)
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Notes that an event was taken out.
    pub(super) fn taken(&self, bytes: usize) {
        self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Notes that events are lost, of which the next batch is to tell.
    pub(super) fn lose(&self, events: u64) {
        self.shared.lost.fetch_add(events, Ordering::Relaxed);
    }

    /// How many are lost that no batch has told of.
    pub(super) fn take_lost(&self) -> u64 {
        self.shared.lost.swap(0, Ordering::Relaxed)
    }

    fn put(&self, event: Event) {
        let bytes = event.bytes();
        let before = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > BYTES_MAX || self.queue.try_send(Noted::now(event)).is_err() {
            self.taken(bytes);
            self.lose(1);
            self.counts.drop_one();
        }
    }
}

impl Observer for Inbox {
    fn observe(&self, what: Observed<'_>) {
        let has = |kind| self.kinds.has(kind);
        let name = |subject: Option<&Arc<str>>| subject.map(|subject| Box::from(&**subject));
        self.put(match what {
            Observed::TopicOpened(topic) if has(Kind::TopicOpened) => Event::TopicOpened {
                topic: topic.into(),
            },
            Observed::TopicEmptied(topic) if has(Kind::TopicEmptied) => Event::TopicEmptied {
                topic: topic.into(),
            },
            Observed::PeerIn { peer, subject } if has(Kind::PeerIn) => Event::PeerIn {
                peer: peer.as_u64(),
                subject: name(subject),
            },
            Observed::PeerOut { peer, subject } if has(Kind::PeerOut) => Event::PeerOut {
                peer: peer.as_u64(),
                subject: name(subject),
            },
            Observed::TopicOpened(_)
            | Observed::TopicEmptied(_)
            | Observed::PeerIn { .. }
            | Observed::PeerOut { .. }
            | _ => return,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_counted_and_delays_nobody() {
        let (inbox, mut events) = Inbox::new(Kinds::ALL);
        for _ in 0..EVENTS_MAX + 7 {
            inbox.observe(Observed::TopicOpened("t"));
        }
        assert_eq!((inbox.take_lost(), inbox.take_lost()), (7, 0));
        let first = events.try_recv().expect("an event");
        inbox.taken(first.event.bytes());
        inbox.observe(Observed::TopicEmptied("t"));
        assert_eq!(inbox.take_lost(), 0, "there is room again");
    }

    #[test]
    fn long_names_take_the_room_of_many_short_ones() {
        let (inbox, _events) = Inbox::new(Kinds::ALL);
        let long = "t".repeat(1 << 20);
        for _ in 0..20 {
            inbox.observe(Observed::TopicOpened(&long));
        }
        assert_eq!(inbox.take_lost(), 13);
    }

    #[test]
    fn what_was_not_asked_for_takes_no_room() {
        let (inbox, mut events) = Inbox::new("peer_in".parse().expect("a kind"));
        inbox.observe(Observed::TopicOpened("t"));
        assert!(events.try_recv().is_err());
    }
}

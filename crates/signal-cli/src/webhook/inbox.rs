//! Where the threads that serve put events.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use signal_tokio::{Observed, Observer};
use tokio::sync::Notify;

use crate::settings::{Kind, Kinds};
use crate::webhook::counts::Counts;
use crate::webhook::event::Event;

/// The most events that wait: ten thousand peers that leave at once.
const EVENTS_MAX: usize = 20_000;
/// The most that they hold together: names of topics have 4 KiB by default.
const BYTES_MAX: usize = 8 << 20;
/// While more wait, an event of a topic and the one that undoes it are left out: ten batches are
/// some time behind already.
const EVENTS_MANY: usize = 1_000;

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
///
/// A peer may subscribe and unsubscribe thousands of times a second, faster than any server takes
/// events. So where many wait, an event of a topic and the one that undoes it are both left out: a
/// peer makes as many wait as it may have topics, and has none of others dropped.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    kinds: Kinds,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
}

/// The other end.
#[derive(Debug)]
pub(crate) struct Outlet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By their numbers, which are in the order in which they came.
    events: BTreeMap<u64, Noted>,
    next: u64,
    /// The last event of each topic.
    by_topic: HashMap<Box<str>, u64>,
    bytes: usize,
    /// Events that are lost, and that no batch has told of.
    lost: u64,
}

impl Inbox {
    pub(super) fn new(kinds: Kinds) -> (Self, Outlet) {
        let inbox = Self {
            kinds,
            shared: Arc::default(),
            counts: Arc::default(),
        };
        let outlet = Outlet(Arc::clone(&inbox.shared));
        (inbox, outlet)
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Notes that events are lost, of which the next batch is to tell.
    pub(super) fn lose(&self, events: u64) {
        self.shared.lock().lost += events;
    }

    /// How many are lost that no batch has told of.
    pub(super) fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.shared.lock().lost)
    }

    fn put(&self, event: Event) {
        if !self.shared.lock().put(event) {
            self.counts.drop_one();
        }
        self.shared.arrived.notify_one();
    }
}

impl Outlet {
    /// The next event, once there is one.
    pub(super) async fn recv(&mut self) -> Noted {
        loop {
            if let Some(noted) = self.try_recv() {
                return noted;
            }
            self.0.arrived.notified().await;
        }
    }

    pub(super) fn try_recv(&mut self) -> Option<Noted> {
        self.0.lock().take_first()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No code that runs under this lock can panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// False if there is no room.
    fn put(&mut self, event: Event) -> bool {
        if self.events.len() > EVENTS_MANY && self.undo(&event) {
            return true;
        }
        let bytes = event.bytes();
        if self.events.len() >= EVENTS_MAX || self.bytes + bytes > BYTES_MAX {
            self.lost += 1;
            return false;
        }
        if let Some(topic) = event.topic() {
            self.by_topic.insert(topic.into(), self.next);
        }
        self.bytes += bytes;
        self.events.insert(self.next, Noted::now(event));
        self.next += 1;
        true
    }

    /// Takes out the last event of the topic if this one undoes it.
    fn undo(&mut self, event: &Event) -> bool {
        let number = event.topic().and_then(|topic| self.by_topic.get(topic));
        let Some(number) = number.copied() else {
            return false;
        };
        let last = self.events.get(&number);
        let is_undone = last.is_some_and(|last| last.event.is_undone_by(event));
        if is_undone {
            self.take(number);
        }
        is_undone
    }

    fn take_first(&mut self) -> Option<Noted> {
        let number = *self.events.first_key_value()?.0;
        self.take(number)
    }

    fn take(&mut self, number: u64) -> Option<Noted> {
        let noted = self.events.remove(&number)?;
        self.bytes -= noted.event.bytes();
        let topic = noted.event.topic();
        if let Some(topic) = topic.filter(|topic| self.by_topic.get(*topic) == Some(&number)) {
            self.by_topic.remove(topic);
        }
        Some(noted)
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
        events.try_recv().expect("an event");
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
        assert!(events.try_recv().is_none());
    }

    #[test]
    fn a_peer_that_comes_and_goes_in_a_thousand_topics_has_no_event_of_others_dropped() {
        let (inbox, mut events) = Inbox::new(Kinds::ALL);
        let names: Vec<String> = (0..1_000)
            .map(|number| format!("flapping {number}"))
            .collect();
        for round in 0..100 {
            for name in &names {
                inbox.observe(Observed::TopicOpened(name));
            }
            inbox.observe(Observed::TopicOpened(&format!("honest {round}")));
            for name in &names {
                inbox.observe(Observed::TopicEmptied(name));
            }
        }
        assert_eq!(inbox.take_lost(), 0);
        let all: Vec<Noted> = std::iter::from_fn(|| events.try_recv()).collect();
        let is_honest = |noted: &&Noted| {
            let topic = noted.event.topic();
            topic.is_some_and(|topic| topic.starts_with("honest"))
        };
        assert_eq!(all.iter().filter(is_honest).count(), 100);
        assert!(all.len() < 5_000, "{}", all.len());
    }

    #[test]
    fn what_is_heard_of_a_topic_ends_with_how_it_is() {
        let (inbox, mut events) = Inbox::new(Kinds::ALL);
        let mut is_open = [false; 4];
        let mut heard = [false; 4];
        let mut seed = 7_u32;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as usize % below
        };
        let mut hear = |count: usize| {
            let all = std::iter::from_fn(|| events.try_recv()).take(count);
            for noted in all.collect::<Vec<_>>() {
                let (topic, is_open) = match &noted.event {
                    Event::TopicOpened { topic } => (topic, true),
                    Event::TopicEmptied { topic } => (topic, false),
                    Event::PeerIn { .. } | Event::PeerOut { .. } | Event::Refused { .. } => {
                        continue;
                    }
                };
                let place: usize = topic.parse().expect("a number");
                assert_ne!(heard[place], is_open, "each is news");
                heard[place] = is_open;
            }
            heard
        };
        for subject in 0..20_000_u64 {
            let place = random(4);
            is_open[place] = !is_open[place];
            let name = place.to_string();
            inbox.observe(match is_open[place] {
                true => Observed::TopicOpened(&name),
                false => Observed::TopicEmptied(&name),
            });
            let peer = signal_tokio::signal_core::PeerId::new(subject);
            inbox.observe(Observed::PeerIn {
                peer,
                subject: None,
            });
            hear(random(4));
        }
        assert_eq!(hear(usize::MAX), is_open);
    }
}

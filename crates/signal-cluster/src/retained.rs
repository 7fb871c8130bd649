use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::time::Duration;

use signal_core::{Instant, Message};

use crate::node::Node;

/// What an entry takes beside its topic and its text.
const ENTRY_BYTES: usize = 160;

/// The latest publishes of each topic, for some time and in bounded memory.
#[derive(Clone, Debug)]
pub(crate) struct Retained {
    bytes_max: usize,
    bytes: usize,
    /// No topic is without entries.
    topics: BTreeMap<Arc<str>, Topic>,
    /// The topic of each entry, oldest first.
    order: VecDeque<(Instant, Arc<str>)>,
}

/// The latest publishes of one topic, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    /// Where they were sent last.
    pub(crate) home: Node,
    pub(crate) entries: VecDeque<Entry>,
    bytes: usize,
}

/// A publish.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Instant,
    pub(crate) origin: Node,
    pub(crate) number: u64,
    pub(crate) message: Message,
}

impl Retained {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            topics: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Adds a publish, and returns how many were forgotten for it. A topic may have an eighth of
    /// the memory, so that a busy one does not drive out the others.
    pub(crate) fn push(&mut self, topic: &Arc<str>, home: Node, entry: Entry) -> u64 {
        let (at, bytes) = (entry.at, bytes(topic, &entry));
        let kept = self.topics.entry(topic.clone()).or_insert_with(|| Topic {
            home,
            entries: VecDeque::new(),
            bytes: 0,
        });
        kept.entries.push_back(entry);
        kept.bytes += bytes;
        self.bytes += bytes;
        self.order.push_back((at, topic.clone()));
        let mut forgotten = 0;
        while kept.bytes > self.bytes_max / 8 && kept.pop(topic, &mut self.bytes) {
            forgotten += 1;
        }
        if kept.entries.is_empty() {
            self.topics.remove(topic);
        }
        while self.bytes > self.bytes_max {
            match self.order.pop_front() {
                Some((at, topic)) => forgotten += self.forget(&topic, at),
                None => break,
            }
        }
        forgotten
    }

    /// Whether this publish is there.
    pub(crate) fn contains(&self, topic: &str, origin: Node, number: u64) -> bool {
        self.topics.get(topic).is_some_and(|topic| {
            let mut entries = topic.entries.iter();
            entries.any(|entry| entry.origin == origin && entry.number == number)
        })
    }

    /// Forgets what is older than `age`.
    pub(crate) fn expire(&mut self, now: Instant, age: Duration) {
        while let Some((at, topic)) = self.order.front() {
            if now.saturating_since(*at) <= age {
                break;
            }
            let (at, topic) = (*at, topic.clone());
            self.order.pop_front();
            self.forget(&topic, at);
        }
    }

    /// The publishes of a topic that are not older than `age`.
    pub(crate) fn of(
        &self,
        topic: &str,
        now: Instant,
        age: Duration,
    ) -> impl Iterator<Item = &Entry> {
        let entries = self.topics.get(topic).map(|topic| topic.entries.iter());
        let entries = entries.into_iter().flatten();
        entries.filter(move |entry| now.saturating_since(entry.at) <= age)
    }

    /// All topics.
    pub(crate) fn topics(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Topic)> {
        self.topics.iter_mut()
    }

    /// Forgets what a topic has of this time and before.
    fn forget(&mut self, topic: &Arc<str>, at: Instant) -> u64 {
        let Some(kept) = self.topics.get_mut(topic) else {
            return 0;
        };
        let mut forgotten = 0;
        while kept.entries.front().is_some_and(|entry| entry.at <= at) {
            kept.pop(topic, &mut self.bytes);
            forgotten += 1;
        }
        if kept.entries.is_empty() {
            self.topics.remove(topic);
        }
        forgotten
    }
}

impl Topic {
    /// Forgets the oldest. False if there is none.
    fn pop(&mut self, topic: &str, total: &mut usize) -> bool {
        let Some(entry) = self.entries.pop_front() else {
            return false;
        };
        let bytes = bytes(topic, &entry);
        self.bytes = self.bytes.saturating_sub(bytes);
        *total = total.saturating_sub(bytes);
        true
    }
}

fn bytes(topic: &str, entry: &Entry) -> usize {
    ENTRY_BYTES + topic.len() + entry.message.as_bytes().len()
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::NodeId;

    const NODE: Node = Node {
        id: NodeId::new(1),
        life: 1,
    };

    fn entry(at: u64, bytes: usize) -> Entry {
        Entry {
            at: Instant::from_millis(at),
            origin: NODE,
            number: at,
            message: String::from_utf8(vec_of(bytes)).unwrap().into(),
        }
    }

    fn vec_of(bytes: usize) -> alloc::vec::Vec<u8> {
        alloc::vec![b'x'; bytes]
    }

    fn numbers(retained: &Retained, topic: &str) -> alloc::vec::Vec<u64> {
        let (now, age) = (Instant::from_millis(100), Duration::MAX);
        retained
            .of(topic, now, age)
            .map(|entry| entry.number)
            .collect()
    }

    #[test]
    fn old_publishes_and_topics_without_any_are_forgotten() {
        let mut retained = Retained::new(1 << 20);
        for at in 0..10 {
            let topic: Arc<str> = if at % 2 == 0 { "even" } else { "odd" }.into();
            assert_eq!(retained.push(&topic, NODE, entry(at, 10)), 0);
        }
        retained.expire(Instant::from_millis(100), Duration::from_millis(93));
        assert_eq!(numbers(&retained, "even"), [8]);
        assert_eq!(numbers(&retained, "odd"), [7, 9]);
        retained.expire(Instant::from_millis(200), Duration::from_millis(93));
        assert!(retained.topics.is_empty() && retained.order.is_empty() && retained.bytes == 0);
    }

    #[test]
    fn memory_is_bounded_and_a_busy_topic_drives_out_its_own_only() {
        let mut retained = Retained::new(64 * 1024);
        let (quiet, busy): (Arc<str>, Arc<str>) = ("quiet".into(), "busy".into());
        retained.push(&quiet, NODE, entry(0, 100));
        let forgotten: u64 = (1..100)
            .map(|at| retained.push(&busy, NODE, entry(at, 1_000)))
            .sum();
        assert_eq!(forgotten, 99 - 7);
        assert_eq!(numbers(&retained, "quiet"), [0]);
        assert_eq!(numbers(&retained, "busy").len(), 7);
        for number in 0..100 {
            let topic: Arc<str> = format!("t{number}").into();
            retained.push(&topic, NODE, entry(100, 1_000));
            assert!(retained.bytes <= 64 * 1024);
        }
        assert_eq!(numbers(&retained, "quiet"), []);
    }
}

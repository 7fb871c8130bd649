use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use signal_core::Instant;

/// What a topic takes beside its name, which the host may have once more.
const ENTRY_BYTES: usize = 160;

/// How far a publish reaches that comes from outside: the subscribers elsewhere of topics that
/// nobody here is subscribed to, as a home said it last. For some time, and in bounded memory.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    bytes_max: usize,
    bytes: usize,
    topics: BTreeMap<Arc<str>, Known>,
    /// Each topic once, with a time until which it is known at least.
    order: VecDeque<(Instant, Arc<str>)>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    subscribers: u32,
    until: Instant,
}

impl Reach {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            topics: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Takes a number, and returns the topics whose number has changed: this one, and those that
    /// are forgotten for it.
    pub(crate) fn set(
        &mut self,
        topic: &Arc<str>,
        subscribers: u32,
        until: Instant,
    ) -> Vec<(Arc<str>, u32)> {
        let mut changed = Vec::new();
        if let Some(known) = self.topics.get_mut(topic) {
            let before = core::mem::replace(&mut known.subscribers, subscribers);
            known.until = until;
            changed.extend((before != subscribers).then(|| (topic.clone(), subscribers)));
        } else if subscribers > 0 {
            self.bytes += bytes(topic);
            self.topics
                .insert(topic.clone(), Known { subscribers, until });
            self.order.push_back((until, topic.clone()));
            changed.push((topic.clone(), subscribers));
            while self.bytes > self.bytes_max {
                match self.order.pop_front() {
                    Some((_, oldest)) => changed.extend(self.forget(&oldest)),
                    None => break,
                }
            }
        }
        changed
    }

    /// Keeps a topic for longer, as somebody publishes to it.
    pub(crate) fn keep(&mut self, topic: &str, until: Instant) {
        if let Some(known) = self.topics.get_mut(topic) {
            known.until = until;
        }
    }

    /// Forgets what is old, and returns the topics whose number has changed by that.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<(Arc<str>, u32)> {
        let mut changed = Vec::new();
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            let Some((_, topic)) = self.order.pop_front() else {
                break;
            };
            match self.topics.get(&topic) {
                Some(known) if known.until > now => self.order.push_back((known.until, topic)),
                _ => changed.extend(self.forget(&topic)),
            }
        }
        changed
    }

    /// Forgets all, and returns the topics whose number has changed by that.
    pub(crate) fn clear(&mut self) -> Vec<(Arc<str>, u32)> {
        let mut changed = Vec::new();
        while let Some((_, topic)) = self.order.pop_front() {
            changed.extend(self.forget(&topic));
        }
        changed
    }

    fn forget(&mut self, topic: &Arc<str>) -> Option<(Arc<str>, u32)> {
        let known = self.topics.remove(topic)?;
        self.bytes = self.bytes.saturating_sub(bytes(topic));
        (known.subscribers > 0).then(|| (topic.clone(), 0))
    }
}

fn bytes(topic: &str) -> usize {
    ENTRY_BYTES + 2 * topic.len()
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_number_is_known_until_its_time_or_for_as_long_as_somebody_publishes() {
        let (mut reach, topic) = (Reach::new(1 << 20), Arc::from("t"));
        assert_eq!(reach.set(&topic, 0, at(10)), []);
        assert_eq!(reach.set(&topic, 7, at(10)), [(topic.clone(), 7)]);
        assert_eq!(reach.set(&topic, 7, at(10)), []);
        assert_eq!(reach.set(&topic, 5, at(10)), [(topic.clone(), 5)]);
        assert_eq!(reach.expire(at(9)), []);
        reach.keep("t", at(30));
        assert_eq!(reach.expire(at(29)), []);
        assert_eq!(reach.expire(at(30)), [(topic.clone(), 0)]);
        assert!(reach.topics.is_empty() && reach.order.is_empty() && reach.bytes == 0);

        reach.set(&topic, 7, at(40));
        assert_eq!(reach.clear(), [(topic, 0)]);
        assert!(reach.topics.is_empty() && reach.order.is_empty() && reach.bytes == 0);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let mut reach = Reach::new(10_000);
        let mut known = 0_i32;
        for number in 0..1_000 {
            let topic: Arc<str> = format!("t{number}").into();
            let changed = reach.set(&topic, 1, at(number));
            assert_eq!(changed.first(), Some(&(topic.clone(), 1)));
            known += 2 - changed.len() as i32;
            // Back to nobody, and to somebody: the topic is there once.
            reach.set(&topic, 0, at(number));
            reach.set(&topic, 1, at(number));
            assert!(reach.bytes <= 10_000);
            assert_eq!(reach.order.len(), reach.topics.len());
        }
        assert_eq!(known, reach.topics.len() as i32);
        assert!(reach.topics.contains_key("t999") && !reach.topics.contains_key("t0"));
    }
}

//! The part of a long state that lies in the object's storage, and what has changed since.

use std::sync::Arc;

use signal_core::RestoreError;

use crate::bytes::{self, Reader};

/// A peer's state at some time: what goes before the topics, and the topics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Row {
    rest: Vec<u8>,
    topics: Vec<Arc<str>>,
    sum: u32,
}

/// A whole state.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct State {
    pub(crate) rest: Vec<u8>,
    pub(crate) topics: Vec<Arc<str>>,
}

/// How a state differs from a row. Without a row it is the state itself.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Change<'a> {
    /// The row that it is from, by its checksum; 0 without one.
    row: u32,
    /// How much of what goes before the topics is as in the row.
    same: usize,
    /// What comes behind that.
    other: &'a [u8],
    /// The places in the row of topics that are no longer there.
    removed: Vec<u64>,
    /// The topics that are not in the row.
    added: Vec<&'a str>,
}

impl Row {
    pub(crate) fn new(rest: Vec<u8>, topics: Vec<Arc<str>>) -> Self {
        let mut row = Self {
            rest,
            topics,
            sum: 0,
        };
        // Zero stands for no row.
        row.sum = bytes::checksum(&row.to_bytes()).max(1);
        row
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        bytes::put_bytes(&mut out, &self.rest);
        bytes::put_number(&mut out, self.topics.len() as u64);
        for topic in &self.topics {
            bytes::put_bytes(&mut out, topic.as_bytes());
        }
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let rest = reader.bytes()?.to_vec();
        let topics = reader.list(|reader| reader.text().map(Arc::from))?;
        reader.0.is_empty().then(|| Self::new(rest, topics))
    }
}

impl<'a> Change<'a> {
    /// What has changed since the row was written.
    pub(crate) fn between(row: Option<&Row>, rest: &'a [u8], topics: &'a [Arc<str>]) -> Self {
        let before = row.map(|row| row.topics.as_slice()).unwrap_or_default();
        let known = row.map(|row| row.rest.as_slice()).unwrap_or_default();
        let pairs = known.iter().zip(rest);
        let same = pairs.take_while(|(before, now)| before == now).count();
        let is_in = |topics: &[Arc<str>], topic: &str| {
            let place = topics.binary_search_by(|known| (**known).cmp(topic));
            place.is_ok()
        };
        let places = (0..).zip(before);
        let topics_now = topics.iter().map(|topic| &**topic);
        Self {
            row: row.map_or(0, |row| row.sum),
            same,
            other: rest.get(same..).unwrap_or_default(),
            removed: places
                .filter(|(_, topic)| !is_in(topics, topic))
                .map(|(place, _)| place)
                .collect(),
            added: topics_now.filter(|topic| !is_in(before, topic)).collect(),
        }
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        bytes::put_number(out, self.row.into());
        bytes::put_number(out, self.same as u64);
        bytes::put_bytes(out, self.other);
        bytes::put_number(out, self.removed.len() as u64);
        // As distances, which are short.
        let mut before = 0;
        for place in &self.removed {
            bytes::put_number(out, place.wrapping_sub(before));
            before = *place;
        }
        bytes::put_number(out, self.added.len() as u64);
        for topic in &self.added {
            bytes::put_bytes(out, topic.as_bytes());
        }
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let row = u32::try_from(reader.number()?).ok()?;
        let same = usize::try_from(reader.number()?).ok()?;
        let other = reader.bytes()?;
        let mut before: u64 = 0;
        let mut removed = reader.list(Reader::number)?;
        for place in &mut removed {
            before = before.checked_add(*place)?;
            *place = before;
        }
        Some(Self {
            row,
            same,
            other,
            removed,
            added: reader.list(Reader::text)?,
        })
    }

    /// Whether a row is needed to make the state whole.
    pub(crate) fn needs_row(&self) -> bool {
        self.row != 0
    }

    /// The state: what goes before the topics, and the topics.
    pub(crate) fn apply(&self, row: Option<&Row>) -> Result<State, RestoreError> {
        let damaged = RestoreError::Damaged;
        let row = row.filter(|_| self.needs_row());
        if row.map_or(0, |row| row.sum) != self.row {
            return Err(damaged);
        }
        let before = row.map(|row| row.rest.as_slice()).unwrap_or_default();
        let same = before.get(..self.same).ok_or(damaged)?;
        let known = row.map(|row| row.topics.as_slice()).unwrap_or_default();
        let is_there = |place: &u64| self.removed.binary_search(place).is_err();
        let kept = (0..).zip(known).filter(|(place, _)| is_there(place));
        let kept = kept.map(|(_, topic)| &**topic);
        let topics = merge(kept, self.added.iter().copied());
        let rest = [same, self.other].concat();
        Ok(State { rest, topics })
    }
}

/// Two lists that are in order as one that is.
fn merge<'a>(a: impl Iterator<Item = &'a str>, b: impl Iterator<Item = &'a str>) -> Vec<Arc<str>> {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    let next = || {
        let from_a = match (a.peek(), b.peek()) {
            (Some(next_a), Some(next_b)) => next_a < next_b,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let next = if from_a { a.next() } else { b.next() };
        next.map(Arc::from)
    };
    std::iter::from_fn(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().copied().map(Arc::from).collect()
    }

    fn row(rest: &[u8], names: &[&str]) -> Row {
        Row::new(rest.to_vec(), topics(names))
    }

    fn state(rest: &[u8], names: &[&str]) -> State {
        State {
            rest: rest.to_vec(),
            topics: topics(names),
        }
    }

    fn there_and_back(before: Option<&Row>, now: &State) -> (usize, Result<State, RestoreError>) {
        let mut out = Vec::new();
        Change::between(before, &now.rest, &now.topics).put(&mut out);
        let mut reader = Reader(&out);
        let change = Change::read(&mut reader).unwrap();
        assert!(reader.0.is_empty());
        (out.len(), change.apply(before))
    }

    #[test]
    fn a_row_comes_through_as_it_was() {
        for row in [row(b"", &[]), row(b"rest", &["", "a", "ö"])] {
            assert_eq!(Row::from_bytes(&row.to_bytes()), Some(row.clone()));
            let mut longer = row.to_bytes();
            longer.push(0);
            assert_eq!(Row::from_bytes(&longer), None);
        }
    }

    #[test]
    fn a_change_is_short_and_makes_the_state_whole() {
        let names: Vec<String> = (0..100).map(|number| format!("{number:0>250}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let before = row(b"grant, budgets 1", &names);
        let mut now = state(b"grant, budgets 27", &names);
        now.topics.remove(99);
        now.topics.remove(50);
        now.topics.remove(0);
        now.topics.push("zebra".into());
        let (bytes, after) = there_and_back(Some(&before), &now);
        assert_eq!(after, Ok(now));
        assert!(bytes < 40, "{bytes}");
    }

    #[test]
    fn without_a_row_the_change_is_the_state() {
        let now = state(b"rest", &["a", "b"]);
        assert_eq!(there_and_back(None, &now).1, Ok(now));
    }

    #[test]
    fn another_row_than_the_change_is_from_is_an_error() {
        let before = row(b"rest", &["a", "b"]);
        let same = || Ok(state(b"rest", &["a", "b"]));
        let change = Change::between(Some(&before), b"rest", &before.topics);
        assert_eq!(change.apply(Some(&before)), same());
        for other in [None, Some(row(b"rest", &["a", "c"]))] {
            assert_eq!(change.apply(other.as_ref()), Err(RestoreError::Damaged));
        }
        let alone = Change::between(None, b"rest", &before.topics);
        assert_eq!(alone.apply(Some(&row(b"x", &["y"]))), same());
    }
}

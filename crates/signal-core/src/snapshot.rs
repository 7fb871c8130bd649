use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::bucket::Budgets;
use crate::peer::State;
use crate::sorted_set::SortedSet;
use crate::{CloseReason, Grant, Instant, TopicPattern, TopicSet};

/// The whole state of one peer, to be kept where memory is not: in a Durable Object's socket
/// attachment, for example.
///
/// The bytes begin with a version and end with a checksum, so that an older build's or a damaged
/// snapshot is an error and never a wrong state.
///
/// ```
/// use signal_core::{Grant, Instant, Limits, PeerId, PeerSnapshot, Room};
///
/// let (ann, now) = (PeerId::new(1), Instant::ZERO);
/// let mut room = Room::new(Limits::default());
/// room.connect(now, ann, Grant::open());
/// room.receive(now, ann, r#"{"type":"subscribe","topics":["t"]}"#, &mut Vec::new());
///
/// let bytes = room.snapshot(ann).ok_or("ann is connected")?.to_bytes();
/// let mut woken = Room::new(Limits::default());
/// woken.restore(ann, PeerSnapshot::from_bytes(&bytes)?)?;
/// assert_eq!(woken.topics(), room.topics());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerSnapshot {
    pub(crate) state: State,
}

/// Why a snapshot cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Another version of this crate wrote it. Nothing is known of what it holds; the peer has to
    /// connect anew.
    #[error("the snapshot has version {0}, this build reads versions {OLD} and {VERSION}")]
    Version(u8),
    /// The bytes are not a snapshot, or no longer whole.
    #[error("the snapshot is damaged")]
    Damaged,
    /// The room has a peer of this name already.
    #[error("the room has a peer of this name already")]
    InUse,
}

/// Goes up with every change to the bytes.
const VERSION: u8 = 4;
/// The version before, whose grants say nothing of how many subscribers topics may have. It is read
/// too, so that an upgrade closes no peer.
const OLD: u8 = 3;
const CHECKSUM_BYTES: usize = 4;

impl PeerSnapshot {
    /// The snapshot as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let topics = self.state.topics.iter();
        let mut bytes = Vec::with_capacity(128 + topics.map(|name| name.len() + 4).sum::<usize>());
        self.write(&mut bytes);
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Version`] or [`RestoreError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RestoreError> {
        let damaged = RestoreError::Damaged;
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(damaged)?;
        if checksum(content) != u32::from_le_bytes(*sum) {
            return Err(damaged);
        }
        let (version, mut rest) = content.split_first().ok_or(damaged)?;
        if ![OLD, VERSION].contains(version) {
            return Err(RestoreError::Version(*version));
        }
        let state = read_state(*version, &mut rest).ok_or(damaged)?;
        rest.is_empty().then_some(Self { state }).ok_or(damaged)
    }

    /// The topics that the peer subscribes to, in their order.
    pub fn topics(&self) -> &[Arc<str>] {
        &self.state.topics
    }

    /// The snapshot with other topics, which must be in their order, each once. With none it is
    /// short: for a host that keeps topics elsewhere, as they are most of a long snapshot and
    /// change seldom.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Damaged`] if they are not.
    pub fn with_topics(mut self, topics: Vec<Arc<str>>) -> Result<Self, RestoreError> {
        self.state.topics = SortedSet::from_sorted(topics).ok_or(RestoreError::Damaged)?;
        Ok(self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let state = &self.state;
        out.push(VERSION);
        let terms = state.grant.terms();
        write_topic_set(out, &terms.subscribe);
        write_topic_set(out, &terms.publish);
        write_option(out, state.grant.expires());
        write_number(out, terms.clients_max.len() as u64);
        for (topics, max) in &terms.clients_max {
            write_topic_set(out, topics);
            write_number(out, (*max).into());
        }
        write_number(out, state.latest.as_millis());
        for bucket in state.budgets.clone().each() {
            write_number(out, bucket.used);
        }
        write_option(out, state.due);
        write_number(out, state.invalid_in_a_row.into());
        write_number(out, state.heard.into());
        write_number(out, state.quiet_millis.into());
        write_number(out, state.held.map_or(0, |reason| reason.code().into()));
        write_number(out, state.topics.len() as u64);
        for topic in &*state.topics {
            write_text(out, topic);
        }
    }
}

fn read_state(version: u8, input: &mut &[u8]) -> Option<State> {
    let mut grant = Grant::new(read_topic_set(input)?, read_topic_set(input)?);
    if let Some(end) = read_option(input)? {
        grant = grant.expires_at(end);
    }
    if version != OLD {
        for _ in 0..read_number(input)? {
            let topics = read_topic_set(input)?;
            grant = grant.clients_max(topics, u32::try_from(read_number(input)?).ok()?);
        }
    }
    let latest = Instant::from_millis(read_number(input)?);
    let mut budgets = Budgets::default();
    for bucket in budgets.each() {
        bucket.used = read_number(input)?;
    }
    Some(State {
        grant,
        latest,
        budgets,
        due: read_option(input)?,
        invalid_in_a_row: u16::try_from(read_number(input)?).ok()?,
        heard: read_number(input)? != 0,
        quiet_millis: u32::try_from(read_number(input)?).ok()?,
        held: match read_number(input)? {
            0 => None,
            code => {
                let is_it = |reason: &CloseReason| u64::from(reason.code()) == code;
                Some(CloseReason::ALL.into_iter().find(is_it)?)
            }
        },
        // Memory grows with what is really there, not with what is announced.
        topics: SortedSet::from_sorted(
            (0..read_number(input)?)
                .map(|_| read_text(input).map(Arc::from))
                .collect::<Option<_>>()?,
        )?,
    })
}

/// LEB128: seven bits a byte, the lowest first.
fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_number(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// `None` is zero, and a time one more than it is.
fn write_option(out: &mut Vec<u8>, time: Option<Instant>) {
    let number = time.map_or(0, |time| time.as_millis().saturating_add(1));
    write_number(out, number);
}

fn read_option(input: &mut &[u8]) -> Option<Option<Instant>> {
    Some(read_number(input)?.checked_sub(1).map(Instant::from_millis))
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn read_text<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(read_number(input)?).ok()?;
    let (bytes, rest) = input.split_at_checked(length)?;
    *input = rest;
    core::str::from_utf8(bytes).ok()
}

/// All topics is zero, and a list one more than it is long.
fn write_topic_set(out: &mut Vec<u8>, set: &TopicSet) {
    let TopicSet::Matching(patterns) = set else {
        return write_number(out, 0);
    };
    write_number(out, patterns.len() as u64 + 1);
    for pattern in patterns {
        let (kind, text) = match pattern {
            TopicPattern::Exact(name) => (0, name),
            TopicPattern::Prefix(start) => (1, start),
        };
        write_number(out, kind);
        write_text(out, text);
    }
}

fn read_topic_set(input: &mut &[u8]) -> Option<TopicSet> {
    let Some(count) = read_number(input)?.checked_sub(1) else {
        return Some(TopicSet::All);
    };
    let patterns = (0..count).map(|_| match read_number(input)? {
        0 => read_text(input).map(|name| TopicPattern::Exact(name.into())),
        1 => read_text(input).map(|start| TopicPattern::Prefix(start.into())),
        _ => None,
    });
    patterns.collect::<Option<_>>().map(TopicSet::Matching)
}

/// FNV-1a, 32 bits: finds damage, but is not a defence.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

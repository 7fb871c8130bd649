use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::bucket::Bucket;
use crate::peer::State;
use crate::sorted_set::SortedSet;
use crate::{CloseReason, Grant, Instant, TopicPattern, TopicSet};

/// The whole state of one peer, to be kept where memory is not: in a Durable Object's socket
/// attachment, for example.
///
/// The bytes begin with a version and end with a checksum, so that an older build's or a damaged
/// snapshot is an error and never a wrong state. The size is known before anything is written,
/// because attachments are bounded.
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
    #[error("the snapshot has version {0}, this build reads version {VERSION}")]
    Version(u8),
    /// The bytes are no snapshot, or no longer whole.
    #[error("the snapshot is damaged")]
    Damaged,
    /// The room has a peer of this name already.
    #[error("the room has a peer of this name already")]
    InUse,
}

/// Goes up with every change to the bytes.
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

impl PeerSnapshot {
    /// How many bytes [`to_bytes`](Self::to_bytes) returns.
    pub fn encoded_len(&self) -> usize {
        let mut count = Counter(0);
        self.write(&mut count);
        count.0 + CHECKSUM_BYTES
    }

    /// The snapshot as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
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
        if *version != VERSION {
            return Err(RestoreError::Version(*version));
        }
        let state = read_state(&mut rest).ok_or(damaged)?;
        if rest.is_empty() {
            Ok(Self { state })
        } else {
            Err(damaged)
        }
    }

    fn write(&self, out: &mut impl Output) {
        let state = &self.state;
        out.put(&[VERSION]);
        write_topic_set(out, state.grant.subscribe());
        write_topic_set(out, state.grant.publish());
        write_option(out, state.grant.expires().map(Instant::as_millis));
        write_number(out, state.latest.as_millis());
        for bucket in [state.messages, state.fan_out, state.pings, state.strikes] {
            write_number(out, bucket.full_at);
        }
        write_number(out, state.invalid_in_a_row.into());
        let due = state.due.map(Instant::as_millis);
        let (next_ping, close) = match state.held {
            None => (due, None),
            Some(_) => (None, due),
        };
        write_option(out, next_ping);
        write_number(out, state.heard.into());
        write_option(out, close);
        write_number(out, state.held.map_or(0, |reason| reason.code().into()));
        write_number(out, state.topics.len() as u64);
        for topic in &*state.topics {
            write_text(out, topic);
        }
    }
}

fn read_state(input: &mut &[u8]) -> Option<State> {
    let subscribe = read_topic_set(input)?;
    let publish = read_topic_set(input)?;
    let expires = read_option(input)?.map(Instant::from_millis);
    let latest = Instant::from_millis(read_number(input)?);
    let mut bucket = || {
        Some(Bucket {
            full_at: read_number(input)?,
        })
    };
    let [messages, fan_out, pings, strikes] = [bucket()?, bucket()?, bucket()?, bucket()?];
    let invalid_in_a_row = u32::try_from(read_number(input)?).ok()?;
    let next_ping = read_option(input)?.map(Instant::from_millis);
    let heard = read_number(input)? != 0;
    let close = read_option(input)?.map(Instant::from_millis);
    let code = read_number(input)?;
    let held = match close {
        Some(_) => {
            let is_it = |reason: &CloseReason| u64::from(reason.code()) == code;
            Some(CloseReason::ALL.into_iter().find(is_it)?)
        }
        None => None,
    };
    let mut topics = SortedSet::from_sorted(read_list(input, read_text)?)?;
    if held.is_some() {
        // Version 1 once kept the topics of a held peer, too.
        topics = SortedSet::default();
    }
    let mut grant = Grant::new(subscribe, publish);
    if let Some(end) = expires {
        grant = grant.expires_at(end);
    }
    Some(State {
        grant,
        topics,
        latest,
        messages,
        fan_out,
        pings,
        strikes,
        due: close.or(next_ping),
        invalid_in_a_row,
        heard,
        held,
    })
}

/// Where a snapshot is written to: bytes, or only their number.
trait Output {
    fn put(&mut self, bytes: &[u8]);
}

impl Output for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

struct Counter(usize);

impl Output for Counter {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// LEB128: seven bits a byte, the lowest first.
fn write_number(out: &mut impl Output, mut number: u64) {
    while number >= 0x80 {
        out.put(&[number as u8 | 0x80]);
        number >>= 7;
    }
    out.put(&[number as u8]);
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

/// `None` is one zero byte, `Some` a one before the number.
fn write_option(out: &mut impl Output, number: Option<u64>) {
    write_number(out, number.is_some().into());
    if let Some(number) = number {
        write_number(out, number);
    }
}

fn read_option(input: &mut &[u8]) -> Option<Option<u64>> {
    match read_number(input)? {
        0 => Some(None),
        1 => Some(Some(read_number(input)?)),
        _ => None,
    }
}

fn write_text(out: &mut impl Output, text: &str) {
    write_number(out, text.len() as u64);
    out.put(text.as_bytes());
}

fn read_text(input: &mut &[u8]) -> Option<Box<str>> {
    let length = usize::try_from(read_number(input)?).ok()?;
    let (bytes, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(core::str::from_utf8(bytes).ok()?.into())
}

/// Reads as many items as the list announces. Memory grows with what is really there, not with the
/// announcement.
fn read_list<T>(input: &mut &[u8], read_item: impl Fn(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let count = read_number(input)?;
    (0..count).map(|_| read_item(input)).collect()
}

fn write_topic_set(out: &mut impl Output, set: &TopicSet) {
    match set {
        TopicSet::All => write_number(out, 0),
        TopicSet::Matching(patterns) => {
            write_number(out, 1);
            write_number(out, patterns.len() as u64);
            for pattern in patterns {
                match pattern {
                    TopicPattern::Exact(name) => {
                        write_number(out, 0);
                        write_text(out, name);
                    }
                    TopicPattern::Prefix(start) => {
                        write_number(out, 1);
                        write_text(out, start);
                    }
                }
            }
        }
    }
}

fn read_topic_set(input: &mut &[u8]) -> Option<TopicSet> {
    match read_number(input)? {
        0 => Some(TopicSet::All),
        1 => read_list(input, read_pattern).map(TopicSet::Matching),
        _ => None,
    }
}

fn read_pattern(input: &mut &[u8]) -> Option<TopicPattern> {
    match read_number(input)? {
        0 => read_text(input).map(TopicPattern::Exact),
        1 => read_text(input).map(TopicPattern::Prefix),
        _ => None,
    }
}

/// FNV-1a, 32 bits: finds damage, keeps out nobody.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

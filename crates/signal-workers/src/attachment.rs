//! What is kept with a socket, and how a state is kept that is too long for one attachment.
//!
//! An attachment may have 16,384 bytes. The state of a peer with many long topics is longer; it
//! then lies in a row of the object's storage, and the attachment has only what has changed since.
//! A row is written anew when that no longer fits. So what a peer must send for one write, which is
//! billed, is an attachment full of new topics, and nothing is ever lost in between: attachment and
//! row together are always the whole state.

use signal_core::{Instant, PeerId, PeerSnapshot, RestoreError};

use crate::bytes::{self, Reader};
use crate::row::{Change, Row};
use crate::subject;
use crate::ticket::{self, Holder};

/// What fits into an attachment: the runtime's limit less what its own encoding of the bytes takes.
const BYTES_MAX: usize = 16_384 - 64;
/// A state that is no longer than this needs no row any more. It is less than what fits, so that a
/// peer at the limit does not have its row written and removed with every message.
const BYTES_WITHOUT_ROW: usize = BYTES_MAX / 2;
const VERSION: u8 = 2;
const CHECKSUM_BYTES: usize = 4;
/// More than all has that is neither topics nor before them: numbers, an address, a subject.
const OTHER_BYTES: usize = 192;
/// More than the length of a topic takes.
const LENGTH_BYTES: usize = 3;

/// A peer as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// The peer, which is also the key of its row.
    pub(crate) peer: PeerId,
    /// When the last message of it was handled.
    pub(crate) heard_at: Instant,
    pub(crate) holder: Holder,
    pub(crate) snapshot: PeerSnapshot,
}

/// An attachment as bytes, and what must be done about the row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Kept {
    pub(crate) attachment: Vec<u8>,
    pub(crate) row: RowChange,
}

/// What becomes of the row of a peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RowChange {
    /// It stays as it is, or is not there.
    Same,
    /// It is written, in place of any other.
    Write(Row),
    /// It is removed.
    Remove,
}

/// Encodes a peer. `row` is what the storage holds for it.
pub(crate) fn keep(record: &Record, row: Option<&Row>) -> Kept {
    let rest = rest(&record.snapshot);
    let topics = record.snapshot.topics();
    let (allowed, without) = match row {
        None => (BYTES_MAX, RowChange::Same),
        Some(_) => (BYTES_WITHOUT_ROW, RowChange::Remove),
    };
    let topic_bytes = topics.iter().map(|topic| topic.len() + LENGTH_BYTES);
    if OTHER_BYTES + rest.len() + topic_bytes.sum::<usize>() <= allowed {
        return Kept {
            attachment: encode(record, &rest, None),
            row: without,
        };
    }
    let changed = row.map(|row| encode(record, &rest, Some(row)));
    if let Some(attachment) = changed.filter(|changed| changed.len() <= BYTES_MAX) {
        return Kept {
            attachment,
            row: RowChange::Same,
        };
    }
    let row = Row::new(rest.clone(), topics.to_vec());
    Kept {
        attachment: encode(record, &rest, Some(&row)),
        row: RowChange::Write(row),
    }
}

fn encode(record: &Record, rest: &[u8], row: Option<&Row>) -> Vec<u8> {
    let mut out = vec![VERSION];
    bytes::put_number(&mut out, record.peer.as_u64());
    bytes::put_number(&mut out, record.heard_at.as_millis());
    let Holder { address, subject } = &record.holder;
    let address = address.map(|address| address.to_string());
    let subject = subject.as_ref().map(subject::write);
    for text in [address, subject] {
        bytes::put_bytes(&mut out, text.unwrap_or_default().as_bytes());
    }
    Change::between(row, rest, record.snapshot.topics()).put(&mut out);
    let sum = bytes::checksum(&out);
    out.extend(sum.to_le_bytes());
    out
}

/// The snapshot without its topics.
fn rest(snapshot: &PeerSnapshot) -> Vec<u8> {
    let short = snapshot.clone().with_topics(Vec::new());
    // No topics are in order.
    short.map(|short| short.to_bytes()).unwrap_or_default()
}

/// An attachment that was read.
#[derive(Debug)]
pub(crate) struct Attachment<'a> {
    /// The peer, which is also the key of its row.
    pub(crate) peer: PeerId,
    heard_at: Instant,
    holder: Holder,
    change: Change<'a>,
}

impl<'a> Attachment<'a> {
    /// Reads an attachment.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, RestoreError> {
        let damaged = RestoreError::Damaged;
        let version = *bytes.first().ok_or(damaged)?;
        if version != VERSION {
            return Err(RestoreError::Version(version));
        }
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(damaged)?;
        if bytes::checksum(content) != u32::from_le_bytes(*sum) {
            return Err(damaged);
        }
        let mut reader = Reader(content.get(1..).ok_or(damaged)?);
        let attachment = Self::read_content(&mut reader).ok_or(damaged)?;
        if reader.0.is_empty() {
            Ok(attachment)
        } else {
            Err(damaged)
        }
    }

    fn read_content(reader: &mut Reader<'a>) -> Option<Self> {
        let peer = PeerId::new(reader.number()?);
        let heard_at = Instant::from_millis(reader.number()?);
        let (address, subject) = (reader.text()?, reader.text()?);
        Some(Self {
            peer,
            heard_at,
            holder: Holder {
                address: ticket::read_address(address),
                subject: subject::read(subject),
            },
            change: Change::read(reader)?,
        })
    }

    /// Whether a row is needed beside it.
    pub(crate) fn needs_row(&self) -> bool {
        self.change.needs_row()
    }

    /// The peer, with the row that the storage holds. A row of another time is an error.
    pub(crate) fn record(self, row: Option<&Row>) -> Result<Record, RestoreError> {
        let state = self.change.apply(row)?;
        let short = PeerSnapshot::from_bytes(&state.rest)?;
        Ok(Record {
            peer: self.peer,
            heard_at: self.heard_at,
            holder: self.holder,
            snapshot: short.with_topics(state.topics)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use signal_access::{AddressKey, Subject};
    use signal_core::{Grant, Limits, Room, TopicSet};

    use super::*;

    const ANN: PeerId = PeerId::new(7);

    /// A room in which ann has so many topics of so many bytes.
    fn room(topics: usize, bytes: usize) -> Room {
        let mut limits = Limits::default();
        limits.messages_burst = 1_000_000;
        let mut room = Room::new(limits);
        room.connect(Instant::ZERO, ANN, Grant::open());
        for number in 0..topics {
            subscribe(&mut room, &format!("{number:0>bytes$}"));
        }
        room
    }

    fn subscribe(room: &mut Room, topic: &str) {
        send(
            room,
            &format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#),
        );
    }

    fn unsubscribe(room: &mut Room, topic: &str) {
        send(
            room,
            &format!(r#"{{"type":"unsubscribe","topics":["{topic}"]}}"#),
        );
    }

    fn send(room: &mut Room, text: &str) {
        room.receive(Instant::ZERO, ANN, text, &mut Vec::new());
    }

    fn ann(room: &Room) -> Record {
        Record {
            peer: ANN,
            heard_at: Instant::from_millis(1_700_000_000_000),
            holder: Holder {
                address: Some(AddressKey::new([203, 0, 113, 7].into())),
                subject: Some(subject::hashed(&Subject::new("ann", 3))),
            },
            snapshot: room.snapshot(ANN).unwrap(),
        }
    }

    fn restore(kept: &Kept, row: Option<&Row>) -> Record {
        Attachment::read(&kept.attachment)
            .unwrap()
            .record(row)
            .unwrap()
    }

    fn written(kept: &Kept) -> Row {
        match &kept.row {
            RowChange::Write(row) => row.clone(),
            RowChange::Same | RowChange::Remove => panic!("no row: {:?}", kept.row),
        }
    }

    #[test]
    fn an_ordinary_peer_needs_no_storage() {
        let ann = ann(&room(3, 36));
        let kept = keep(&ann, None);
        assert_eq!(kept.row, RowChange::Same);
        assert!(kept.attachment.len() < 256, "{}", kept.attachment.len());
        assert_eq!(restore(&kept, None), ann);
    }

    #[test]
    fn a_peer_of_which_nothing_is_counted_is_short() {
        let mut ann = ann(&room(1, 36));
        ann.holder = Holder::default();
        let kept = keep(&ann, None);
        assert!(kept.attachment.len() < 100, "{}", kept.attachment.len());
        assert_eq!(restore(&kept, None), ann);
    }

    #[test]
    fn a_peer_with_128_topics_of_256_bytes_is_cut_and_made_whole() {
        let ann = ann(&room(128, 256));
        let kept = keep(&ann, None);
        let row = written(&kept);
        assert!(kept.attachment.len() < 256, "{}", kept.attachment.len());
        assert_eq!(restore(&kept, Some(&row)), ann);
    }

    #[test]
    fn a_grant_longer_than_an_attachment_is_kept_too() {
        let topics = (0..128).fold(TopicSet::none(), |set, number| {
            set.exact(&format!("{number:0>256}"))
        });
        let mut room = Room::new(Limits::default());
        room.connect(Instant::ZERO, ANN, Grant::new(topics.clone(), topics));
        let kept = keep(&ann(&room), None);
        let row = written(&kept);
        assert!(kept.attachment.len() < 256, "{}", kept.attachment.len());
        send(&mut room, r#"{"type":"ping"}"#);
        let next = keep(&ann(&room), Some(&row));
        assert_eq!(next.row, RowChange::Same);
        assert_eq!(restore(&next, Some(&row)), ann(&room));
    }

    #[test]
    fn every_size_around_the_limit_is_kept_whole() {
        for topics in 55..75 {
            let ann = ann(&room(topics, 250));
            let kept = keep(&ann, None);
            let row = match &kept.row {
                RowChange::Write(row) => Some(row),
                RowChange::Same | RowChange::Remove => None,
            };
            assert!(kept.attachment.len() <= BYTES_MAX);
            assert_eq!(restore(&kept, row), ann);
        }
    }

    #[test]
    fn a_message_that_moves_a_budget_leaves_the_row_as_it_is() {
        let mut room = room(128, 256);
        let row = written(&keep(&ann(&room), None));
        for second in 1..100 {
            let now = Instant::from_millis(second * 1_000_000_007);
            let publish = r#"{"type":"publish","topic":"t"}"#;
            room.receive(now, ANN, publish, &mut Vec::new());
            let kept = keep(&ann(&room), Some(&row));
            assert_eq!(kept.row, RowChange::Same, "after {second} messages");
            assert_eq!(restore(&kept, Some(&row)), ann(&room));
        }
    }

    /// One row for each attachment full of new topics, and not one for each message.
    #[test]
    fn a_peer_that_changes_its_topics_has_few_rows_written() {
        let mut room = room(127, 256);
        let mut row = None;
        let mut writes = 0;
        for round in 0..500 {
            let topic = format!("{round:z>256}");
            subscribe(&mut room, &topic);
            for _ in 0..2 {
                let kept = keep(&ann(&room), row.as_ref());
                if let RowChange::Write(new) = &kept.row {
                    row = Some(new.clone());
                    writes += 1;
                }
                assert_ne!(kept.row, RowChange::Remove);
                assert_eq!(restore(&kept, row.as_ref()), ann(&room), "round {round}");
                unsubscribe(&mut room, &topic);
            }
        }
        assert_eq!(writes, 1);
        // And the worst: always another topic goes.
        for round in 0..500_usize {
            let gone: Vec<std::sync::Arc<str>> = ann(&room).snapshot.topics().to_vec();
            unsubscribe(&mut room, &gone[round % gone.len()]);
            subscribe(&mut room, &format!("{round:y>256}"));
            let kept = keep(&ann(&room), row.as_ref());
            if let RowChange::Write(new) = &kept.row {
                row = Some(new.clone());
                writes += 1;
            }
            assert_eq!(restore(&kept, row.as_ref()), ann(&room), "round {round}");
        }
        assert!(
            writes <= 10,
            "{writes} rows for 500 new topics, 62 fit into an attachment"
        );
    }

    #[test]
    fn a_peer_at_the_limit_does_not_have_its_row_written_and_removed_in_turn() {
        let mut room = room(61, 260);
        let mut row = None;
        let mut changes = 0;
        for _ in 0..100 {
            subscribe(&mut room, &"a".repeat(256));
            subscribe(&mut room, &"b".repeat(256));
            for step in 0..2 {
                let kept = keep(&ann(&room), row.as_ref());
                match &kept.row {
                    RowChange::Same => {}
                    RowChange::Write(new) => row = Some(new.clone()),
                    RowChange::Remove => row = None,
                }
                changes += u32::from(kept.row != RowChange::Same);
                assert_eq!(restore(&kept, row.as_ref()), ann(&room), "step {step}");
                unsubscribe(&mut room, &"a".repeat(256));
                unsubscribe(&mut room, &"b".repeat(256));
            }
        }
        assert!(changes <= 1, "{changes}");
    }

    #[test]
    fn a_peer_that_leaves_its_topics_needs_no_storage_any_more() {
        let mut long = room(100, 256);
        let row = written(&keep(&ann(&long), None));
        let names: Vec<String> = (0..90)
            .map(|number| format!("\"{number:0>256}\""))
            .collect();
        let text = format!(r#"{{"type":"unsubscribe","topics":[{}]}}"#, names.join(","));
        send(&mut long, &text);
        let kept = keep(&ann(&long), Some(&row));
        assert_eq!(kept.row, RowChange::Remove);
        assert_eq!(restore(&kept, None), ann(&long));
    }

    #[test]
    fn damage_anywhere_is_an_error_and_never_another_state() {
        let long = keep(&ann(&room(128, 256)), None);
        let row = written(&long);
        let short = keep(&ann(&room(2, 20)), None);
        for (kept, row) in [(&short, None), (&long, Some(&row))] {
            for at in 0..kept.attachment.len() {
                let mut bytes = kept.attachment.clone();
                bytes[at] ^= 1;
                let read = Attachment::read(&bytes).and_then(|read| read.record(row));
                assert!(read.is_err(), "byte {at}");
            }
            for length in 0..kept.attachment.len() {
                let cut = Attachment::read(&kept.attachment[..length]);
                assert!(cut.is_err(), "{length} bytes");
            }
        }
        let attachment = || Attachment::read(&long.attachment).unwrap();
        assert!(attachment().needs_row());
        assert_eq!(attachment().record(None), Err(RestoreError::Damaged));
        let other = Row::new(Vec::new(), Vec::new());
        assert_eq!(
            attachment().record(Some(&other)),
            Err(RestoreError::Damaged)
        );
    }

    #[test]
    fn another_version_says_so() {
        let mut bytes = keep(&ann(&room(1, 1)), None).attachment;
        bytes[0] = 9;
        let read = Attachment::read(&bytes);
        assert_eq!(read.err(), Some(RestoreError::Version(9)));
    }
}

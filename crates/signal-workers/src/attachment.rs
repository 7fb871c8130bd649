//! What is kept with a socket, and how it is cut where it is too long for one attachment.
//!
//! An attachment may have 16,384 bytes. A snapshot with many long topics is longer; its end is then
//! kept in the object's storage. It is the end, because a snapshot holds its topics last: a message
//! that only moves a budget changes the part before them, so that it costs an attachment but no
//! write to the storage, which is billed.

use signal_core::{PeerId, PeerSnapshot, RestoreError};

/// What fits into an attachment: the runtime's limit less what its own encoding of the bytes takes.
const BYTES_MAX: usize = 16_384 - 64;
const VERSION: u8 = 1;
/// Version, peer, length of the tail.
const HEADER_BYTES: usize = 1 + 8 + 4;
/// The snapshot's checksum, which goes before the rest so that the tail changes only with the
/// topics.
const CHECKSUM_BYTES: usize = 4;
/// How much of a long snapshot stays in the attachment when it is cut anew: not all that fits, so
/// that budgets may grow by some digits and the cut still holds.
const HEAD_BYTES: usize = BYTES_MAX * 3 / 4;

/// An attachment as bytes, and what must be done about its tail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Kept {
    pub(crate) attachment: Vec<u8>,
    pub(crate) tail: Tail,
}

/// What the storage must hold for a peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Tail {
    /// Nothing.
    None,
    /// What it holds already.
    Same,
    /// This.
    New(Vec<u8>),
}

/// Encodes a peer's state. `stored` is the tail that the storage holds for it, empty if none.
pub(crate) fn keep(peer: PeerId, snapshot: &PeerSnapshot, stored: &[u8]) -> Kept {
    let mut body = snapshot.to_bytes();
    let content_bytes = body.len().saturating_sub(CHECKSUM_BYTES);
    body.rotate_left(content_bytes);
    let room = BYTES_MAX - HEADER_BYTES;
    let same_head = body.len().saturating_sub(stored.len());
    let (head_bytes, tail) = if body.len() <= room {
        (body.len(), Tail::None)
    } else if !stored.is_empty() && same_head <= room && body.ends_with(stored) {
        (same_head, Tail::Same)
    } else {
        (HEAD_BYTES, Tail::New(body.split_off(HEAD_BYTES)))
    };
    let tail_bytes = match &tail {
        Tail::None => 0,
        Tail::Same => stored.len(),
        Tail::New(tail) => tail.len(),
    };
    let mut attachment = Vec::with_capacity(HEADER_BYTES + head_bytes);
    attachment.push(VERSION);
    attachment.extend(peer.as_u64().to_le_bytes());
    attachment.extend(u32::try_from(tail_bytes).unwrap_or(u32::MAX).to_le_bytes());
    attachment.extend(body.iter().take(head_bytes));
    Kept { attachment, tail }
}

/// An attachment that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Attachment<'a> {
    /// The peer, which is also the key of its tail.
    pub(crate) peer: PeerId,
    /// How long its tail is; 0 for none.
    pub(crate) tail_bytes: u32,
    head: &'a [u8],
}

impl<'a> Attachment<'a> {
    /// Reads an attachment.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, RestoreError> {
        let (version, rest) = bytes.split_first().ok_or(RestoreError::Damaged)?;
        if *version != VERSION {
            return Err(RestoreError::Version(*version));
        }
        let (peer, rest) = rest.split_first_chunk().ok_or(RestoreError::Damaged)?;
        let (tail_bytes, head) = rest.split_first_chunk().ok_or(RestoreError::Damaged)?;
        Ok(Self {
            peer: PeerId::new(u64::from_le_bytes(*peer)),
            tail_bytes: u32::from_le_bytes(*tail_bytes),
            head,
        })
    }

    /// The state, with the tail that the storage holds. The checksum spans both, so a tail of
    /// another time is an error.
    pub(crate) fn snapshot(&self, tail: &[u8]) -> Result<PeerSnapshot, RestoreError> {
        if tail.len() as u64 != u64::from(self.tail_bytes) {
            return Err(RestoreError::Damaged);
        }
        let mut body = [self.head, tail].concat();
        if body.len() < CHECKSUM_BYTES {
            return Err(RestoreError::Damaged);
        }
        body.rotate_left(CHECKSUM_BYTES);
        PeerSnapshot::from_bytes(&body)
    }
}

#[cfg(test)]
mod tests {
    use signal_core::{Grant, Instant, Limits, Room};

    use super::*;

    const ANN: PeerId = PeerId::new(7);

    /// A room in which ann has so many topics of so many bytes.
    fn room(topics: usize, bytes: usize) -> Room {
        let mut room = Room::new(Limits::default());
        room.connect(Instant::ZERO, ANN, Grant::open());
        for number in 0..topics {
            subscribe(&mut room, &format!("{number:0>bytes$}"));
        }
        room
    }

    fn subscribe(room: &mut Room, topic: &str) {
        let text = format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#);
        room.receive(Instant::ZERO, ANN, &text, &mut Vec::new());
    }

    fn keep_ann(room: &Room, stored: &[u8]) -> Kept {
        keep(ANN, &room.snapshot(ANN).unwrap(), stored)
    }

    fn restore(kept: &Kept, tail: &[u8]) -> PeerSnapshot {
        let attachment = Attachment::read(&kept.attachment).unwrap();
        assert_eq!(attachment.peer, ANN);
        attachment.snapshot(tail).unwrap()
    }

    fn new_tail(kept: &Kept) -> Vec<u8> {
        match &kept.tail {
            Tail::New(tail) => tail.clone(),
            Tail::None | Tail::Same => panic!("no new tail: {:?}", kept.tail),
        }
    }

    #[test]
    fn an_ordinary_peer_needs_no_storage() {
        let room = room(3, 36);
        let kept = keep_ann(&room, &[]);
        assert_eq!(kept.tail, Tail::None);
        assert!(kept.attachment.len() < 256, "{}", kept.attachment.len());
        assert_eq!(restore(&kept, &[]), room.snapshot(ANN).unwrap());
    }

    #[test]
    fn a_peer_with_128_topics_of_256_bytes_is_cut_and_made_whole() {
        let room = room(128, 256);
        let kept = keep_ann(&room, &[]);
        let tail = new_tail(&kept);
        assert!(kept.attachment.len() <= BYTES_MAX);
        assert_eq!(restore(&kept, &tail), room.snapshot(ANN).unwrap());
    }

    #[test]
    fn every_size_around_the_limit_is_kept_whole() {
        for topics in 55..75 {
            let room = room(topics, 250);
            let kept = keep_ann(&room, &[]);
            let tail = match &kept.tail {
                Tail::New(tail) => tail.as_slice(),
                Tail::None | Tail::Same => &[],
            };
            assert!(kept.attachment.len() <= BYTES_MAX);
            assert_eq!(restore(&kept, tail), room.snapshot(ANN).unwrap());
        }
    }

    #[test]
    fn a_message_that_moves_a_budget_leaves_the_tail_as_it_is() {
        let mut room = room(128, 256);
        let tail = new_tail(&keep_ann(&room, &[]));
        for second in 1..100 {
            let now = Instant::from_millis(second * 1_000_000_007);
            room.receive(
                now,
                ANN,
                r#"{"type":"publish","topic":"t"}"#,
                &mut Vec::new(),
            );
            let kept = keep_ann(&room, &tail);
            assert_eq!(kept.tail, Tail::Same, "after {second} messages");
            assert_eq!(restore(&kept, &tail), room.snapshot(ANN).unwrap());
        }
    }

    #[test]
    fn a_topic_more_or_less_is_in_the_next_tail() {
        let mut room = room(100, 256);
        let tail = new_tail(&keep_ann(&room, &[]));
        subscribe(&mut room, "zebra");
        let kept = keep_ann(&room, &tail);
        let tail = new_tail(&kept);
        assert_eq!(restore(&kept, &tail), room.snapshot(ANN).unwrap());
    }

    #[test]
    fn a_peer_that_leaves_its_topics_needs_no_storage_any_more() {
        let mut long = room(100, 256);
        let tail = new_tail(&keep_ann(&long, &[]));
        let names: Vec<String> = (0..90)
            .map(|number| format!("\"{number:0>256}\""))
            .collect();
        let text = format!(r#"{{"type":"unsubscribe","topics":[{}]}}"#, names.join(","));
        long.receive(Instant::ZERO, ANN, &text, &mut Vec::new());
        assert_eq!(keep_ann(&long, &tail).tail, Tail::None);
    }

    #[test]
    fn damage_anywhere_is_an_error_and_never_another_state() {
        let long = keep_ann(&room(128, 256), &[]);
        let tail = new_tail(&long);
        let short = keep_ann(&room(2, 20), &[]);
        for (kept, tail) in [(&short, [].as_slice()), (&long, tail.as_slice())] {
            let after_peer = 1 + 8;
            for at in (after_peer..kept.attachment.len()).step_by(17) {
                let mut bytes = kept.attachment.clone();
                bytes[at] ^= 1;
                assert!(
                    Attachment::read(&bytes).unwrap().snapshot(tail).is_err(),
                    "byte {at}"
                );
            }
            for length in 0..kept.attachment.len().min(200) {
                let cut = Attachment::read(&kept.attachment[..length]);
                assert!(
                    cut.and_then(|cut| cut.snapshot(tail)).is_err(),
                    "{length} bytes"
                );
            }
        }
        let attachment = Attachment::read(&long.attachment).unwrap();
        assert_eq!(attachment.snapshot(&[]), Err(RestoreError::Damaged));
        assert_eq!(
            attachment.snapshot(&vec![0; tail.len()]),
            Err(RestoreError::Damaged)
        );
    }

    #[test]
    fn another_version_says_so() {
        let mut bytes = keep_ann(&room(1, 1), &[]).attachment;
        bytes[0] = 9;
        assert_eq!(Attachment::read(&bytes), Err(RestoreError::Version(9)));
    }
}

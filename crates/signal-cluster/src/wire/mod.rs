//! What nodes send each other, as bytes.
//!
//! ```text
//! message = "SGC" version:u8 kind:u8 … sum:u64      kind 1 is a beat, 2 a batch
//! beat    = from:node newest:u8 flags:u8 view:u64 uptime_ms:n links:n (node session:n last:n heard:n)*
//! batch   = from:node to:node session:n first:n heard:n flags:u8 frame*
//! frame   = 1 flags:u8 topic count:n                subscribe; flag 1: moved
//!         | 2 flags:u8 topic number:n payer text    publish; flag 1: again, 2: payer
//!         | 3 topic origin:node number:n elsewhere:n text      pass
//!         | 4 topic elsewhere:n                     count
//!         | 5 peer:n deliveries:n bytes:n           owe
//! payer   = peer:n charged:n, or nothing without flag 2
//! node    = id:u64 life:u32        n = LEB128        topic, text = length:n, UTF-8
//! ```
//!
//! Fixed numbers are little-endian. `sum` is a hash of all before it, which finds damage and keeps
//! out nobody. A message is taken whole or not at all.

mod batch;
mod beat;
mod frame;
mod reader;
mod writer;

pub use batch::Batch;
pub use beat::{Beat, LinkState};
pub use frame::Frame;

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::mix::hash;
use reader::Reader;

/// The newest version of the wire.
pub const VERSION: u8 = 1;

/// The oldest version that is still spoken.
pub const OLDEST_VERSION: u8 = 1;

/// The most that a message has beside the topic and the text of its only frame.
pub(crate) const OVERHEAD: usize = 128;

const MAGIC: [u8; 3] = *b"SGC";
const BEAT: u8 = 1;
const BATCH: u8 = 2;

/// One message of a node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// Says that the node lives.
    Beat(Beat),
    /// Frames for one other node.
    Batch(Batch),
}

impl Message {
    /// Writes it down in a version of the wire.
    pub fn encode(&self, version: u8) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Beat(beat) => {
                begin(&mut out, version, BEAT);
                beat.write(&mut out);
            }
            Self::Batch(batch) => {
                begin(&mut out, version, BATCH);
                batch.write(&mut out);
            }
        }
        end(&mut out);
        out
    }

    /// Reads a message of one of these versions.
    ///
    /// # Errors
    ///
    /// Why it is not one.
    pub fn decode(bytes: &[u8], versions: RangeInclusive<u8>) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        if reader.array() != Some(MAGIC) {
            return Err(WireError::Malformed);
        }
        let version = reader.byte().ok_or(WireError::Malformed)?;
        if !versions.contains(&version) {
            return Err(WireError::Version(version));
        }
        Self::decode_known(bytes).ok_or(WireError::Malformed)
    }

    fn decode_known(bytes: &[u8]) -> Option<Self> {
        let (text, end) = bytes.split_last_chunk()?;
        if sum(text) != u64::from_le_bytes(*end) {
            return None;
        }
        let mut reader = Reader::new(text.get(MAGIC.len() + 1..)?);
        match reader.byte()? {
            BEAT => Beat::read(&mut reader).map(Self::Beat),
            BATCH => Batch::read(&mut reader).map(Self::Batch),
            _ => None,
        }
    }
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WireError {
    /// They are damaged, or something else.
    Malformed,
    /// They are of a version that is not spoken here.
    Version(u8),
}

/// The hash that a message ends with, of all before it.
pub fn sum(bytes: &[u8]) -> u64 {
    hash(bytes)
}

/// Begins a message.
pub(crate) fn begin(out: &mut Vec<u8>, version: u8, kind: u8) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[version, kind]);
}

/// Ends a message.
pub(crate) fn end(out: &mut Vec<u8>) {
    let sum = sum(out);
    out.extend_from_slice(&sum.to_le_bytes());
}

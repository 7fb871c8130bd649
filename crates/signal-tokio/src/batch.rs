//! What all members of a room get in one write.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use crate::frame::{self, Opcode};

/// A batch is sealed at this many bytes at the latest; one that long gains nothing by growing.
const BYTES_MAX: usize = 256 * 1024;

/// Frames for many peers, one behind the other, to which more can be added until the first of the peers takes them.
///
/// A large room in which many talk at once would put each message into each queue. Instead a queue that is empty gets a batch,
/// once, and what is published until it is written is added to that, once for all.
#[derive(Debug)]
pub(crate) struct Batch {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Open { bytes: BytesMut, frames: usize },
    Sealed(Bytes),
}

impl Batch {
    /// A batch of one message.
    pub(crate) fn new(payload: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(payload.len() + frame::HEADER_BYTES_MAX);
        frame::put(&mut bytes, Opcode::Text, payload);
        let state = Mutex::new(State::Open { bytes, frames: 1 });
        Self { state }
    }

    /// Adds a message. False if nothing can be added any more, or not this many bytes and frames.
    pub(crate) fn add(&self, payload: &[u8], bytes_max: usize, frames_max: usize) -> bool {
        let State::Open { bytes, frames } = &mut *self.lock() else {
            return false;
        };
        let more = payload.len() + frame::HEADER_BYTES_MAX;
        if bytes.len() + more > bytes_max.min(BYTES_MAX) || *frames >= frames_max {
            return false;
        }
        frame::put(bytes, Opcode::Text, payload);
        *frames += 1;
        true
    }

    /// The bytes to write. From now on nothing is added.
    pub(crate) fn seal(&self) -> Bytes {
        let mut state = self.lock();
        let bytes = match &mut *state {
            State::Open { bytes, .. } => std::mem::take(bytes).freeze(),
            State::Sealed(bytes) => return bytes.clone(),
        };
        *state = State::Sealed(bytes.clone());
        bytes
    }

    /// How many bytes it has until now.
    pub(crate) fn len(&self) -> usize {
        match &*self.lock() {
            State::Open { bytes, .. } => bytes.len(),
            State::Sealed(bytes) => bytes.len(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that runs under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_added_until_it_is_sealed() {
        let batch = Batch::new(b"one");
        assert!(batch.add(b"two", 100, 3));
        assert_eq!(&batch.seal()[..], b"\x81\x03one\x81\x03two");
        assert!(!batch.add(b"three", 100, 3));
        assert_eq!(&batch.seal()[..], b"\x81\x03one\x81\x03two");
    }

    #[test]
    fn it_takes_so_many_bytes_and_frames_and_no_more() {
        let batch = Batch::new(b"one");
        assert!(!batch.add(&[b'x'; 100], 100, 3));
        assert!(batch.add(b"two", 100, 2));
        assert!(!batch.add(b"three", 100, 2));
        assert_eq!(batch.len(), 10);
    }
}

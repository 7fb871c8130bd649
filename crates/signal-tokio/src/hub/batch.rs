//! What all members of a room get in one write.

use bytes::Bytes;
use signal_core::Delivery;

use crate::frame;
use crate::hub::memory::{Account, Kept};
use crate::lock::Lock;

/// A batch is sealed at this many bytes at the latest; one that long gains nothing by growing.
const BYTES_MAX: usize = 256 * 1024;

/// Frames for many peers, one behind the other, to which more can be added until the first of the
/// peers takes them.
///
/// A room in which many talk at once would put each message into each queue. Instead each queue
/// gets a batch, once, and what is published until the first of them is written is added to that,
/// once for all.
#[derive(Debug)]
pub(crate) struct Batch {
    state: Lock<State>,
}

#[derive(Debug)]
struct State {
    /// What can be added to, until it is sealed.
    open: Option<Kept>,
    sealed: Bytes,
}

impl Batch {
    /// A batch of one message.
    pub(crate) fn new(publish: &Delivery<'_>, account: &Account) -> Self {
        let state = Lock::new(State {
            open: Some(Kept::new(frame::encode_publish(publish), account)),
            sealed: Bytes::new(),
        });
        Self { state }
    }

    /// Adds a message. False if nothing can be added any more, or not this many bytes.
    pub(crate) fn add(&self, publish: &Delivery<'_>, bytes_max: usize) -> bool {
        let mut state = self.state.lock();
        let Some(kept) = &mut state.open else {
            return false;
        };
        let more = frame::encoded_len(publish.len());
        if kept.as_ref().len() + more > bytes_max.min(BYTES_MAX) {
            return false;
        }
        kept.change(|bytes| frame::put_publish(bytes, publish));
        true
    }

    /// The bytes to write. From now on nothing is added.
    pub(crate) fn seal(&self) -> Bytes {
        let mut state = self.state.lock();
        if let Some(kept) = state.open.take() {
            state.sealed = Bytes::from_owner(kept);
        }
        state.sealed.clone()
    }

    /// How many bytes it has until now.
    pub(crate) fn len(&self) -> usize {
        let state = self.state.lock();
        let open = state.open.as_ref().map_or(0, |kept| kept.as_ref().len());
        open + state.sealed.len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use signal_core::Publish;

    use super::*;
    use crate::frame::Opcode;

    const ONE: &str = r#"{"type":"publish","topic":"t","data":1}"#;
    const TWO: &str = r#"{"type":"publish","clients":7,"topic":"t","data":22}"#;

    pub(crate) fn publish(text: &str) -> Publish<'_> {
        Publish::read(text).expect("it is a publish")
    }

    #[test]
    fn messages_are_added_until_it_is_sealed() {
        let (one, two) = (publish(ONE), publish(TWO));
        let expected = [
            r#"{"type":"publish","topic":"t","data":1,"clients":2}"#,
            r#"{"type":"publish","topic":"t","data":22,"clients":103}"#,
        ]
        .map(|text| frame::encode(Opcode::Text, text.as_bytes()))
        .concat();

        let batch = Batch::new(&one.delivery(2), &Account::default());
        assert!(batch.add(&two.delivery(103), 200));
        assert_eq!(batch.seal(), expected);
        assert!(!batch.add(&one.delivery(2), 200));
        assert_eq!(batch.seal(), expected);
    }

    #[test]
    fn it_takes_so_many_bytes_and_no_more() {
        let one = publish(ONE);
        let one = one.delivery(2);
        let frame_bytes = frame::encoded_len(one.len());

        let batch = Batch::new(&one, &Account::default());
        assert!(!batch.add(&one, 2 * frame_bytes - 1));
        assert!(batch.add(&one, 2 * frame_bytes));
        assert_eq!(batch.len(), 2 * frame_bytes);
    }
}

//! What waits in the queues of one peer or of many.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::BytesMut;
use signal_core::Delivery;

use crate::frame;
use crate::hub::memory::Account;
use crate::lock::Lock;

/// A batch is sealed at this many bytes at the latest; one that long gains nothing by growing.
const BYTES_MAX: usize = 256 * 1024;
/// What a batch costs beside its bytes.
const COST: usize = 192;

/// Frames for many peers, one behind the other, to which more can be added until the first of the
/// peers takes them.
///
/// A room in which many talk at once would put each message into each queue. Instead each queue
/// gets a batch, once, and what is published until the first of them is written is added to that,
/// once for all.
///
/// Nearly all are written in a moment, so a batch costs nothing to count: it begins to count when
/// the first socket has refused it, and does for as long as somebody has it.
#[derive(Debug)]
pub(crate) struct Batch {
    /// What can be added to, until it is sealed.
    open: Lock<Option<BytesMut>>,
    sealed: OnceLock<BytesMut>,
    /// A frame to which nothing is ever added, instead of both: most are one, and have it at once.
    only: BytesMut,
    /// Where it is counted, once it is.
    account: OnceLock<Account>,
}

impl Batch {
    /// A batch of one message.
    pub(crate) fn new(publish: &Delivery<'_>) -> Self {
        Self {
            open: Lock::new(Some(frame::encode_publish(publish))),
            sealed: OnceLock::new(),
            only: BytesMut::new(),
            account: OnceLock::new(),
        }
    }

    /// A batch to which nothing is added.
    fn only(frame: BytesMut) -> Self {
        Self {
            open: Lock::new(None),
            sealed: OnceLock::new(),
            only: frame,
            account: OnceLock::new(),
        }
    }

    /// Adds a message. False if nothing can be added any more, or not this many bytes.
    pub(crate) fn add(&self, publish: &Delivery<'_>, bytes_max: usize) -> bool {
        let mut open = self.open.lock();
        let Some(bytes) = &mut *open else {
            return false;
        };
        let more = frame::encoded_len(publish.len());
        if bytes.len() + more > bytes_max.min(BYTES_MAX) {
            return false;
        }
        let before = bytes.capacity();
        frame::put_publish(bytes, publish);
        if let Some(account) = self.account.get() {
            account.change(before, bytes.capacity());
        }
        true
    }

    /// From now on nothing is added, and the bytes can be written.
    pub(crate) fn seal(&self) {
        if !self.sealed().is_empty() {
            return;
        }
        let mut open = self.open.lock();
        if let Some(bytes) = open.take() {
            self.sealed.get_or_init(|| bytes);
        }
    }

    /// How many bytes it has until now.
    pub(crate) fn len(&self) -> usize {
        let sealed = self.sealed();
        if !sealed.is_empty() {
            return sealed.len();
        }
        let open = self.open.lock();
        open.as_ref().unwrap_or(self.sealed()).len()
    }

    /// Counts it, from now on until the last peer has done with it.
    pub(crate) fn count(&self, account: &Account) {
        if self.account.get().is_some() {
            return;
        }
        // Under the lock, so that it does not grow meanwhile.
        let open = self.open.lock();
        if self.account.set(account.clone()).is_ok() {
            account.change(0, self.cost(open.as_ref()));
        }
    }

    /// The part of what it costs that falls to each of those who have it.
    pub(crate) fn share(self: &Arc<Self>) -> usize {
        let cost = self.cost(self.open.lock().as_ref());
        cost / Arc::strong_count(self)
    }

    fn cost(&self, open: Option<&BytesMut>) -> usize {
        open.unwrap_or(self.sealed()).capacity() + COST
    }

    /// What can be written.
    fn sealed(&self) -> &BytesMut {
        self.sealed.get().unwrap_or(&self.only)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(account) = self.account.get() {
            account.change(self.cost(self.open.lock().as_ref()), 0);
        }
    }
}

/// What is left to write of a sealed batch, in one queue.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    batch: Arc<Batch>,
    written: usize,
}

impl Queued {
    /// A frame, for one queue or for many.
    pub(crate) fn new(frame: BytesMut) -> Self {
        Self {
            batch: Arc::new(Batch::only(frame)),
            written: 0,
        }
    }

    /// A batch, which is sealed with this.
    pub(crate) fn seal(batch: Arc<Batch>) -> Self {
        batch.seal();
        Self { batch, written: 0 }
    }

    /// Notes that so many more of its bytes are written.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.written += bytes;
    }

    /// Whether some of it is written.
    pub(crate) fn is_begun(&self) -> bool {
        self.written > 0
    }

    pub(crate) fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }
}

impl Deref for Queued {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.batch.sealed().get(self.written..).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Queued {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use signal_core::Publish;

    use super::*;
    use crate::frame::Opcode;
    use crate::hub::memory::Memory;

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

        let batch = Arc::new(Batch::new(&one.delivery(2)));
        assert!(batch.add(&two.delivery(103), 200));
        assert_eq!(*Queued::seal(Arc::clone(&batch)), *expected);
        assert!(!batch.add(&one.delivery(2), 200));
        assert_eq!(*Queued::seal(batch), *expected);
    }

    #[test]
    fn it_takes_so_many_bytes_and_no_more() {
        let one = publish(ONE);
        let one = one.delivery(2);
        let frame_bytes = frame::encoded_len(one.len());

        let batch = Batch::new(&one);
        assert!(!batch.add(&one, 2 * frame_bytes - 1));
        assert!(batch.add(&one, 2 * frame_bytes));
        assert_eq!(batch.len(), 2 * frame_bytes);
        batch.seal();
        assert_eq!(batch.len(), 2 * frame_bytes);
    }

    #[test]
    fn it_counts_once_from_when_it_stays_until_its_last_handle_is_gone() {
        let memory = Memory::new(1 << 30);
        let frame = Queued::new(BytesMut::zeroed(1 << 20));
        let handles = vec![frame; 1_000];
        assert_eq!(memory.held(), 0);
        for handle in &handles {
            handle.batch().count(memory.account());
        }
        assert_eq!(memory.held(), (1 << 20) + COST);
        assert_eq!(handles[0].batch().share(), ((1 << 20) + COST) / 1_000);
        // On another thread, which has an account of its own.
        std::thread::scope(|scope| scope.spawn(|| drop(handles)).join()).expect("no panic");
        assert_eq!(memory.held(), 0);
    }

    #[test]
    fn what_is_added_to_one_that_counts_does_too() {
        let memory = Memory::new(1 << 30);
        let one = publish(ONE);
        let one = one.delivery(2);
        let batch = Batch::new(&one);
        batch.count(memory.account());
        let before = memory.held();
        while batch.add(&one, usize::MAX) {}
        assert!(memory.held() - before > 200_000, "{}", memory.held());
        batch.seal();
        assert!(memory.held() - before > 200_000, "{}", memory.held());
        drop(batch);
        assert_eq!(memory.held(), 0);
    }
}

//! A queue that is bounded in bytes, and how much of what was in one is still under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use tokio::sync::mpsc;

/// What a message takes beside its bytes, so that empty ones are not free.
const MESSAGE_BYTES: usize = 128;

pub(crate) struct Sender<T> {
    sender: mpsc::UnboundedSender<(usize, T)>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

pub(crate) struct Receiver<T> {
    receiver: mpsc::UnboundedReceiver<(usize, T)>,
    bytes: Arc<AtomicUsize>,
}

pub(crate) fn queue<T>(bytes_max: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let bytes = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        sender,
        bytes: Arc::clone(&bytes),
        bytes_max,
    };
    (sender, Receiver { receiver, bytes })
}

impl<T> Sender<T> {
    /// Puts a message of so many bytes at the end. False if there is no room for it.
    #[must_use]
    pub(crate) fn push(&self, bytes: usize, message: T) -> bool {
        let bytes = bytes + MESSAGE_BYTES;
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let is_taken =
            before + bytes <= self.bytes_max && self.sender.send((bytes, message)).is_ok();
        if !is_taken {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        is_taken
    }
}

impl<T> Receiver<T> {
    /// The next message; nothing once all senders are gone.
    pub(crate) async fn pop(&mut self) -> Option<T> {
        std::future::poll_fn(|cx| self.poll_pop(cx)).await
    }

    pub(crate) fn poll_pop(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let next = ready!(self.receiver.poll_recv(cx));
        Poll::Ready(next.map(|(bytes, message)| self.take(bytes, message)))
    }

    /// The next message, if one is there already.
    pub(crate) fn try_pop(&mut self) -> Option<T> {
        let (bytes, message) = self.receiver.try_recv().ok()?;
        Some(self.take(bytes, message))
    }

    fn take(&self, bytes: usize, message: T) -> T {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        message
    }
}

/// Messages that were taken and are neither out nor lost.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    messages: AtomicUsize,
    waker: AtomicWaker,
}

impl Waiting {
    pub(crate) fn add(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, messages: usize) {
        if self.messages.fetch_sub(messages, Ordering::AcqRel) == messages {
            self.waker.wake();
        }
    }

    /// Completes when there are none.
    pub(crate) fn poll_none(&self, cx: &Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        match self.messages.load(Ordering::Acquire) {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_over_the_bound_is_not_taken_until_there_is_room() {
        let (sender, mut receiver) = queue(1_000 + 2 * MESSAGE_BYTES);
        assert!(sender.push(600, 'a'));
        assert!(!sender.push(401, 'b'));
        assert!(sender.push(400, 'c'));
        assert!(!sender.push(0, 'd'));
        assert_eq!(receiver.pop().await, Some('a'));
        assert!(sender.push(401, 'e'));
        drop(sender);
        assert_eq!(receiver.pop().await, Some('c'));
        assert_eq!(receiver.pop().await, Some('e'));
        assert_eq!(receiver.pop().await, None);
    }
}

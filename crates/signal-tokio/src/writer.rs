//! The writer of a thread: one task that writes for all connections of it, once in a turn of the thread's loop.
//!
//! Waking the task of each receiver costs more than half as much as the write itself. So on the threads of
//! [`Relay::serve_per_core`](crate::Relay::serve_per_core), whose connections never move, a queue that gets its first frame is
//! put on a list of the thread, and when all that was ready has been read, the writer takes what the listed queues hold and
//! writes it, each with one system call. A socket that does not take all leaves the rest to its own task, which waits for it.
//!
//! ```text
//!  readers ──push──▶ queue ──first frame──▶ list ──▶ writer ──▶ sockets
//!                                                      └─ would block ──▶ the connection's task
//! ```

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::queue::Outbound;
use crate::shared_stream::SharedStream;

/// Frames of one write; as many as the systems we know take (`IOV_MAX`).
const SLICES_MAX: usize = 1_024;
/// Up to this many bytes, copying frames together is cheaper than telling the kernel where each lies.
const COPIED_BYTES_MAX: usize = 16 * 1024;

static THREADS: AtomicU32 = AtomicU32::new(1);

thread_local! {
    static THREAD: Cell<Option<ThreadNumber>> = const { Cell::new(None) };
    static LIST: RefCell<List> = const { RefCell::new(List { queues: Vec::new(), writer: None }) };
}

/// The number of a thread that has a writer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ThreadNumber(u32);

/// The queues of this thread that have something to write.
struct List {
    queues: Vec<Arc<Outbound>>,
    /// Wakes the writer; `None` while it is awake.
    writer: Option<Waker>,
}

/// What a queue needs for its thread's writer to write it.
#[derive(Debug)]
pub(crate) struct Direct {
    thread: ThreadNumber,
    stream: SharedStream,
}

impl Direct {
    /// The writer of this thread, for a connection that stays on it. `None` where there is no writer.
    pub(crate) fn on_this_thread(stream: SharedStream) -> Option<Self> {
        let thread = THREAD.get()?;
        Some(Self { thread, stream })
    }

    pub(crate) fn is_here(&self) -> bool {
        THREAD.get() == Some(self.thread)
    }

    pub(crate) fn stream(&self) -> SharedStream {
        self.stream.clone()
    }
}

/// Puts a queue on the list of this thread.
pub(crate) fn enlist(queue: &Arc<Outbound>) {
    let writer = LIST.with_borrow_mut(|list| {
        list.queues.push(Arc::clone(queue));
        list.writer.take()
    });
    if let Some(writer) = writer {
        writer.wake();
    }
}

/// Makes this thread one with a writer, and runs that for ever.
pub(crate) async fn run() {
    THREAD.set(Some(ThreadNumber(THREADS.fetch_add(1, Ordering::Relaxed))));
    let mut writer = Writer::default();
    poll_fn(|cx| writer.poll(cx)).await
}

#[derive(Default)]
struct Writer {
    /// Empty between two turns; kept for its memory, as are the next two.
    queues: Vec<Arc<Outbound>>,
    frames: VecDeque<Bytes>,
    copied: Vec<u8>,
    has_yielded: bool,
}

impl Writer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_empty = LIST.with_borrow(|list| list.queues.is_empty());
        if !is_empty && !self.has_yielded {
            // What has arrived in the meantime is read first: its answers go out with the same writes.
            self.has_yielded = true;
            let _ = pin!(tokio::task::yield_now()).poll(cx);
            return Poll::Pending;
        }
        self.has_yielded = false;
        LIST.with_borrow_mut(|list| std::mem::swap(&mut list.queues, &mut self.queues));
        for queue in self.queues.drain(..) {
            queue.write_all(&mut self.frames, |stream, frames| {
                write(stream, frames, &mut self.copied)
            });
        }
        LIST.with_borrow_mut(|list| {
            if list.queues.is_empty() {
                list.writer = Some(cx.waker().clone());
            } else {
                cx.waker().wake_by_ref();
            }
        });
        Poll::Pending
    }
}

/// Writes as many frames as fit in one system call and returns how many bytes the socket took.
fn write(
    stream: &SharedStream,
    frames: &VecDeque<Bytes>,
    copied: &mut Vec<u8>,
) -> io::Result<usize> {
    if let (1, Some(frame)) = (frames.len(), frames.front()) {
        return stream.try_write(frame);
    }
    let bytes: usize = frames.iter().map(Bytes::len).sum();
    if bytes <= COPIED_BYTES_MAX {
        copied.clear();
        frames
            .iter()
            .for_each(|frame| copied.extend_from_slice(frame));
        return stream.try_write(copied);
    }
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let mut count = 0;
    for (slice, frame) in slices.iter_mut().zip(frames) {
        *slice = IoSlice::new(frame);
        count += 1;
    }
    stream.try_write_vectored(&slices[..count])
}

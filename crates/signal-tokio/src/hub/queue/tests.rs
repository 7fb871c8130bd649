mod held;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use bytes::BytesMut;

use super::state::FRAME_COST;
use super::*;
use crate::frame;
use crate::hub::batch::tests::publish;
use crate::hub::wake::{Home, Mailbox, Notes};

/// What a queue may hold, of which ten frames without bytes take all.
const BYTES_MAX: usize = 10 * FRAME_COST;

/// How many times its limit a queue may hold at once, and what it may at least.
const BURST_FACTOR: usize = 128;
const BURST_BYTES_MIN: usize = 32 * 1024 * 1024;

const START: Instant = Instant::from_millis(0);
const PATIENCE: Duration = Duration::from_secs(1);

fn frame(bytes: usize) -> Queued {
    Queued::new(BytesMut::zeroed(bytes))
}

/// A write at the start.
fn write_all<E>(
    queue: &Outbound,
    write: impl FnMut(&VecDeque<Queued>) -> Poll<Result<usize, E>>,
) -> Poll<Result<(), E>> {
    queue.write_all(START, PATIENCE, write)
}

/// A write to a socket that takes so many bytes and no more.
fn write_some(queue: &Outbound, mut bytes: usize) {
    let written = write_all(queue, |frames| {
        let all: usize = frames.iter().map(|frame| frame.len()).sum();
        match bytes.min(all) {
            0 => Poll::<Result<_, ()>>::Pending,
            some => {
                bytes -= some;
                Poll::Ready(Ok(some))
            }
        }
    });
    assert!(written.is_pending(), "it took all");
}

/// Pushes so many frames without bytes.
fn push_some(queue: &Outbound, count: usize) {
    for _ in 0..count {
        queue.push(&frame(0), BYTES_MAX);
    }
}

/// How many frames of this length a queue takes before it is full.
fn fill(queue: &Outbound, bytes: usize) -> usize {
    (0..)
        .find(|_| queue.push(&frame(bytes), BYTES_MAX) == Pushed::Overflowed)
        .expect("it has a limit")
}

#[test]
fn a_queue_stays_small() {
    let bytes = size_of::<Outbound>();
    assert!(
        bytes <= 72,
        "a queue has grown to {bytes} bytes; each connection has one while it is idle"
    );
}

#[test]
fn a_queue_is_full_when_its_bytes_and_the_cost_of_its_frames_are_many_times_its_limit() {
    let queue = Outbound::default();
    let limit = 2 * BURST_BYTES_MIN / BURST_FACTOR;
    let shared = frame(limit - FRAME_COST);
    let is_full = |_: &usize| queue.push(&shared, limit) == Pushed::Overflowed;
    let taken = (0..).find(is_full).expect("it has a limit");
    assert_eq!(taken, BURST_FACTOR);
    assert_eq!(queue.push(&frame(1), limit), Pushed::Closed);
}

#[test]
fn a_low_limit_leaves_room_for_a_burst_too() {
    let queue = Outbound::default();
    assert_eq!(fill(&queue, FRAME_COST), BURST_BYTES_MIN / (2 * FRAME_COST));
    assert_eq!(queue.push(&frame(1), BYTES_MAX), Pushed::Closed);
    assert_eq!(queue.take_asked(false).0, Some(CloseReason::SlowConsumer));
}

#[test]
fn a_queue_holds_its_bytes_and_what_its_frames_cost() {
    let queue = Outbound::default();
    queue.push(&frame(3), BYTES_MAX);
    queue.push(&frame(4), BYTES_MAX);
    assert!(queue.holds_over(2 * FRAME_COST + 6));
    assert!(!queue.holds_over(2 * FRAME_COST + 7));
    write_some(&queue, 3);
    assert!(!queue.holds_over(FRAME_COST + 4));
}

/// A write that takes everything.
fn take_all(frames: &VecDeque<Queued>) -> Poll<Result<usize, ()>> {
    Poll::Ready(Ok(frames.iter().map(|frame| frame.len()).sum()))
}

#[test]
fn frames_count_until_they_are_written() {
    let queue = Outbound::default();
    queue.push(&frame(10), BYTES_MAX);
    let written = write_all(&queue, |frames| {
        assert_eq!(queue.bytes(), 10, "they are on their way");
        take_all(frames)
    });
    assert_eq!(written, Poll::Ready(Ok(())));
    assert!(queue.is_empty() && queue.bytes() == 0);
}

#[test]
fn what_comes_during_a_write_is_written_after_it() {
    let queue = Outbound::default();
    queue.push(&frame(1), BYTES_MAX);
    let mut lengths = Vec::new();
    let written = write_all(&queue, |frames| {
        if lengths.is_empty() {
            queue.push(&frame(2), BYTES_MAX);
        }
        lengths.extend(frames.iter().map(|frame| frame.len()));
        take_all(frames)
    });
    assert_eq!((written, lengths), (Poll::Ready(Ok(())), vec![1, 2]));
}

#[test]
fn a_task_is_woken_by_what_it_does_not_know() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let cx = Context::from_waker(&waker);
    let woken = || count.0.load(Ordering::Relaxed);

    let queue = Outbound::default();
    assert!(queue.sleep(&cx));
    queue.push(&frame(1), BYTES_MAX);
    queue.push(&frame(1), BYTES_MAX);
    assert_eq!(woken(), 1, "once for all");
    assert!(!queue.sleep(&cx), "there are frames");
    assert!(write_all(&queue, |_| Poll::<Result<_, ()>>::Pending).is_pending());
    assert!(queue.sleep(&cx), "its socket wakes it");
    queue.push(&frame(1), BYTES_MAX);
    assert_eq!(woken(), 1, "a full socket cannot take it");
    fill(&queue, 0);
    assert_eq!(woken(), 2, "the queue overflows");
    assert!(!queue.sleep(&cx), "the end is there");
}

#[test]
fn what_is_on_its_way_stays_when_the_rest_is_discarded() {
    let queue = Outbound::default();
    queue.push(&frame(4), BYTES_MAX);
    let mut takes = [Poll::Ready(Ok(4)), Poll::Ready(Err(()))].into_iter();
    let written = write_all(&queue, |_| {
        queue.push(&frame(5), BYTES_MAX);
        queue.discard();
        assert_eq!(queue.bytes(), 4);
        takes.next().expect("no more writes")
    });
    assert_eq!(written, Poll::Ready(Ok(())));
    assert!(queue.is_empty() && queue.bytes() == 0);
}

#[test]
fn a_frame_that_is_half_written_outlives_the_rest() {
    let queue = Outbound::default();
    queue.push(&frame(4), BYTES_MAX);
    queue.push(&frame(5), BYTES_MAX);
    let mut takes = [Poll::Ready(Ok::<_, ()>(3)), Poll::Pending].into_iter();
    let written = write_all(&queue, |_| takes.next().expect("no more writes"));
    assert!(written.is_pending());
    queue.discard();
    queue.finish(&Queued::new(BytesMut::from("the end")));
    let mut rest = Vec::new();
    let written = write_all(&queue, |frames| {
        rest.extend(frames.iter().flat_map(|frame| frame.iter().copied()));
        take_all(frames)
    });
    assert!(written.is_ready());
    assert_eq!(rest, b"\0the end");
    assert!(queue.is_empty() && queue.bytes() == 0);
}

#[test]
fn a_write_that_panics_leaves_nothing_for_the_next_queue_of_its_thread() {
    let (queue, other) = (Outbound::default(), Outbound::default());
    queue.push(&frame(1), BYTES_MAX);
    let write = AssertUnwindSafe(|| write_all(&queue, |_| -> Poll<Result<_, ()>> { panic!() }));
    assert!(catch_unwind(write).is_err());
    other.push(&frame(2), BYTES_MAX);
    let written = write_all(&other, |frames| {
        let lengths: Vec<_> = frames.iter().map(|frame| frame.len()).collect();
        assert_eq!(lengths, [2]);
        take_all(frames)
    });
    assert_eq!(written, Poll::Ready(Ok(())));
}

fn queue_in_reactor() -> Outbound {
    Outbound::new(Owner::Reactor(Home::new(Arc::default(), 0)))
}

#[test]
fn a_batch_keeps_its_place_among_frames() {
    let publish = publish(r#"{"type":"publish","topic":"t"}"#);
    let publish = publish.delivery(2);
    let text = Queued::new(frame::encode_publish(&publish));
    let batches = [(); 2].map(|()| Arc::new(Batch::new(&publish)));
    let adds = |number: usize| batches[number].add(&publish, 1_000);

    let queue = queue_in_reactor();
    queue.push(&frame(1), BYTES_MAX);
    assert!(queue.push_batch(&batches[0], BYTES_MAX));
    assert!(adds(0));
    queue.push(&frame(2), BYTES_MAX);
    assert!(!adds(0), "something follows it");
    assert!(queue.push_batch(&batches[1], BYTES_MAX));
    assert!(adds(1));
    let mut written = Vec::new();
    let outcome = write_all(&queue, |frames| {
        written.extend(frames.iter().flat_map(|frame| frame.iter().copied()));
        take_all(frames)
    });
    assert_eq!(outcome, Poll::Ready(Ok(())));
    assert!(!adds(1), "it is taken");
    let (one, two) = (frame(1), frame(2));
    assert_eq!(
        written,
        [&one, &text, &text, &two, &text, &text]
            .map(|frame| &frame[..])
            .concat()
    );
    assert!(queue.is_empty() && queue.bytes() == 0);
}

#[test]
fn a_batch_is_queued_where_it_has_room_to_grow() {
    let publish = publish(r#"{"type":"publish","topic":"t"}"#);
    let batch = Arc::new(Batch::new(&publish.delivery(2)));
    let takes_batch_behind = |queue: Outbound, frames: usize| {
        push_some(&queue, frames);
        queue.push_batch(&batch, BYTES_MAX)
    };

    let almost = BURST_BYTES_MIN / FRAME_COST - 5;
    assert!(takes_batch_behind(queue_in_reactor(), almost));
    assert!(!takes_batch_behind(queue_in_reactor(), almost + 1), "full");
    assert!(
        !takes_batch_behind(queue_in_reactor(), almost + 6),
        "closed"
    );
    assert!(!takes_batch_behind(Outbound::default(), 0), "a task's");
}

#[test]
fn a_reactor_is_told_to_hurry_before_a_queue_is_full() {
    let mailbox = Arc::<Mailbox>::default();
    let home = Home::new(Arc::clone(&mailbox), 0);
    let queue = Outbound::new(Owner::Reactor(home));
    push_some(&queue, 5);
    assert!(!mailbox.is_urgent());
    queue.push(&frame(0), BYTES_MAX);
    assert!(mailbox.is_urgent(), "half of it waits");
    mailbox.take_writes(&mut Notes::default());
    write_some(&queue, 0);
    queue.push(&frame(0), BYTES_MAX);
    assert!(!mailbox.is_urgent(), "the socket takes no more");
}

#[cfg(feature = "cluster")]
#[test]
fn who_has_published_since_is_known_to_a_moment_and_never_too_few() {
    let at = Instant::from_millis;
    let queue = Outbound::default();
    assert!(!queue.has_published_since(at(0)), "never");
    queue.note_published(at(0));
    assert!(queue.has_published_since(at(0)));
    queue.note_published(at(100_001));
    assert!(queue.has_published_since(at(100_001)));
    assert!(!queue.has_published_since(at(100_050)));
    queue.note_published(at(u64::MAX / 2));
    assert!(queue.has_published_since(at(u64::MAX)), "after years");
}

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::frame;
use crate::hub::batch::tests::publish;

const LIMITS: QueueLimits = QueueLimits {
    bytes_max: 10,
    frames_max: 3,
};

fn frame(bytes: usize) -> Bytes {
    Bytes::from(vec![0; bytes])
}

#[test]
fn a_queue_is_full_at_its_bytes_or_its_frames() {
    let by_bytes = Arc::new(Outbound::default());
    assert_eq!(by_bytes.push(&frame(10), LIMITS), Pushed::Queued);
    assert_eq!(by_bytes.push(&frame(1), LIMITS), Pushed::Overflowed);
    let by_frames = Arc::new(Outbound::default());
    assert!((0..3).all(|_| by_frames.push(&frame(1), LIMITS) == Pushed::Queued));
    assert_eq!(by_frames.push(&frame(1), LIMITS), Pushed::Overflowed);
    assert_eq!(by_frames.push(&frame(1), LIMITS), Pushed::Closed);
    assert_eq!(by_frames.take_ending(), Some(CloseReason::SlowConsumer));
}

const NOTHING: Load = Load {
    bytes: 0,
    frames: 0,
};

/// A write that takes everything.
fn take_all(frames: &VecDeque<Bytes>) -> Poll<Result<usize, ()>> {
    Poll::Ready(Ok(frames.iter().map(Bytes::len).sum()))
}

#[test]
fn frames_count_until_they_are_written() {
    let queue = Outbound::default();
    assert_eq!(queue.push(&frame(10), LIMITS), Pushed::Queued);
    let written = queue.write_all(|frames| {
        let load = Load {
            bytes: 10,
            frames: 1,
        };
        assert_eq!(queue.load(), load, "they are on their way");
        take_all(frames)
    });
    assert_eq!((written, queue.load()), (Poll::Ready(Ok(())), NOTHING));
    assert_eq!(queue.push(&frame(10), LIMITS), Pushed::Queued);
}

#[test]
fn what_comes_during_a_write_is_written_after_it() {
    let queue = Outbound::default();
    queue.push(&frame(1), LIMITS);
    let mut lengths = Vec::new();
    let written = queue.write_all(|frames| {
        if lengths.is_empty() {
            queue.push(&frame(2), LIMITS);
        }
        lengths.extend(frames.iter().map(Bytes::len));
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
    queue.push(&frame(1), LIMITS);
    queue.push(&frame(1), LIMITS);
    assert_eq!(woken(), 1, "once for all");
    assert!(!queue.sleep(&cx), "there are frames");
    assert!(
        queue
            .write_all(|_| Poll::<Result<_, ()>>::Pending)
            .is_pending()
    );
    assert!(queue.sleep(&cx), "its socket wakes it");
    queue.push(&frame(1), LIMITS);
    assert_eq!(woken(), 1, "a full socket cannot take it");
    queue.push(&frame(1), LIMITS);
    assert_eq!(woken(), 2, "the queue overflows");
    assert!(!queue.sleep(&cx), "the end is there");
}

#[test]
fn what_is_on_its_way_stays_when_the_rest_is_discarded() {
    let queue = Outbound::default();
    queue.push(&frame(4), LIMITS);
    let mut takes = [Poll::Ready(Ok(4)), Poll::Ready(Err(()))].into_iter();
    let written = queue.write_all(|_| {
        queue.push(&frame(5), LIMITS);
        queue.discard();
        let load = Load {
            bytes: 4,
            frames: 1,
        };
        assert_eq!(queue.load(), load);
        takes.next().expect("no more writes")
    });
    assert_eq!((written, queue.load()), (Poll::Ready(Ok(())), NOTHING));
}

#[test]
fn a_frame_that_is_half_written_outlives_the_rest() {
    let queue = Outbound::default();
    queue.push(&frame(4), LIMITS);
    queue.push(&frame(5), LIMITS);
    let mut takes = [Poll::Ready(Ok::<_, ()>(3)), Poll::Pending].into_iter();
    let written = queue.write_all(|_| takes.next().expect("no more writes"));
    assert!(written.is_pending());
    queue.discard();
    queue.finish(Bytes::from_static(b"the end"));
    let mut rest = Vec::new();
    let written = queue.write_all(|frames| {
        rest.extend(frames.iter().flatten().copied());
        take_all(frames)
    });
    assert!(written.is_ready());
    assert_eq!(rest, b"\0the end");
    assert_eq!(queue.load(), NOTHING);
}

#[test]
fn a_write_that_panics_leaves_nothing_for_the_next_queue_of_its_thread() {
    let (queue, other) = (Outbound::default(), Outbound::default());
    queue.push(&frame(1), LIMITS);
    let write = AssertUnwindSafe(|| queue.write_all(|_| -> Poll<Result<_, ()>> { panic!() }));
    assert!(catch_unwind(write).is_err());
    other.push(&frame(2), LIMITS);
    let written = other.write_all(|frames| {
        assert_eq!(*frames, [frame(2)]);
        take_all(frames)
    });
    assert_eq!(written, Poll::Ready(Ok(())));
}

fn queue_in_reactor() -> Outbound {
    Outbound::new(Some(Home::new(Arc::default(), 0)))
}

#[test]
fn a_batch_keeps_its_place_among_frames() {
    const LIMITS: QueueLimits = QueueLimits {
        bytes_max: 1_000,
        frames_max: 10,
    };
    let publish = publish(r#"{"type":"publish","topic":"t"}"#);
    let publish = publish.delivery(2);
    let text = frame::encode_publish(&publish).freeze();
    let batches = [(); 2].map(|()| Arc::new(Batch::new(&publish)));
    let adds = |number: usize| batches[number].add(&publish, 1_000, 10);

    let queue = queue_in_reactor();
    queue.push(&frame(1), LIMITS);
    assert!(queue.push_batch(&batches[0], LIMITS));
    assert!(adds(0));
    queue.push(&frame(2), LIMITS);
    assert!(!adds(0), "something follows it");
    assert!(queue.push_batch(&batches[1], LIMITS));
    assert!(adds(1));
    let mut written = Vec::new();
    let outcome = queue.write_all(|frames| {
        written.extend(frames.iter().flatten().copied());
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
    assert_eq!(queue.load(), NOTHING);
}

#[test]
fn a_batch_is_queued_where_it_has_room_to_grow() {
    const LIMITS: QueueLimits = QueueLimits {
        bytes_max: 10,
        frames_max: 4,
    };
    let publish = publish(r#"{"type":"publish","topic":"t"}"#);
    let batch = Arc::new(Batch::new(&publish.delivery(2)));
    let takes_batch_behind = |queue: Outbound, frames: &[usize]| {
        for bytes in frames {
            queue.push(&frame(*bytes), LIMITS);
        }
        queue.push_batch(&batch, LIMITS)
    };

    assert!(takes_batch_behind(queue_in_reactor(), &[5]));
    assert!(!takes_batch_behind(queue_in_reactor(), &[6]), "bytes");
    assert!(!takes_batch_behind(queue_in_reactor(), &[1, 1]), "frames");
    assert!(!takes_batch_behind(queue_in_reactor(), &[11]), "closed");
    assert!(!takes_batch_behind(Outbound::default(), &[]), "a task's");
}

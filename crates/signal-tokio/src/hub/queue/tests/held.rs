//! What a peer holds, and how it is counted.

use super::*;
use crate::hub::memory::Memory;
use crate::hub::queue::state::counted::PLACE_COST;

/// What is held as long as nothing new comes.
fn kept(queue: &Outbound) -> usize {
    queue.holding(START).kept
}

/// What waits for a peer that takes it well.
fn passing(queue: &Outbound) -> usize {
    queue.holding(START).passing
}

#[test]
fn what_a_peer_holds_is_counted_until_it_is_gone() {
    let memory = Memory::new(1 << 20);
    let queue = queue_of_task(&memory);
    queue.hold_input(START, 1 << 20, None);
    queue.hold_topic(&"t".repeat(65_536));
    assert!(kept(&queue) >= (1 << 20) + 65_536);
    assert_eq!(memory.held(), kept(&queue));
    queue.hold_input(START, 7, None);
    queue.drop_topic(&"t".repeat(65_536));
    queue.release();
    assert_eq!((kept(&queue), memory.held()), (0, 0));
}

#[test]
fn a_frame_half_written_counts_for_nothing_once_its_peer_is_gone() {
    let memory = Memory::new(1 << 30);
    let queue = queue_of_task(&memory);
    queue.push(&frame(4), 1 << 20);
    write_some(&queue, 1);
    assert_eq!(memory.held(), passing(&queue));
    assert!(memory.held() > 4 + PLACE_COST);
    queue.release();
    assert_eq!((passing(&queue), memory.held()), (0, 0));
}

#[test]
fn what_waits_counts_while_a_socket_takes_none() {
    let memory = Memory::new(1 << 30);
    let queue = queue_of_task(&memory);
    push_some(&queue, 10_000);
    assert_eq!(memory.held(), 0);
    write_some(&queue, 0);
    let held = memory.held();
    assert!(held > 10_000 * PLACE_COST);
    push_some(&queue, 10_000);
    assert_eq!(memory.held(), 2 * held);
    assert_eq!(memory.held(), passing(&queue));
    assert_eq!(write_all(&queue, take_all), Poll::Ready(Ok(())));
    assert_eq!((passing(&queue), memory.held()), (0, 0));
}

#[test]
fn what_comes_during_a_write_counts_if_it_stays() {
    let memory = Memory::new(1 << 30);
    let queue = queue_counted_in(&memory);
    let publish = publish(r#"{"type":"publish","topic":"t"}"#);
    let publish = publish.delivery(2);
    let batch = Arc::new(Batch::new(&publish));
    queue.push(&frame(1), 1 << 20);
    let written = write_all(&queue, |_| {
        push_some(&queue, 100);
        assert!(queue.push_batch(&batch, 1 << 20));
        Poll::<Result<_, ()>>::Pending
    });
    assert!(written.is_pending());
    while batch.add(&publish, usize::MAX) {}
    drop(batch);
    assert!(memory.held() > 200_000 + 100 * PLACE_COST);
    assert_eq!(memory.held(), passing(&queue));
    assert_eq!(write_all(&queue, take_all), Poll::Ready(Ok(())));
    assert_eq!((passing(&queue), memory.held()), (0, 0));
}

#[test]
fn what_waits_for_many_is_held_by_each_in_part() {
    let memory = Memory::new(1 << 30);
    let queues = [(); 30].map(|()| queue_counted_in(&memory));
    let publish = publish(r#"{"type":"publish","topic":"t"}"#);
    let publish = publish.delivery(2);
    let shared = Queued::new(BytesMut::zeroed(1 << 20));
    let batch = Arc::new(Batch::new(&publish));
    for queue in &queues {
        queue.push(&frame(0), 1 << 30);
        write_some(queue, 0);
        queue.push(&shared, 1 << 30);
        assert!(queue.push_batch(&batch, 1 << 30));
    }
    while batch.add(&publish, usize::MAX) {}
    drop((shared, batch));
    // One of them has more behind the batch, so that it is a frame there.
    queues[0].push(&frame(0), 1 << 30);
    let sum: usize = queues.iter().map(passing).sum();
    let off = memory.held() - sum;
    assert!(off < 2 * queues.len(), "{off} more than all of them have");

    // The last one has all of it.
    for queue in &queues[1..] {
        queue.release();
    }
    assert_eq!(passing(&queues[0]), memory.held());
    assert!(memory.held() > (1 << 20) + 200_000);
}

#[test]
fn an_evicted_peer_counts_for_nothing_from_then_on() {
    let memory = Memory::new(1 << 20);
    let queue = queue_of_task(&memory);
    queue.hold_input(START, 2 << 20, None);
    queue.hold_topic("t");
    queue.push(&frame(2 << 20), 4 << 20);
    write_some(&queue, 0);
    assert!(memory.excess() >= 3 << 20);
    queue.evict();
    assert_eq!(queue.bytes(), 0);
    assert_eq!(
        (queue.holding(START), memory.held()),
        (Holding::default(), 0)
    );
    assert_eq!(queue.take_asked(false).0, Some(CloseReason::MemoryMax));
    queue.drop_topic("t");
    queue.release();
    assert_eq!(memory.held(), 0);
}

#[test]
fn what_waits_behind_a_close_is_forgotten_too() {
    let memory = Memory::new(1 << 20);
    let queue = queue_of_task(&memory);
    queue.push(&frame(2 << 20), 4 << 20);
    write_some(&queue, 0);
    queue.finish(&frame(0));
    queue.evict();
    assert_eq!((queue.bytes(), memory.held()), (0, 0));
}

#[test]
fn only_what_its_socket_has_refused_is_held_by_a_peer() {
    let queue = Outbound::default();
    push_some(&queue, 5);
    assert_eq!(
        queue.holding(START),
        Holding::default(),
        "its thread has not tried"
    );
    write_some(&queue, 0);
    assert!(passing(&queue) > 0);
}

#[test]
fn what_a_peer_does_not_take_in_time_is_kept() {
    let queue = Outbound::default();
    let in_time = |second: u64| {
        let Holding { kept, passing } = queue.holding(Instant::from_millis(second * 1_000));
        assert!((kept == 0) != (passing == 0));
        kept == 0
    };
    let write = |second: u64, mut bytes: usize| {
        let now = Instant::from_millis(second * 1_000);
        let written = queue.write_all(now, PATIENCE, |_| match std::mem::take(&mut bytes) {
            0 => Poll::Pending,
            some => Poll::Ready(Ok::<_, ()>(some)),
        });
        assert!(written.is_pending());
    };
    // Four seconds of a slow reader, and one of patience.
    queue.push(&frame(1_000_000), 4 << 20);
    write(0, 0);
    assert!(in_time(4) && !in_time(5));
    // What comes meanwhile is not what it has to take by then.
    queue.push(&frame(1_000_000), 4 << 20);
    write(4, 999_999);
    assert!(in_time(4) && !in_time(5));
    write(4, 1);
    assert!(in_time(8) && !in_time(9));
    write(4, 999_999);
    assert!(!in_time(9));
    assert_eq!(write_all(&queue, take_all), Poll::Ready(Ok(())));
    assert_eq!(
        queue.holding(Instant::from_millis(9_000)),
        Holding::default()
    );
}

#[test]
fn a_message_is_kept_if_no_more_of_it_comes_or_its_end_does_not() {
    let queue = Outbound::default();
    let in_time = |millis: u64| queue.holding(Instant::from_millis(millis)).kept == 0;
    let hold = |millis: u64, patience: Option<Duration>| {
        queue.hold_input(Instant::from_millis(millis), 250_000, patience);
    };
    hold(0, Some(PATIENCE));
    assert!(in_time(499) && !in_time(500), "nothing more comes");
    for millis in (0..2_000).step_by(400) {
        hold(millis, None);
        assert!(in_time(millis + 399));
    }
    hold(1_999, None);
    assert!(in_time(1_999) && !in_time(2_000), "its end is late");
    hold(2_100, Some(PATIENCE));
    assert!(in_time(2_100), "another one");
}

fn queue_counted_in(memory: &Memory) -> Outbound {
    let mailbox = Mailbox::new(memory.account().clone());
    Outbound::new(Owner::Reactor(Home::new(Arc::new(mailbox), 0)))
}

fn queue_of_task(memory: &Memory) -> Outbound {
    Outbound::new(Owner::Task(memory.account().clone()))
}

//! A publish allocates as often for a thousand receivers as for two. Alone in its file, because it
//! counts the whole process.

use signal_core::{CloseReason, Grant, Instant, Limits, Message, PeerId, Room, Sink};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Takes messages as an adapter does: by cloning the handle for each receiver.
struct Queues {
    queued: Vec<Message>,
}

impl Sink for Queues {
    fn send(&mut self, to: &[PeerId], message: &Message) {
        self.queued.extend(to.iter().map(|_| message.clone()));
    }

    fn ping(&mut self, _to: PeerId) {}

    fn close(&mut self, _peer: PeerId, _reason: CloseReason) {}
}

/// Blocks and bytes allocated by one publish to this many subscribers.
fn publish_to(subscribers: u64) -> (u64, u64) {
    let now = Instant::ZERO;
    let mut room = Room::new(Limits::default());
    let mut out = Queues {
        queued: Vec::with_capacity(1_000),
    };
    for number in 0..subscribers {
        let peer = PeerId::new(number);
        room.connect(now, peer, Grant::open());
        room.receive(
            now,
            peer,
            r#"{"type":"subscribe","topics":["t"]}"#,
            &mut out,
        );
    }
    let text = format!(
        r#"{{"type":"publish","topic":"t","data":"{}"}}"#,
        "x".repeat(3_000)
    );
    let before = dhat::HeapStats::get();
    room.receive(now, PeerId::new(0), &text, &mut out);
    let after = dhat::HeapStats::get();
    assert_eq!(out.queued.len() as u64, subscribers);
    (
        after.total_blocks - before.total_blocks,
        after.total_bytes - before.total_bytes,
    )
}

#[test]
fn a_publish_to_a_thousand_allocates_as_often_as_one_to_two() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let (blocks_for_two, bytes_for_two) = publish_to(2);
    let (blocks_for_thousand, bytes_for_thousand) = publish_to(1_000);
    assert_eq!(
        blocks_for_two, 2,
        "the text, and the shared payload made of it"
    );
    assert_eq!(blocks_for_thousand, blocks_for_two);
    // The count has three digits more.
    assert!(
        bytes_for_thousand - bytes_for_two < 16,
        "{bytes_for_two} and {bytes_for_thousand}"
    );
}

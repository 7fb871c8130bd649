//! What an idle peer costs, of which a server holds tens of thousands. Alone in its file, because
//! it counts the whole process.

use std::sync::Arc;

use signal_core::{Grant, Hub, Instant, Limits, Outcome, Peer, PeerId, Publish, Topics};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// What `make` made, and how many blocks and bytes of the heap that holds.
fn held<T>(make: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = dhat::HeapStats::get();
    let made = make();
    let after = dhat::HeapStats::get();
    let blocks = after.curr_blocks - before.curr_blocks;
    (made, blocks, after.curr_bytes - before.curr_bytes)
}

/// Keeps nothing, so that the peer alone is counted.
struct Elsewhere;

impl Hub for Elsewhere {
    fn subscribe(&mut self, _topic: &Arc<str>, _clients_max: usize) -> bool {
        true
    }

    fn subscribers(&self, _topic: &str) -> usize {
        0
    }

    fn unsubscribe(&mut self, _topic: &str) {}

    fn publish(&mut self, _publish: &Publish<'_>) -> usize {
        0
    }

    fn pong(&mut self) {}
}

#[test]
fn an_idle_peer_stays_small() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let topic = "a room whose name has 30 bytes";
    let subscribe = format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#);
    let limits = Arc::new(Limits::default());

    let (_peer, blocks, bytes) = held(|| {
        let mut peer = Peer::new(limits, Grant::open(), Instant::ZERO);
        let outcome = peer.receive(Instant::ZERO, &subscribe, &mut Elsewhere);
        assert!(matches!(outcome, Outcome::Subscribed { topics: 1, .. }));
        peer
    });
    let itself = size_of::<Peer>();
    assert!(
        itself <= 104,
        "a peer has grown to {itself} bytes; each costs this much while it is idle"
    );
    // With two counts before it, as it is shared, and as long as whole ones.
    let name = topic.len().next_multiple_of(size_of::<usize>()) + 2 * size_of::<usize>();
    assert_eq!((blocks, bytes), (1, name), "the name of its topic");

    const TOPICS: usize = 1_000;
    let names: Vec<Arc<str>> = (0..TOPICS)
        .map(|number| format!("{number:0length$}", length = topic.len()).into())
        .collect();
    let (_topics, blocks, bytes) = held(|| {
        let mut topics = Topics::new();
        for (number, name) in names.iter().enumerate() {
            topics.subscribe(PeerId::new(number as u64), name);
        }
        topics
    });
    // A tree whose leaves are half full. The names are those of the peers.
    let (blocks, bytes) = (blocks as f64 / TOPICS as f64, bytes as f64 / TOPICS as f64);
    assert!(blocks < 1.2, "a topic of one peer takes {blocks} blocks");
    assert!(bytes < 110.0, "a topic of one peer takes {bytes} bytes");
}

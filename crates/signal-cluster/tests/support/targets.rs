//! The fuzz target, as functions: libFuzzer calls them with new inputs, `cargo test` with its own.

use signal_cluster::wire::{Message, VERSION};
use signal_cluster::{Cluster, Config, NodeId};
use signal_core::Instant;

use super::bus::{Nobody, Wire};

/// Bytes as a message, as they are and as they would be with the right head and sum.
///
/// Nothing panics, what is a message is written as it was read, and a node that has received it
/// goes on.
pub fn wire(data: &[u8]) {
    let mut bytes = [b"SGC", &[VERSION][..], data].concat();
    bytes.extend_from_slice(&signal_cluster::wire::sum(&bytes).to_le_bytes());
    for bytes in [data, &bytes] {
        if let Ok(message) = Message::decode(bytes, VERSION..=VERSION) {
            assert_eq!(message.encode(VERSION), bytes);
        }
        let mut cluster = Cluster::new(Instant::ZERO, NodeId::new(1), 1, Config::default());
        for millis in [0, 10, 1_000, 6_000] {
            let now = Instant::from_millis(millis);
            cluster.receive(now, bytes, &mut Nobody);
            cluster.handle_timeout(now, &mut Nobody);
            cluster.flush(&mut Wire::default());
        }
    }
}

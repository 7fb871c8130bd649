use alloc::sync::Arc;

use signal_core::{Instant, Message};

/// What a call has decided, until it is told to the host: a state is changed to its end before the
/// first of its effects.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Pass {
        topic: Arc<str>,
        elsewhere: u32,
        message: Message,
    },
    Elsewhere {
        topic: Arc<str>,
        subscribers: u32,
    },
    Reach {
        topic: Arc<str>,
        subscribers: u32,
    },
    Owe {
        peer: u64,
        deliveries: u32,
        message_bytes: u32,
    },
    AnnounceAgain {
        topic: Arc<str>,
        since: Instant,
    },
}

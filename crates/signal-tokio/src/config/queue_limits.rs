//! What may wait for one peer.

/// How much a queue may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) bytes_max: usize,
    pub(crate) frames_max: usize,
}

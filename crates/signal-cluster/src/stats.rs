/// What a node has counted since its start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Beats heard.
    pub beats_received: u64,
    /// Beats sent, those to one node and those to all.
    pub beats_sent: u64,
    /// Batches that were taken.
    pub batches_received: u64,
    /// Batches sent.
    pub batches_sent: u64,
    /// Bytes of beats and batches that came, dropped ones included.
    pub bytes_received: u64,
    /// Bytes of beats and batches sent.
    pub bytes_sent: u64,
    /// Frames received, each once.
    pub frames_received: Frames,
    /// Frames sent, each once.
    pub frames_sent: Frames,
    /// Frames sent again because a node asked for them.
    pub resent: u64,
    /// Times this node asked for frames.
    pub asked: u64,
    /// Frames that came again.
    pub repeated: u64,
    /// Publishes of other nodes passed on to local peers.
    pub passed: u64,
    /// Publishes that came again, by way of another home for instance, and were dropped.
    pub duplicates: u64,
    /// Nodes that came or went.
    pub view_changes: u64,
    /// Nodes that were silent for longer than `cluster_dead_after`.
    pub silent: u64,
    /// Gaps between nodes that have ended, after which local peers announce again.
    pub gaps: u64,
    /// Links to living nodes that began anew.
    pub sessions: u64,
    /// Links that began anew because what a node missed was forgotten: `cluster_link_bytes_max`.
    pub overflows: u64,
    /// Publishes of local peers that were forgotten before their time: `cluster_keep_bytes_max`.
    pub keep_overflows: u64,
    /// Publishes of homed topics that were forgotten before their time: `cluster_keep_bytes_max`.
    pub recent_overflows: u64,
    /// Subscriptions of nodes that were not noted: `cluster_directory_bytes_max`.
    pub directory_overflows: u64,
    /// Publishes that stayed on this node because they do not fit in a batch.
    pub too_long: u64,
    /// Deliveries on other nodes that local peers were charged for after the fact.
    pub owed: u64,
    /// Topics whose local peers were made to announce again.
    pub announced_again: u64,
    /// Dropped: not a message of a cluster, or a damaged one.
    pub malformed: u64,
    /// Dropped: of a version that this node does not speak.
    pub unknown_version: u64,
    /// Dropped: longer than `cluster_batch_bytes_max`.
    pub oversized: u64,
    /// Dropped: from a node that has not been heard, or is gone.
    pub strangers: u64,
    /// Dropped: for another node, or for another life of this one.
    pub misdirected: u64,
    /// Dropped: of a session that is over or has not begun here, or a beat from before the last.
    pub stale: u64,
    /// Dropped: beats of nodes beyond `cluster_nodes_max`.
    pub crowded: u64,
    /// Times that this node heard another one with its own identity, and took a new one.
    pub twins: u64,
}

/// Frames by their kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Frames {
    /// How many subscribers a node has for a topic.
    pub subscribe: u64,
    /// A publish on its way to the home.
    pub publish: u64,
    /// A publish on its way from the home.
    pub pass: u64,
    /// How many subscribers there are elsewhere.
    pub count: u64,
    /// Deliveries that a publisher was not charged for yet.
    pub owe: u64,
}

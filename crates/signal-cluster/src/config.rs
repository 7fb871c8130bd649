use core::time::Duration;

use signal_core::{LimitError, limits};

limits! {
    /// The limits of a cluster, under the names of their settings. All nodes of a cluster should
    /// have the same.
    #[derive(Clone, Debug, Eq, PartialEq)]
    #[non_exhaustive]
    pub struct Config {}

    /// All of them.
    pub const LIMITS = [
        cluster_beat: Duration { default: 1_000, unit: Millis, range: 50..=60_000, scope: Relay,
            what: "Time between two beats of a node",
            past: "the next one is sent",
            why: "five may be lost before a node counts as gone" },
        cluster_dead_after: Duration { default: 5_000, unit: Millis, range: 200..=600_000, scope: Relay,
            what: "How long a node may be silent",
            past: "it counts as gone, and its topics get another home",
            why: "a garbage collector's pause or a lost route is shorter, and a person waits as long" },
        cluster_keep: Duration { default: 10_000, unit: Millis, range: 1_000..=600_000, scope: Relay,
            what: "How long publishes are kept for a new home and for nodes that move to it",
            past: "forgotten",
            why: "a home that is gone is noticed after five seconds, on each of two nodes" },
        cluster_keep_bytes_max: usize { default: 32 << 20, unit: Bytes, range: 64 * 1024..=1 << 40, scope: Relay,
            what: "Publishes kept, those of local peers and those of homed topics apart",
            past: "the oldest are forgotten, and counted",
            why: "5,000 publishes a second of 500 bytes for ten seconds, with what it takes to keep them" },
        cluster_link_bytes_max: usize { default: 8 << 20, unit: Bytes, range: 16 * 1024..=1 << 40, scope: Relay,
            what: "What may wait for the acknowledgement of one node",
            past: "the oldest is forgotten; if the node misses it, the two begin anew, and peers announce again",
            why: "1,000 frames a second to one node for the time until it counts as gone" },
        cluster_batch_bytes_max: usize { default: 256 * 1024, unit: Bytes, range: 128 * 1024..=64 << 20, scope: Relay,
            what: "Longest batch that is sent or read",
            past: "another batch is begun; a publish that does not fit in one stays on its node, and is counted",
            why: "four of the longest messages; a NATS server takes 1 MiB unless it is told otherwise" },
        cluster_nodes_max: usize { default: 128, unit: Count, range: 2..=1_024, scope: Relay,
            what: "Nodes of a cluster",
            past: "ignored, and counted",
            why: "each hears a beat of each other one every second" },
        cluster_window: u32 { default: 262_144, unit: Count, range: 1_024..=1 << 26, scope: Relay,
            what: "Publishes of one node that are remembered, so that none is passed on twice; a bit each",
            past: "an older one counts as a copy",
            why: "twice the keep at 10,000 publishes a second" },
        cluster_gather: Duration { default: 100, unit: Millis, range: 0..=10_000, scope: Relay,
            what: "How long a home gathers changes of a topic's counts before it reports them",
            past: "reported",
            why: "a room that fills in a second is ten reports for each node instead of one for each peer" },
        cluster_directory_bytes_max: usize { default: 128 << 20, unit: Bytes, range: 64 * 1024..=1 << 40, scope: Relay,
            what: "Topics that have their home on a node, each with the nodes that have subscribers",
            past: "nodes that subscribe to more are not noted, and counted: their peers do not meet those of others there",
            why: "400,000 topics with names of 50 bytes on two nodes each; only what forges subscriptions gets so far" },
        cluster_reach_bytes_max: usize { default: 1 << 20, unit: Bytes, range: 16 * 1024..=1 << 40, scope: Relay,
            what: "Topics of which it is known how many subscribers they have elsewhere, although nobody here is subscribed",
            past: "the oldest is forgotten, and the next publish to it is charged for a moment later",
            why: "4,000 topics with names of 50 bytes to which peers publish from outside; each is kept for `cluster_keep`" },
        cluster_reannounce: bool { default: 1, unit: Switch, range: 0..=1, scope: Relay,
            what: "Whether local peers are made to announce again after nodes could not hear each other",
            past: "they wait for the next one who comes",
            why: "a stock client announces once, and those who missed it would never meet" },
    ];
}

impl Config {
    /// Checks that each limit is in its range.
    ///
    /// # Errors
    ///
    /// The first limit that is not. Silence has to be longer than two beats.
    pub fn check(&self) -> Result<(), LimitError> {
        Self::LIMITS
            .iter()
            .try_for_each(|limit| limit.check(self))?;
        let two_beats = u64::try_from(self.cluster_beat.as_millis()).unwrap_or(u64::MAX);
        let two_beats = two_beats.saturating_mul(2);
        let dead_after = Self::LIMITS
            .iter()
            .find(|limit| limit.name == "cluster_dead_after");
        dead_after.map_or(Ok(()), |limit| {
            let end = *limit.range.end();
            limit.check_in(
                two_beats.saturating_add(1)..=end,
                Some("cluster_beat"),
                self,
            )
        })
    }

    /// The longest text, its topic included, that a publish may have to be passed on.
    pub const fn message_bytes_max(&self) -> usize {
        self.cluster_batch_bytes_max
            .saturating_sub(crate::wire::OVERHEAD)
    }

    /// Beats until a node is settled: it knows the others, and they know it.
    pub(crate) fn settled_after(&self) -> Duration {
        self.cluster_beat.saturating_mul(5) / 2
    }

    /// What waits for longer on a link is not carried: shorter than the two are settled.
    pub(crate) fn carried_after(&self) -> Duration {
        self.cluster_dead_after.saturating_mul(2) / 5
    }

    /// Beats until a node may be a home.
    pub(crate) fn grown_after(&self) -> Duration {
        self.cluster_beat.saturating_mul(3)
    }

    /// How much earlier than it was noticed a failure may have had an effect.
    pub(crate) fn margin(&self) -> Duration {
        self.cluster_dead_after.saturating_add(self.cluster_keep)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn the_defaults_are_in_their_ranges() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn silence_is_longer_than_two_beats() {
        let config = Config {
            cluster_beat: Duration::from_secs(3),
            ..Config::default()
        };
        assert_eq!(
            config.check().unwrap_err().to_string(),
            "cluster_dead_after is 5s, but must be from 6001ms to 600s because of cluster_beat"
        );
    }
}

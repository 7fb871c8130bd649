use std::time::Duration;

use signal_core::Limits;

use super::intent::TOPIC_BYTES_MAX;
use crate::rng::Rng;
use crate::{Config, Fault};

/// How large the worlds are that [`simulate`](super::simulate) makes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// Actions taken: connects, bursts of messages, losses, jumps of a clock, pauses. Default: 30.
    pub actions: usize,
    /// Peers connected at a time. Default: 6.
    pub peers_max: usize,
    /// Rooms at most. Default: 3.
    pub rooms_max: usize,
    /// A rule to break on purpose. Default: none.
    pub fault: Option<Fault>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            actions: 30,
            peers_max: 6,
            rooms_max: 3,
            fault: None,
        }
    }
}

/// Draws the limits of one world: small ones, so that they are met.
pub(super) fn config(seed: u64, plan: &Plan, rng: &mut Rng) -> Config {
    let mut config = Config::new(seed);
    config.rooms = 1 + rng.below(plan.rooms_max);
    config.limits = limits(rng);
    config.outbound_frames_max = 4 + rng.below(40);
    config.outbound_bytes_max = 500 + rng.below(4_000);
    config.fault = plan.fault;
    config
}

fn limits(rng: &mut Rng) -> Limits {
    let mut number = |first: u64, last: u64| rng.within(first..=last) as u32;
    let mut limits = Limits::default();
    limits.message_bytes_max = 200;
    limits.topic_bytes_max = TOPIC_BYTES_MAX;
    limits.topics_per_peer_max = number(1, 5);
    limits.topic_bytes_per_peer_max = number(4, 20);
    // In every other world, as without it nobody is left outside.
    limits.clients_max = number(0, 1) * number(1, 4);
    limits.messages_per_second = number(1, 20);
    limits.messages_burst = number(4, 40);
    limits.bytes_per_second = number(100, 2_000);
    limits.bytes_burst = number(300, 4_000);
    limits.fan_out_bytes_per_second = number(100, 4_000).into();
    limits.fan_out_bytes_burst = number(500, 8_000).into();
    limits.fan_out_per_second = number(1, 40);
    limits.fan_out_burst = number(5, 80);
    limits.pings_per_second = number(1, 3);
    limits.pings_burst = number(1, 5);
    limits.strikes_per_second = number(1, 2);
    limits.strikes_burst = number(1, 8);
    limits.invalid_messages_max = number(0, 4) as u16;
    // One world in eight has no pings, as on hosts that watch their sockets themselves.
    let ping_interval = if number(0, 7) == 0 {
        0
    } else {
        number(5_000, 30_000)
    };
    limits.ping_interval = Duration::from_millis(ping_interval.into());
    // As often there are no pongs that nobody asked for.
    let keepalive_interval = if number(0, 7) == 0 {
        0
    } else {
        number(1_000, 30_000)
    };
    limits.keepalive_interval = Duration::from_millis(keepalive_interval.into());
    limits.close_hold = Duration::from_millis(number(0, 5_000).into());
    limits
}

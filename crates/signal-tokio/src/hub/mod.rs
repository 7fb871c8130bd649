//! The relay itself: peers, topics, and what is queued for each peer.

pub(crate) mod batch;
mod fan_out;
pub(crate) mod memory;
pub(crate) mod observer;
mod peer_hub;
pub(crate) mod queue;
pub(crate) mod registry;
pub(crate) mod rooms;
pub(crate) mod session;
pub(crate) mod shards;
#[cfg_attr(
    not(feature = "cluster"),
    expect(dead_code, reason = "only a cluster reads what is put in")
)]
pub(crate) mod uplink;
#[cfg_attr(
    not(unix),
    expect(dead_code, reason = "only a reactor reads what is put in")
)]
pub(crate) mod wake;

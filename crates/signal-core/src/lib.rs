#![doc = include_str!("../README.md")]
#![no_std]
// Under `panic = "abort"`, as on Workers, one panic would reset every room of the process.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable
)]

extern crate alloc;

mod bucket;
pub mod client;
mod close;
mod delivery;
mod grant;
mod hub;
mod instant;
mod json;
mod limits;
mod message;
mod outcome;
mod peer;
mod publish;
mod request;
mod room;
mod sink;
mod snapshot;
mod sorted_set;
mod topics;

pub use close::CloseReason;
pub use delivery::Delivery;
pub use grant::{Grant, TopicPattern, TopicSet};
pub use hub::Hub;
pub use instant::Instant;
pub use limits::Limits;
pub use message::Message;
pub use outcome::{Ignored, Outcome};
pub use peer::{Alarm, Peer};
pub use publish::Publish;
pub use room::Room;
// The form of the table, so that adapters declare theirs without a second dependency.
pub use signal_limits::{Limit, LimitError, LimitValue, Scope, Unit, limits, parse_time, slips};
pub use sink::{Output, PeerId, Sink};
pub use snapshot::{PeerSnapshot, RestoreError};
pub use topics::{Subscriber, Topics};

#[doc = include_str!("../ADAPTERS.md")]
pub mod adapter {}

#[doc = include_str!("../PROTOCOL.md")]
pub mod protocol {}

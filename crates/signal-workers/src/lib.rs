#![doc = include_str!("../README.md")]
// One panic would reset every room of the isolate: Workers build with `panic = "abort"`.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable
)]
#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        reason = "a test may panic"
    )
)]

mod alarm;
mod attachment;
mod bytes;
mod clock;
mod closing;
mod connections;
mod door;
mod event;
mod front;
mod host;
mod knock;
mod overflow;
mod public_keys;
mod published;
mod readers;
mod refusal;
mod relay;
mod routing;
mod row;
mod runtime;
mod settings;
mod subject;
mod ticket;
mod tokens;
mod told;
mod turn;
mod variable;

pub use front::{everyone, fetch, fetch_with};
pub use relay::Relay;
pub use settings::{Rooms, Settings, SettingsError};
pub use signal_access::{AuthResult, Origins, Permit, Refusal, RefusalCause, Subject};
pub use signal_core::{Grant, Instant, Limits, TopicSet};
pub use variable::Variable;

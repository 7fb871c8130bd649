//! What tests and benchmarks say to a relay, byte for byte: upgrade requests, frames, and a client
//! that can also do what a client should not. And what tests need beside it: files, ports, a NATS
//! server, a provider of keys, and a way out where something is not installed.
//!
//! The crate is for this workspace alone and is not published. It depends on none of the others, so
//! it can be a dev-dependency of each of them. Three parts of the workspace speak WebSocket without
//! it on purpose, because they judge or measure what is written here too: the conformance suite's
//! client, its broken relays, and the load generator. And messages are spelt here and in tests, not
//! by `signal_core::client`, so that a relay is not held to its own spelling.
//!
//! What goes wrong is a failed test, so everything here panics rather than returning errors, unless
//! its documentation says otherwise.

mod answer;
mod folder;
mod frame;
mod input;
mod installed;
mod nats;
mod port;
mod provider;
mod request;
mod stock_wait;
mod until;
mod wire;

pub use answer::{Answer, ask, header, retry_after, status};
pub use folder::Folder;
pub use frame::{BINARY, CLOSE, Frame, MASK, PING, PONG, TEXT, frame, frame_header, frame_masked};
pub use installed::{installed, skipped};
pub use nats::NatsServer;
pub use port::reserve_port;
pub use provider::{Provider, Says};
pub use request::{UPGRADE, upgrade, upgrade_with};
pub use stock_wait::stock_wait;
pub use until::{PATIENCE, in_time, until, until_blocking};
pub use wire::Wire;

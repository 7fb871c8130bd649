//! The relay as one WebAssembly module: [`signal_core`] and [`signal_access`] behind functions
//! that take numbers, for hosts in JavaScript.
//!
//! [`Relay`] is all of it: the room, the door before it, and what is counted. It has no clock, no
//! sockets and no randomness; a host hands in the time, the requests and the messages, and reads
//! from a flat [`Output`](output::Output) what to send, to ping and to close. [`abi`] is the same
//! as exports. The host for people is the npm package in `packages/signal-relay`.
//!
//! Settings have the names and the forms of `signal serve`: see [`Settings`].

#![no_std]
// Under `panic = "abort"` one panic would reset every room of the process.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable
)]

extern crate alloc;
// Elsewhere than in a module, tests and tools have a standard library around them.
#[cfg(not(target_arch = "wasm32"))]
extern crate std;

pub mod abi;
mod decision;
mod drain;
mod fields;
mod json;
#[cfg(target_arch = "wasm32")]
mod machine;
mod metrics;
pub mod output;
mod pages;
mod published;
mod question;
mod relay;
mod request;
mod settings;
mod stats;
mod upgrade;

pub use metrics::Queues;
pub use question::{NoAnswer, Question, Signature};
pub use relay::{Host, Relay};
pub use request::{Answer, Page, Request};
pub use settings::{Settings, SettingsError};

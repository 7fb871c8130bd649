#![doc = include_str!("../README.md")]
#![no_std]
// What arrives here was written by another process. Under `panic = "abort"` one panic would end all
// rooms of a node.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable
)]

extern crate alloc;

mod clock;
mod cluster;
mod config;
mod directory;
mod edge;
mod effect;
mod homes;
mod host;
mod link;
mod members;
mod mix;
mod node;
mod nudges;
mod parts;
mod payer;
mod reach;
mod retained;
mod stats;
mod windows;
pub mod wire;

pub use cluster::Cluster;
pub use config::Config;
pub use host::{Bus, Local};
pub use node::{Node, NodeId};
#[doc(hidden)]
pub use parts::Parts;
pub use payer::Payer;
pub use stats::{Frames, Stats};

#[doc = include_str!("../CLUSTER.md")]
pub mod specification {}

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

mod backlog;
mod ceiling;
mod pace;
mod queue;
mod watch;

pub use backlog::{Backlog, Behind};
pub use ceiling::{Ceiling, Holder, whom_to_end};
pub use pace::{Pace, burst_bytes_max, due_in, taken_in};
pub use queue::{Level, QueueLimits};
pub use watch::{Verdict, Watch};

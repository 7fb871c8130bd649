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

mod limit;
mod parse;
mod slips;

pub use limit::{Limit, LimitError, LimitValue, Scope, Unit};
pub use parse::parse_time;
pub use slips::slips;

//! The examples are the targets beside this file; see `examples/README.md`.

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

//! The examples are the targets beside this file; see `examples/README.md`.

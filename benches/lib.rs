//! The benchmarks are the targets beside this file; see `benches/README.md`.

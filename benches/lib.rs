//! What the benchmarks beside this file share; see `benches/README.md`.

pub mod pipes;
pub mod rooms;

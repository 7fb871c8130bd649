//! Worlds of several nodes that serve as one relay, joined by [`signal_cluster`].
//!
//! A world has nodes, a bus between them and people in rooms. From its seed it draws who comes and
//! what fails: nodes start, drain, crash and stand still, the bus is cut, loses, delays and
//! repeats, clocks jump, rings overflow, nodes have one id. The promises M1 to M7 of
//! [`signal_cluster::specification`] are checked while it lives and at its end.
//!
//! ```
//! use signal_memory::cluster::{Plan, simulate};
//!
//! for seed in 0..10 {
//!     simulate(seed, &Plan::default()).unwrap_or_else(|failure| panic!("{failure}"));
//! }
//! ```

mod bus;
mod comparing;
mod failing;
mod failure;
mod fault;
mod host;
mod judge;
mod people;
mod plan;
mod stats;
mod world;

pub use failure::{Failure, Promise};
pub use fault::Fault;
pub use plan::{Part, Plan};
pub use stats::Stats;
pub use world::simulate;

//! Random worlds, watched by a judge.

mod evidence;
mod explain;
mod explorer;
mod habits;
mod inspect;
mod intent;
mod judge;
mod plan;
mod stats;
mod workload;

pub use explain::Failure;
pub use explorer::{Explorer, simulate};
pub use plan::Plan;
pub use stats::Stats;

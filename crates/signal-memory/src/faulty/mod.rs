//! The parts of a host and its links as they are in worlds with a [`Fault`]: each goes wrong in its
//! way if the world's fault is its own, and is the sound part otherwise. So the host itself is
//! written as any adapter is, and knows of no faults.
//!
//! [`Fault`]: crate::Fault

mod queue;
mod room;
mod sink;
mod wire;

pub(crate) use queue::Queue;
pub(crate) use room::Room;
pub(crate) use wire::Wire;

#![doc = include_str!("../README.md")]

mod clock;
pub mod cluster;
mod config;
mod explore;
mod fault;
mod faulty;
mod frame;
mod host;
mod link;
mod naive;
mod net;
mod outbox;
mod print;
mod queue;
mod rng;
mod transcript;
mod wire;
mod world;

pub use clock::Jump;
pub use config::{Config, PeerOptions, RoomId};
pub use explore::{Explorer, Failure, Plan, Stats, simulate};
pub use fault::Fault;
pub use frame::End;
pub use transcript::{Line, Transcript, What};
pub use world::World;

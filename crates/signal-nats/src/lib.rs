#![doc = include_str!("../README.md")]

mod config;
mod connection;
mod credentials;
mod nats;
mod problem;
mod queue;
mod seal;
mod secrets;
mod server;
mod servers;
mod shared;
mod stats;
mod status;
mod task;
mod tls_words;

pub use config::{Config, ConfigError, Prefix};
pub use nats::{Handle, Nats, Prepared};
pub use problem::Problem;
pub use server::{Server, ServerError};
pub use stats::{Dropped, Flow, Stats};
pub use status::Status;

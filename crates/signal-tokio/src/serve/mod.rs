//! Listeners, tasks, threads and the reactor: who gives a connection its turns.

pub(crate) mod accept;
pub(crate) mod arrival;
#[cfg(feature = "axum")]
mod axum;
pub(crate) mod bytes;
pub(crate) mod connection;
pub(crate) mod deadlines;
pub(crate) mod drain;
pub(crate) mod listen;
pub(crate) mod messages;
#[cfg(unix)]
pub(crate) mod reactor;
#[cfg(feature = "tls")]
pub(crate) mod records;
pub(crate) mod threads;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod transport;

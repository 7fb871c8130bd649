//! Connections, and the frames on them. Knows no scenario.

pub(crate) mod connection;
pub(crate) mod ended;
pub(crate) mod frame;
pub(crate) mod links;
pub(crate) mod timer;

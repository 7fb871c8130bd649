//! From one request to its answer.

#[cfg(unix)]
pub(crate) mod head;
pub(crate) mod http1;
pub(crate) mod pages;
pub(crate) mod upgrade;

//! What the tests and the fuzz target share.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test uses its part of this module"
)]

pub mod bus;
pub mod targets;

//! The Durable Object in the real workerd.
//!
//! `SIGNAL_WORKERD` names the program, `SIGNAL_WORKER` the folder with the built example; `cargo
//! xtask test tests` installs and builds both. Without them the tests are skipped, but never in CI.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tells what was run and why a test is skipped"
)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the suite's enums may grow, and these tests look for one variant"
)]

mod backend;
mod client;
mod conformance;
mod faults;
mod front;
#[path = "../../../signal-access/vectors/live.rs"]
mod live;
mod seed;
mod server;
mod sleep;
mod tokens;
mod vectors;

use std::sync::Arc;

use server::{Installed, Workerd};

/// Starts a workerd for a test, or says why the test is skipped.
async fn workerd(name: &str, variables: &[(&str, &str)]) -> Option<Arc<Workerd>> {
    let Some(installed) = Installed::find() else {
        assert!(
            !std::env::var("CI").is_ok_and(|value| value == "true" || value == "1"),
            "SIGNAL_WORKERD and SIGNAL_WORKER must be set in CI"
        );
        eprintln!(
            "skipped: SIGNAL_WORKERD or SIGNAL_WORKER is not set (`cargo xtask test tests` sets them)"
        );
        return None;
    };
    Some(Arc::new(Workerd::start(&installed, name, variables).await))
}

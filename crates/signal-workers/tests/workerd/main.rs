//! The Durable Object in the real workerd.
//!
//! `SIGNAL_WORKERD` names the program, `SIGNAL_WORKER` the folder with the built example; `cargo
//! xtask test tests` installs and builds both. Without them the tests are skipped, but never in CI.
#![expect(clippy::print_stdout, reason = "tells what was run")]
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
mod guards;
mod jwks;
#[path = "../../../signal-access/vectors/live.rs"]
mod live;
#[path = "../../src/public_keys.rs"]
mod public_keys;
mod readers;
mod seed;
mod server;
mod sleep;
mod tokens;
mod turn;
mod vectors;

use std::sync::Arc;

use server::{Installed, Workerd};

/// What verifies RS256 and ES256 in the vectors.
const PUBLIC_KEYS: public_keys::RustKeys = public_keys::RustKeys;

/// Starts a workerd for a test. None where the test is to be skipped.
async fn workerd(name: &str, variables: &[(&str, &str)]) -> Option<Arc<Workerd>> {
    let installed = Installed::find()?;
    Some(Arc::new(Workerd::start(&installed, name, variables).await))
}

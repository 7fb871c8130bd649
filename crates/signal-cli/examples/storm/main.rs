//! Measures what clients with expired tokens cost a relay, and whether others notice: `storm
//! [CLIENTS [SECONDS [PROGRAM]]]`.
//!
//! It starts `signal serve` itself (PROGRAM, or the `signal` that was built beside it) with a key,
//! and lets 1,000 clients knock for 60 s, each with an expired token and an address of its own, by
//! y-webrtc's law: after the n-th refusal in a row it waits `log10(n + 1) * 1200` ms. An honest
//! pair exchanges messages before and meanwhile. Linux only.
//!
//! ```sh
//! cargo build --release -p signal-relay && cargo run --release -p signal-relay --example storm
//! ```

mod storm;

use std::path::PathBuf;
use std::time::Duration;

use storm::{Error, Storm};

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: u32| match arguments.get(index) {
        Some(text) => text.parse(),
        None => Ok(default),
    };
    let (clients, seconds) = (number(0, 1_000)?, number(1, 60)?);
    let program = match arguments.get(2) {
        Some(path) => PathBuf::from(path),
        None => beside_this()?,
    };
    let folder = std::env::temp_dir().join(format!("signal-storm-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let storm = Storm {
        program: &program,
        folder: &folder,
        clients,
        quiet: Duration::from_secs(10),
        length: Duration::from_secs(seconds.into()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(storm.run());
    // It holds nothing that anybody needs.
    let _ = std::fs::remove_dir_all(&folder);
    print!("{}", outcome?);
    Ok(())
}

/// `target/release/signal` for `target/release/examples/storm`.
fn beside_this() -> Result<PathBuf, Error> {
    let this = std::env::current_exe()?;
    let folder = this
        .ancestors()
        .nth(2)
        .ok_or("no folder above this program")?;
    Ok(folder.join(format!("signal{}", std::env::consts::EXE_SUFFIX)))
}

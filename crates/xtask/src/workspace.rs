//! Where things are.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::stop::Stop;

/// The fuzz targets: a workspace of their own, for cargo-fuzz.
pub(crate) const FUZZ_MANIFEST: &str = "crates/signal-core/fuzz/Cargo.toml";

/// The Cloudflare Worker: a workspace of its own, for another target.
pub(crate) const WORKER_MANIFEST: &str = "examples/cloudflare/Cargo.toml";

/// A relay by others: a workspace of its own, to keep its dependencies out of ours.
pub(crate) const YRS_AXUM_MANIFEST: &str = "crates/signal-conformance/peers/yrs-axum/Cargo.toml";
pub(crate) const YRS_WARP_MANIFEST: &str = "crates/signal-conformance/peers/yrs-warp/Cargo.toml";

/// A plain server of ours, to compare the relay with: a workspace of its own.
pub(crate) const TUNGSTENITE_MANIFEST: &str = "benches/peers/tungstenite/Cargo.toml";

/// The top folder of the workspace.
pub(crate) fn root() -> PathBuf {
    // Not `env!`: the binary may have been built where the workspace no longer is.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = manifest
        .as_deref()
        .and_then(|crate_folder| crate_folder.ancestors().nth(2));
    here.unwrap_or(Path::new(".")).to_owned()
}

/// The folder with the servers that the relay is compared with.
pub(crate) fn bench_peers() -> PathBuf {
    root().join("benches/peers")
}

/// The folder with the scripts that drive real clients.
pub(crate) fn acceptance() -> PathBuf {
    root().join("crates/xtask/acceptance")
}

/// The example page that the browser test opens.
pub(crate) fn browser_example() -> PathBuf {
    root().join("examples/browser")
}

/// The Cloudflare Worker.
pub(crate) fn worker_example() -> PathBuf {
    root().join("examples/cloudflare")
}

/// The folder with the Node packages that build and run the Worker.
pub(crate) fn worker_tools() -> PathBuf {
    root().join("crates/xtask/worker")
}

/// The target folder of the Worker, which is not of this workspace.
pub(crate) fn worker_target() -> PathBuf {
    tools().join("worker")
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Where tools are installed that are not Node packages.
pub(crate) fn tools() -> PathBuf {
    target().join("xtask")
}

/// A loopback port that nothing listens on right now.
pub(crate) fn free_port() -> Result<u16, Stop> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    address
        .map(|address| address.port())
        .map_err(|error| Stop::Failed(format!("no free port: {error}")))
}

/// The text of a file that must be there.
pub(crate) fn read(path: &Path) -> Result<String, Stop> {
    fs::read_to_string(path)
        .map_err(|error| Stop::Failed(format!("cannot read {}: {error}", path.display())))
}

/// The oldest Rust that a crate's manifest names. A crate's folder may have another name.
pub(crate) fn rust_version(name: &str) -> Result<String, Stop> {
    let folders = fs::read_dir(root().join("crates"))
        .map_err(|error| Stop::Failed(format!("cannot read crates: {error}")))?;
    let its_name = format!("name = \"{name}\"");
    let manifest = folders
        .filter_map(Result::ok)
        .filter_map(|folder| fs::read_to_string(folder.path().join("Cargo.toml")).ok())
        .find(|manifest| manifest.lines().any(|line| line == its_name))
        .ok_or_else(|| Stop::Failed(format!("no manifest in crates is of {name}")))?;
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    version
        .map(|quoted| quoted.trim_matches('"').to_owned())
        .ok_or_else(|| Stop::Failed(format!("{name} has no rust-version")))
}

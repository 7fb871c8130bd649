//! Builds the core for WebAssembly.
//!
//! rustup's standard library for the target where rustup can fetch it; otherwise Debian's compiler and its library sources,
//! from which only `core` and `alloc` are built.

use crate::step::{Stop, cargo, command, output, run};
use crate::tools::{Tools, apt_install};
use crate::workspace;

/// What Workers and browsers run.
const TARGET: &str = "wasm32-unknown-unknown";

/// The same machine without a `std`: what builds for it uses `core` and `alloc` alone.
const TARGET_WITHOUT_STD: &str = "wasm32v1-none";

const DEBIAN_CARGO: &str = "/usr/bin/cargo";

pub(crate) fn build(_: &Tools) -> Result<(), Stop> {
    let toolchain = Toolchain::find()?;
    let target_folder = workspace::target().join("wasm");
    let build = ["build", "--package", "signal-core", "--target"];
    match toolchain {
        Toolchain::Rustup => {
            println!("with rustup's standard library");
            run(cargo(build).arg(TARGET))?;
            run(cargo(build).arg(TARGET_WITHOUT_STD))
        }
        Toolchain::Debian => {
            println!("with Debian's compiler; only core and alloc are there");
            let mut cargo = command(DEBIAN_CARGO, build);
            cargo.args([TARGET, "-Zbuild-std=core,alloc"]);
            cargo
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1");
            run(cargo.env("CARGO_TARGET_DIR", target_folder))
        }
    }
}

/// A compiler that can build for WebAssembly.
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// The one that runs this program, with targets added to it.
    Rustup,
    /// Debian's packages, which carry the library as source.
    Debian,
}

impl Toolchain {
    pub(crate) fn find() -> Result<Self, Stop> {
        let wanted = [TARGET, TARGET_WITHOUT_STD];
        let installed =
            output(&mut command("rustup", ["target", "list", "--installed"])).unwrap_or_default();
        if wanted
            .iter()
            .all(|target| installed.lines().any(|line| line == *target))
        {
            return Ok(Self::Rustup);
        }
        if run(command("rustup", ["target", "add"]).args(wanted)).is_ok() {
            return Ok(Self::Rustup);
        }
        apt_install(
            &["rustc-web", "cargo-web", "rust-web-src"],
            "a standard library for WebAssembly",
        )
        .map_err(|stop| match stop {
            Stop::Missing { what, .. } => Stop::Missing {
                what,
                mend: format!("run rustup target add {}", wanted.join(" ")),
            },
            Stop::Failed(_) | Stop::Optional { .. } => stop,
        })?;
        Ok(Self::Debian)
    }
}

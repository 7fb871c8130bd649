//! The relay as a WebAssembly module, which `packages/signal-relay` carries.

use std::fs;
use std::path::PathBuf;

use crate::command::{cargo, command, run};
use crate::packages::WASM_TARGET as TARGET;
use crate::stop::Stop;
use crate::tools::Tools;
use crate::wasm::Toolchain;
use crate::worker::gzip_bytes;
use crate::workspace;

/// The most bytes of the module after gzip. There is no cryptography in it; `benches/README.md`
/// says what there is.
const GZIP_BYTES_MAX: u64 = 135 * 1024;

impl Tools {
    /// The built module.
    pub(crate) fn module(&self) -> Result<PathBuf, Stop> {
        self.module.get_or_init(|| build(self)).clone()
    }
}

/// The module is small enough.
pub(crate) fn check_size(tools: &Tools) -> Result<(), Stop> {
    let module = tools.module()?;
    let raw = fs::metadata(&module).map(|metadata| metadata.len());
    let raw = raw.map_err(|error| Stop::Failed(format!("{}: {error}", module.display())))?;
    let gzip = gzip_bytes(&module)?;
    println!("{} KiB, after gzip {} KiB", raw / 1024, gzip / 1024);
    if gzip > GZIP_BYTES_MAX {
        let most = GZIP_BYTES_MAX / 1024;
        return Err(Stop::Failed(format!(
            "the module has more than {most} KiB after gzip"
        )));
    }
    Ok(())
}

fn build(tools: &Tools) -> Result<PathBuf, Stop> {
    let toolchain = Toolchain::find()?;
    println!("with {}", toolchain.name());
    let target_folder = workspace::tools().join("module");
    // Not `build`, with a manifest that asks for a module and a library: that would be without
    // link-time optimisation.
    let mut build = cargo(["rustc", "--package=signal-wasm", "--lib", "--profile=wasm"]);
    build.args(["--crate-type=cdylib", "--target", TARGET]);
    toolchain.equip(&mut build)?;
    run(build.env("CARGO_TARGET_DIR", &target_folder))?;
    let linked = target_folder.join(TARGET).join("wasm/signal_wasm.wasm");
    let module = target_folder.join("relay.wasm");
    let wasm_opt = tools.worker_modules()?.join(".bin/wasm-opt");
    let mut optimise = command(wasm_opt, ["-O3", "-all", "--disable-gc"]);
    run(optimise.arg(linked).arg("--output").arg(&module))?;
    Ok(module)
}

//! Builds for WebAssembly: the core, the judge of tokens and the cluster here, the Cloudflare
//! Worker in `worker`.
//!
//! With rustup's standard library for the target where rustup can fetch it; otherwise with Debian's
//! compiler, and a standard library built from Debian's sources of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{cargo, command, output, run};
use crate::packages::{WASM_TARGET as TARGET, WASM_TARGET_WITHOUT_STD as TARGET_WITHOUT_STD};
use crate::stop::Stop;
use crate::tools::Tools;
use crate::{install, packages, workspace};

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LIBRARIES: &str = "/usr/lib/rustlib";

pub(crate) fn build(_: &Tools) -> Result<(), Stop> {
    let toolchain = Toolchain::find()?;
    let target_folder = workspace::target().join("wasm");
    let build = [
        "build",
        "--package=signal-limits",
        "--package=signal-core",
        "--package=signal-access",
        "--package=signal-backpressure",
        "--package=signal-cluster",
        "--target",
    ];
    println!("with {}", toolchain.name());
    match toolchain {
        Toolchain::Rustup => {
            run(cargo(build).arg(TARGET))?;
            run(cargo(build).arg(TARGET_WITHOUT_STD))
        }
        Toolchain::Debian => {
            let mut cargo = command(DEBIAN_CARGO, build);
            cargo.args([TARGET, "-Zbuild-std=core,alloc"]);
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            run(cargo.env("CARGO_TARGET_DIR", target_folder))
        }
    }
}

/// A compiler that can build for WebAssembly.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Toolchain {
    /// The one that runs this program, with targets added to it.
    Rustup,
    /// Debian's packages, which carry the library as source.
    Debian,
}

impl Toolchain {
    pub(crate) fn find() -> Result<Self, Stop> {
        if install::targets(packages::WASM) {
            return Ok(Self::Rustup);
        }
        let what = "a standard library for WebAssembly";
        install::apt(packages::WASM_FROM_DEBIAN, what).map_err(|stop| match stop {
            Stop::Missing { what, .. } => Stop::Missing {
                what,
                fix: format!("run rustup target add {TARGET} {TARGET_WITHOUT_STD}"),
            },
            Stop::Failed(_) => stop,
        })?;
        Ok(Self::Debian)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rustup => "rustup's standard library for WebAssembly",
            Self::Debian => "Debian's compiler and sources of its standard library",
        }
    }

    /// Has a command that runs `cargo` build with this compiler, and with a whole `std`.
    pub(crate) fn equip(self, command: &mut Command) -> Result<(), Stop> {
        if let Self::Debian = self {
            let toolchain = debian_toolchain()?;
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders =
                std::iter::once(toolchain.join("bin")).chain(std::env::split_paths(&path));
            let path = std::env::join_paths(folders)
                .map_err(|error| Stop::Failed(format!("PATH: {error}")))?;
            command
                .env("PATH", path)
                .env("RUSTC", toolchain.join("bin/rustc"));
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", rust_lld()?);
        }
        Ok(())
    }
}

/// Debian's compiler with a `std` for WebAssembly beside it, built once: as cargo's `-Zbuild-std`
/// would for every target folder.
fn debian_toolchain() -> Result<PathBuf, Stop> {
    let toolchain = workspace::tools().join("wasm-toolchain");
    let stamp = toolchain.join("version");
    let version = output(&mut command(DEBIAN_RUSTC, ["--version"])).unwrap_or_default();
    if fs::read_to_string(&stamp).is_ok_and(|built| built == version) {
        return Ok(toolchain);
    }
    let failed = |error: std::io::Error| Stop::Failed(format!("{}: {error}", toolchain.display()));
    let target_folder = workspace::tools().join("wasm-std");
    build_debian_std(&target_folder)?;
    let _ = fs::remove_dir_all(&toolchain);
    lay_out(&toolchain, &target_folder).map_err(failed)?;
    fs::write(stamp, version).map_err(failed)?;
    Ok(toolchain)
}

/// Builds `std` by way of a crate that has nothing in it.
fn build_debian_std(target_folder: &Path) -> Result<(), Stop> {
    let empty = workspace::tools().join("wasm-empty");
    let manifest = "[package]\nname = \"empty\"\nedition = \"2021\"\n[workspace]\n";
    let write = || {
        fs::create_dir_all(empty.join("src"))?;
        fs::write(empty.join("Cargo.toml"), manifest)?;
        fs::write(empty.join("src/lib.rs"), "#![no_std]\n")
    };
    write().map_err(|error| Stop::Failed(format!("{}: {error}", empty.display())))?;
    let mut build = command(DEBIAN_CARGO, ["build", "--release", "--target", TARGET]);
    build.arg("-Zbuild-std=std,panic_abort").current_dir(&empty);
    build.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
    // Link-time optimisation asks for it.
    build.env("RUSTFLAGS", "-Cembed-bitcode=yes");
    run(build.env("CARGO_TARGET_DIR", target_folder))
}

/// A sysroot: Debian's own, with the new libraries beside them.
fn lay_out(toolchain: &Path, target_folder: &Path) -> std::io::Result<()> {
    let libraries = toolchain.join("lib/rustlib");
    let own = libraries.join(TARGET).join("lib");
    fs::create_dir_all(&own)?;
    fs::create_dir_all(toolchain.join("bin"))?;
    for entry in fs::read_dir(DEBIAN_LIBRARIES)? {
        let entry = entry?;
        if entry.file_name() != TARGET {
            link(&entry.path(), &libraries.join(entry.file_name()))?;
        }
    }
    let built = target_folder.join(TARGET).join("release/deps");
    for entry in fs::read_dir(built)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".rlib") && !name.starts_with("libempty") {
            fs::copy(&path, own.join(&*name))?;
        }
    }
    let rustc = toolchain.join("bin/rustc");
    let sysroot = toolchain.display();
    fs::write(
        &rustc,
        format!("#!/bin/sh\nexec {DEBIAN_RUSTC} --sysroot '{sysroot}' \"$@\"\n"),
    )?;
    make_executable(&rustc)?;
    link(Path::new(DEBIAN_CARGO), &toolchain.join("bin/cargo"))
}

/// The linker that the running toolchain carries for its own use.
fn rust_lld() -> Result<PathBuf, Stop> {
    let sysroot = output(&mut command("rustc", ["--print", "sysroot"])).unwrap_or_default();
    let host = output(&mut command("rustc", ["--print", "host-tuple"])).unwrap_or_default();
    let lld = Path::new(&sysroot).join(format!("lib/rustlib/{host}/bin/rust-lld"));
    if lld.is_file() {
        return Ok(lld);
    }
    Err(Stop::Missing {
        what: format!("rust-lld (looked for at {})", lld.display()),
        fix: "install Rust by rustup".to_owned(),
    })
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(unix)]
fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

// Only Debian needs them.
#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

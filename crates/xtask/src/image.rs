//! The binary of `examples/fly/Dockerfile`: it is static, and an empty folder is all that it needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install;
use crate::packages::{self, MUSL_TARGET};
use crate::relay::Relay;
use crate::step::{Stop, cargo, command, output, run};
use crate::tools::Tools;
use crate::workspace;

/// As in the Dockerfile.
const NOBODY: &str = "65534:65534";

pub(crate) fn check(_: &Tools) -> Result<(), Stop> {
    let signal = build()?;
    check_static(&signal)?;
    serve_alone(&signal)
}

/// Unoptimised, which takes a third of the time and is linked in the same way.
fn build() -> Result<PathBuf, Stop> {
    let mut build = cargo(["build", "--locked", "--package=signal-cli", "--bin=signal"]);
    let target = find_target()?;
    if target != MUSL_TARGET {
        build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    }
    run(build.args(["--target", &target]))?;
    Ok(workspace::target().join(target).join("debug/signal"))
}

/// What links statically here: musl's target, or glibc's where musl's is out of reach.
pub(crate) fn find_target() -> Result<String, Stop> {
    if !cfg!(target_os = "linux") {
        return Err(Stop::Missing {
            what: "Linux, for which the image is".to_owned(),
            fix: "run it there".to_owned(),
        });
    }
    install::program(&["readelf"], packages::READELF)?;
    if install::targets(packages::MUSL) {
        install::program(&["musl-gcc"], packages::MUSL_GCC)?;
        return Ok(MUSL_TARGET.to_owned());
    }
    println!("without {MUSL_TARGET}: with glibc, static too");
    Ok(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
}

/// Neither a loader nor a library is named in it.
fn check_static(signal: &Path) -> Result<(), Stop> {
    let mut readelf = command("readelf", ["--program-headers", "--dynamic", "--wide"]);
    let headers = output(readelf.arg(signal))
        .ok_or_else(|| Stop::Failed(format!("readelf cannot read {}", signal.display())))?;
    let needs: Vec<&str> = headers
        .lines()
        .filter(|line| line.contains("INTERP") || line.contains("(NEEDED)"))
        .collect();
    if needs.is_empty() {
        println!("{} is static", signal.display());
        return Ok(());
    }
    Err(Stop::Failed(format!("not static: {}", needs.join("; "))))
}

/// Serves as nobody where there is nothing but the binary, and passes the image's health check
/// there.
fn serve_alone(signal: &Path) -> Result<(), Stop> {
    let root = workspace::tools().join("image");
    let failed = |error| Stop::Failed(format!("cannot fill {}: {error}", root.display()));
    // What an earlier run left.
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).map_err(failed)?;
    fs::copy(signal, root.join("signal")).map_err(failed)?;
    // As Docker has them. glibc's static build reads them where musl's asks the kernel; so it
    // matters only there if this fails.
    fs::create_dir_all(root.join("dev")).map_err(failed)?;
    for (device, minor) in [("dev/random", "8"), ("dev/urandom", "9")] {
        let mut mknod = command("mknod", ["-m", "666"]);
        let _ = output(mknod.arg(root.join(device)).args(["c", "1", minor]));
    }
    if output(&mut inside(&root, ["--version"])).is_none() {
        return Err(Stop::Missing {
            what: "the right to change the root folder".to_owned(),
            fix: "run it as root".to_owned(),
        });
    }
    let address = format!("127.0.0.1:{}", workspace::free_port()?);
    let serve = ["serve", "--listen", &address, "--drain-seconds", "0"];
    let mut relay = Relay::run(&mut inside(&root, serve), address)?;
    run(&mut inside(&root, ["check", &relay.url()]))?;
    relay.check_alive()?;
    relay.terminate();
    Ok(())
}

fn inside<const N: usize>(root: &Path, arguments: [&str; N]) -> Command {
    let mut command = command("chroot", [format!("--userspec={NOBODY}")]);
    command.arg(root).arg("/signal").args(arguments);
    command
}

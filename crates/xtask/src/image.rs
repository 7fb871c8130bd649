//! The binary of `examples/fly/Dockerfile`: it is static, and needs nothing but a list of
//! certificate authorities.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{cargo, command, output, run};
use crate::install;
use crate::packages::{self, MUSL_TARGET};
use crate::relay::Relay;
use crate::stop::Stop;
use crate::tools::Tools;
use crate::workspace;

/// As in the Dockerfile.
const NOBODY: &str = "65534:65534";
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

pub(crate) fn check(_: &Tools) -> Result<(), Stop> {
    let signal = build()?;
    check_static(&signal)?;
    serve_alone(&signal)
}

/// Unoptimised, which takes a third of the time and is linked in the same way.
fn build() -> Result<PathBuf, Stop> {
    let mut build = cargo([
        "build",
        "--locked",
        "--package=signal-relay",
        "--bin=signal",
    ]);
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

/// Serves as nobody where there is nothing but the binary and a list of authorities, and passes the
/// image's health check there.
fn serve_alone(signal: &Path) -> Result<(), Stop> {
    let root = workspace::tools().join("image");
    fill(&root, signal)
        .map_err(|error| Stop::Failed(format!("cannot fill {}: {error}", root.display())))?;
    if output(&mut inside(&root, ["--version"])).is_none() {
        return Err(Stop::Missing {
            what: "the right to change the root folder".to_owned(),
            fix: "run it as root".to_owned(),
        });
    }
    let address = format!("127.0.0.1:{}", workspace::free_port()?);
    // As in a container, where both have the same.
    let variables = [
        ("SIGNAL_LISTEN", address.as_str()),
        ("SIGNAL_DRAIN_SECONDS", "0"),
    ];
    let mut serve = inside(&root, ["serve"]);
    let mut relay = Relay::run(serve.envs(variables), address.clone())?;
    run(inside(&root, ["check", "--health"]).envs(variables))?;
    run(&mut inside(&root, ["check", &relay.url()]))?;
    check_authorities(&mut inside(&root, ["check", &format!("wss://{address}")]))?;
    relay.check_alive()?;
    relay.terminate();
    Ok(())
}

/// What the Dockerfile copies, and what Docker adds.
fn fill(root: &Path, signal: &Path) -> std::io::Result<()> {
    // What an earlier run left.
    let _ = fs::remove_dir_all(root);
    fs::create_dir_all(root.join("etc/ssl/certs"))?;
    fs::copy(signal, root.join("signal"))?;
    fs::copy(Path::new("/").join(AUTHORITIES), root.join(AUTHORITIES))?;
    // glibc's static build reads them where musl's asks the kernel; so it matters only there if
    // this fails.
    fs::create_dir_all(root.join("dev"))?;
    for (device, minor) in [("dev/random", "8"), ("dev/urandom", "9")] {
        let mut mknod = command("mknod", ["-m", "666"]);
        let _ = output(mknod.arg(root.join(device)).args(["c", "1", minor]));
    }
    Ok(())
}

/// A check by TLS fails, because the relay has none, and not for want of authorities.
fn check_authorities(check: &mut Command) -> Result<(), Stop> {
    let answer = check
        .output()
        .map_err(|error| Stop::Failed(format!("the check did not start: {error}")))?;
    let text = String::from_utf8_lossy(&answer.stdout);
    if answer.status.success() || text.contains("authorities") {
        return Err(Stop::Failed(format!("by TLS it says:\n{text}")));
    }
    Ok(())
}

fn inside<const N: usize>(root: &Path, arguments: [&str; N]) -> Command {
    let mut command = command("chroot", [format!("--userspec={NOBODY}")]);
    command.arg(root).arg("/signal").args(arguments);
    // Where a developer's own list is, there is nothing inside.
    command
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR");
    command
}

//! What crates.io would get: packed as `cargo publish` packs it, and built from that alone.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{cargo, command, run};
use crate::stop::Stop;
use crate::tools::Tools;
use crate::workspace;

/// The crates on crates.io. Cargo finds the order in which they can be published.
pub(crate) const PUBLISHED: &[&str] = &[
    "signal-access",
    "signal-backpressure",
    "signal-bench",
    "signal-cluster",
    "signal-conformance",
    "signal-core",
    "signal-limits",
    "signal-memory",
    "signal-nats",
    "signal-relay",
    "signal-tokio",
    "signal-workers",
];

/// In the top folder, and in each package.
const LICENCES: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT"];

/// What of the workspace's manifest the packages are checked with, so that their dependencies are
/// those that are built already.
const PROFILES: &str = "[profile.dev]";

/// Packs all published crates, unpacks them beside each other and checks that they build there. As
/// `cargo package` would by itself, crate by crate; together they take a third of the time.
pub(crate) fn check(_: &Tools) -> Result<(), Stop> {
    let unpacked = workspace::tools().join("packages");
    let members = unpack(PUBLISHED, &unpacked)?;
    check_licences(&members)?;
    // What the real workspace has locked.
    let ours = workspace::root().join("Cargo.lock");
    fs::copy(ours, unpacked.join("Cargo.lock"))
        .map_err(|error| Stop::Failed(format!("{}: {error}", unpacked.display())))?;
    let mut check = cargo(["check", "--workspace", "--all-features", "--manifest-path"]);
    check.arg(unpacked.join("Cargo.toml"));
    run(check.arg("--target-dir").arg(workspace::target()))
}

/// Packs crates and unpacks them beside each other in a folder of their own, as a workspace in
/// which they find each other. Returns where each is.
pub(crate) fn unpack<'n>(
    names: &[&'n str],
    unpacked: &Path,
) -> Result<Vec<(&'n str, PathBuf)>, Stop> {
    let packed = workspace::target().join("package");
    // What an earlier run left.
    let _ = fs::remove_dir_all(&packed);
    let _ = fs::remove_dir_all(unpacked);
    let mut package = cargo([
        "package",
        "--quiet",
        "--no-verify",
        "--allow-dirty",
        "--locked",
    ]);
    run(package.args(names.iter().flat_map(|name| ["--package", name])))?;
    let failed = |error| Stop::Failed(format!("{}: {error}", unpacked.display()));
    fs::create_dir_all(unpacked).map_err(failed)?;
    let mut members = Vec::new();
    for name in names {
        let archive = find(&packed, name)?;
        // Touched: all files in an archive are of 2006, and cargo would take them for those that
        // an earlier run built.
        let extract = ["--extract", "--touch", "--gzip", "--file"];
        run(command("tar", extract).arg(&archive).current_dir(unpacked))?;
        // `NAME-VERSION`, as in the archive.
        members.push((
            *name,
            unpacked.join(archive.file_stem().unwrap_or_default()),
        ));
    }
    write_workspace(unpacked, &members).map_err(failed)?;
    Ok(members)
}

/// The archive `NAME-VERSION.crate` in a folder.
fn find(folder: &Path, name: &str) -> Result<PathBuf, Stop> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut archives = entries.map(|entry| entry.path()).filter(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let version = stem
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('-'));
        path.extension() == Some(OsStr::new("crate"))
            && version
                .is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
    });
    archives
        .next()
        .ok_or_else(|| Stop::Failed(format!("cargo made no package of {name}")))
}

/// Each package carries its licences.
fn check_licences(members: &[(&str, PathBuf)]) -> Result<(), Stop> {
    for licence in LICENCES {
        let ours = workspace::read(&workspace::root().join(licence))?;
        for (name, folder) in members {
            if workspace::read(&folder.join(licence))? != ours {
                return Err(Stop::Failed(format!("{name} has another {licence}")));
            }
        }
    }
    Ok(())
}

/// A workspace of the packages, in which they find each other.
fn write_workspace(folder: &Path, members: &[(&str, PathBuf)]) -> std::io::Result<()> {
    let root = workspace::root();
    let mut manifest =
        "[workspace]\nresolver = \"3\"\nmembers = [\"signal-*\"]\n[patch.crates-io]\n".to_owned();
    for (name, folder) in members {
        // Writing to a String cannot fail.
        let _ = writeln!(
            manifest,
            "{name} = {{ path = {:?} }}",
            folder.display().to_string()
        );
    }
    let ours = fs::read_to_string(root.join("Cargo.toml"))?;
    manifest += ours.find(PROFILES).map_or("", |start| &ours[start..]);
    fs::write(folder.join("Cargo.toml"), manifest)
}

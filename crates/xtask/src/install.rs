//! Installs what the table in `packages` names, each kind of package with its own client.
//!
//! What goes into a folder of ours is installed once: a file in the folder says what is in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::command::{cargo, command, output, run};
use crate::packages::{self, Package, Source};
use crate::stop::Stop;
use crate::workspace;

/// Set, to try what happens where rustup's server is out of reach: Debian's packages stand in.
pub(crate) const WITHOUT_RUSTUP: &str = "XTASK_WITHOUT_RUSTUP";

/// One of these programs; the packages are installed if none is there.
pub(crate) fn program(names: &[&str], packages: &[Package]) -> Result<PathBuf, Stop> {
    if let Some(path) = on_path(names) {
        return Ok(path);
    }
    apt(packages, names[0])?;
    on_path(names).ok_or_else(|| {
        let installed = packages::of(Source::Apt, packages).join(" ");
        Stop::Failed(format!(
            "{installed} is installed, and {} is not there",
            names[0]
        ))
    })
}

/// The first of these programs that is on the `PATH`.
pub(crate) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Debian keeps servers where the PATH of an ordinary user does not lead.
    folders.push("/usr/sbin".into());
    let candidates = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// Installs Debian packages if this is Debian and we are root; otherwise says how the user can.
pub(crate) fn apt(packages: &[Package], what: &str) -> Result<(), Stop> {
    let names = packages::of(Source::Apt, packages);
    let is_root = output(&mut command("id", ["-u"])).is_some_and(|id| id == "0");
    if !is_root || on_path(&["apt-get"]).is_none() {
        return Err(Stop::Missing {
            what: what.to_owned(),
            fix: format!(
                "run sudo apt-get install {}, or install your system's package of it",
                names.join(" ")
            ),
        });
    }
    update_lists()?;
    run(apt_get(["install", "--yes", "--no-install-recommends"]).args(names))
}

/// Reads what Debian has now: a new machine has no list of it, and an old list names files that are
/// gone.
pub(crate) fn update_lists() -> Result<(), Stop> {
    static UPDATED: OnceLock<Result<(), Stop>> = OnceLock::new();
    UPDATED
        .get_or_init(|| run(&mut apt_get(["update"])))
        .clone()
}

/// apt-get, which asks nothing, and waits while another process installs.
pub(crate) fn apt_get<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut apt = command("apt-get", ["--quiet", "--option=DPkg::Lock::Timeout=120"]);
    apt.args(arguments);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// Unpacks Debian packages, after installing those that are to be installed. Returns the folder
/// that stands for the top one.
pub(crate) fn unpacked(name: &str, packages: &[Package]) -> Result<PathBuf, Stop> {
    in_folder(name, packages, |folder| {
        apt(packages, name)?;
        let archives = folder.join("archives");
        make(&archives)?;
        let mut download = apt_get(["download"]);
        download.args(packages::of(Source::Deb, packages));
        run(download.current_dir(&archives))?;
        let failed = |error| Stop::Failed(format!("{}: {error}", archives.display()));
        for archive in fs::read_dir(&archives).map_err(failed)? {
            let archive = archive.map_err(failed)?.path();
            run(command("dpkg-deb", ["--extract"]).args([&archive, folder]))?;
        }
        Ok(())
    })
}

/// Builds programs of crates.io and returns their folder. Unoptimised, which takes a third of the
/// time and is fast enough.
pub(crate) fn programs(name: &str, packages: &[Package]) -> Result<PathBuf, Stop> {
    let root = in_folder(name, packages, |root| {
        let target = root.join("target");
        let mut install = cargo(["install", "--quiet", "--debug", "--locked", "--root"]);
        install
            .arg(root)
            .args(packages::of(Source::Cargo, packages));
        run(install.env("CARGO_TARGET_DIR", &target))?;
        // Gigabytes that nothing needs again.
        let _ = fs::remove_dir_all(target);
        Ok(())
    })?;
    Ok(root.join("bin"))
}

/// Makes a Python of our own with packages of PyPI and returns the folder of its programs.
pub(crate) fn python(name: &str, packages: &[Package]) -> Result<PathBuf, Stop> {
    let binaries = Path::new(if cfg!(windows) { "Scripts" } else { "bin" });
    let folder = workspace::tools().join(name);
    if output(&mut command(
        folder.join(binaries).join("python"),
        ["--version"],
    ))
    .is_none()
    {
        // Not there, or of a Python that is gone.
        let _ = fs::remove_dir_all(&folder);
    }
    let folder = in_folder(name, packages, |folder| {
        let python = on_path(&["python3", "python"]).ok_or_else(|| Stop::Missing {
            what: "Python".to_owned(),
            fix: "install Python 3.10 or newer".to_owned(),
        })?;
        let create = || run(command(&python, ["-m", "venv", "--clear"]).arg(folder));
        if create().is_err() {
            apt(packages::VENV, "Python's venv module")?;
            create()?;
        }
        let pip = folder.join(binaries).join("pip");
        let install = ["install", "--quiet", "--disable-pip-version-check"];
        run(command(pip, install).args(packages::of(Source::Pip, packages)))
    })?;
    Ok(folder.join(binaries))
}

/// Runs `npm ci` in the folder of a `package.json`, unless its packages are those of its lock file
/// already.
pub(crate) fn node_modules(packages: &[Package]) -> Result<PathBuf, Stop> {
    check_node()?;
    let [
        Package {
            source: Source::Npm,
            name,
            ..
        },
    ] = packages
    else {
        return Err(Stop::Failed(format!("not one folder: {packages:?}")));
    };
    let folder = workspace::root().join(name);
    let lock = workspace::read(&folder.join("package-lock.json"))?;
    let modules = folder.join("node_modules");
    let stamp = modules.join(".installed-lock.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(modules);
    }
    let mut npm = command(npm(), ["ci", "--no-audit", "--no-fund"]);
    run(npm.current_dir(folder))?;
    write(&stamp, &lock)?;
    Ok(modules)
}

fn check_node() -> Result<(), Stop> {
    let missing = |what: &str| Stop::Missing {
        what: what.to_owned(),
        fix: "install Node.js 20 or newer, with npm (https://nodejs.org)".to_owned(),
    };
    let version = output(&mut command("node", ["--version"])).ok_or_else(|| missing("Node.js"))?;
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|number| number.parse::<u32>().ok());
    if major.is_none_or(|major| major < 20) {
        return Err(missing(&format!("Node.js 20 or newer, not {version},")));
    }
    Ok(())
}

/// What npm is called here.
pub(crate) fn npm() -> &'static str {
    if cfg!(windows) { "npm.cmd" } else { "npm" }
}

/// Adds targets to the running toolchain. False where rustup or its server is out of reach.
pub(crate) fn targets(packages: &[Package]) -> bool {
    if std::env::var_os(WITHOUT_RUSTUP).is_some() {
        return false;
    }
    let wanted = packages::of(Source::Target, packages);
    let installed =
        output(&mut command("rustup", ["target", "list", "--installed"])).unwrap_or_default();
    let is_installed = |target: &String| installed.lines().any(|line| line == target);
    wanted.iter().all(is_installed)
        || run(command("rustup", ["target", "add"]).args(&wanted)).is_ok()
}

/// Installs another toolchain. False where rustup or its server is out of reach.
pub(crate) fn toolchain(version: &str) -> bool {
    let install = ["toolchain", "install", version, "--profile", "minimal"];
    std::env::var_os(WITHOUT_RUSTUP).is_none()
        && run(command("rustup", install).arg("--no-self-update")).is_ok()
}

/// Has packages installed into a folder of this name, once. Returns the folder.
fn in_folder(
    name: &str,
    packages: &[Package],
    install: impl FnOnce(&Path) -> Result<(), Stop>,
) -> Result<PathBuf, Stop> {
    let folder = workspace::tools().join(name);
    let stamp = folder.join(".installed");
    let content = format!("{packages:#?}\n");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == content) {
        return Ok(folder);
    }
    // What another version of the table, or a run that was cut off, has left.
    let _ = fs::remove_dir_all(&folder);
    make(&folder)?;
    install(&folder)?;
    write(&stamp, &content)?;
    Ok(folder)
}

fn make(folder: &Path) -> Result<(), Stop> {
    fs::create_dir_all(folder)
        .map_err(|error| Stop::Failed(format!("cannot make {}: {error}", folder.display())))
}

fn write(file: &Path, text: &str) -> Result<(), Stop> {
    fs::write(file, text)
        .map_err(|error| Stop::Failed(format!("cannot write {}: {error}", file.display())))
}

//! What cargo itself can check.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{cargo, command, run};
use crate::publish::PUBLISHED;
use crate::stop::{Stop, in_ci};
use crate::tools::Tools;
use crate::workspace::{
    FUZZ_MANIFEST, TUNGSTENITE_MANIFEST, WORKER_MANIFEST, YRS_AXUM_MANIFEST, YRS_WARP_MANIFEST,
};
use crate::{install, packages, pages, publish, workspace};

/// The crates that other programs depend on.
const LIBRARIES: &[&str] = &[
    "signal-limits",
    "signal-core",
    "signal-access",
    "signal-backpressure",
    "signal-cluster",
    "signal-memory",
    "signal-nats",
    "signal-conformance",
    "signal-tokio",
    "signal-workers",
    "signal-bench",
];

pub(crate) fn fmt(_: &Tools) -> Result<(), Stop> {
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    [
        FUZZ_MANIFEST,
        TUNGSTENITE_MANIFEST,
        YRS_AXUM_MANIFEST,
        YRS_WARP_MANIFEST,
        WORKER_MANIFEST,
    ]
    .into_iter()
    .try_for_each(|manifest| run(&mut cargo(["fmt", "--check", "--manifest-path", manifest])))
}

pub(crate) fn clippy(tools: &Tools) -> Result<(), Stop> {
    let deny = ["--", "--deny=warnings"];
    let workspace = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--keep-going",
    ];
    run(cargo(workspace).args(deny))?;
    tools.cxx()?;
    let fuzz = [
        "clippy",
        "--locked",
        "--manifest-path",
        FUZZ_MANIFEST,
        "--target-dir",
    ];
    run(cargo(fuzz).arg(workspace::tools().join("fuzz")).args(deny))
}

/// Features only add: without them, and without what the other crates switch on, each library
/// builds too.
pub(crate) fn features(_: &Tools) -> Result<(), Stop> {
    LIBRARIES.iter().try_for_each(|library| {
        run(&mut cargo([
            "check",
            "--no-default-features",
            "--package",
            library,
        ]))
    })
}

/// The published crates build with the oldest Rust that they name, with the dependencies that cargo
/// chooses for it: those that the workspace has locked are also for the Worker, whose crate names a
/// newer Rust, which its dependencies ask for.
pub(crate) fn msrv(_: &Tools) -> Result<(), Stop> {
    let ours = workspace::rust_version("signal-core")?;
    let mut names = Vec::new();
    for name in PUBLISHED {
        if workspace::rust_version(name)? == ours {
            names.push(*name);
        }
    }
    let unpacked = workspace::tools().join("msrv-packages");
    publish::unpack(&names, &unpacked)?;
    let mut check = Oldest::find()?.cargo();
    check.args(["check", "--workspace", "--all-features", "--manifest-path"]);
    check.arg(unpacked.join("Cargo.toml"));
    check
        .arg("--target-dir")
        .arg(workspace::tools().join("msrv"));
    run(&mut check)
}

/// The oldest Rust that the crates name.
pub(crate) enum Oldest {
    /// By rustup.
    Rustup(String),
    /// Debian's compiler of that version in this folder, under the cargo of the running toolchain.
    Debian(PathBuf),
}

impl Oldest {
    pub(crate) fn find() -> Result<Self, Stop> {
        let version = workspace::rust_version("signal-core")?;
        if install::toolchain(&version) {
            return Ok(Self::Rustup(version));
        }
        println!("without rustup's Rust {version}: with Debian's");
        install::unpacked("msrv-toolchain", packages::MSRV_FROM_DEBIAN)
            .map(Self::Debian)
            .map_err(|stop| match stop {
                Stop::Missing { .. } => Stop::Missing {
                    what: format!("Rust {version}"),
                    fix: format!("run rustup toolchain install {version}"),
                },
                Stop::Failed(_) => stop,
            })
    }

    fn cargo(&self) -> Command {
        match self {
            Self::Rustup(version) => command("rustup", ["run", version, "cargo"]),
            Self::Debian(root) => {
                let libraries = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
                let mut cargo = cargo::<&str>([]);
                cargo.env("RUSTC", root.join("usr/bin/rustc"));
                cargo.env("LD_LIBRARY_PATH", root.join(libraries));
                cargo
            }
        }
    }
}

pub(crate) fn doc(_: &Tools) -> Result<(), Stop> {
    let mut doc = cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    run(doc.env("RUSTDOCFLAGS", "--deny=warnings"))?;
    check_pages()
}

/// Each library's README is its first page in rustdoc: whether it reads well elsewhere, too.
fn check_pages() -> Result<(), Stop> {
    let built = workspace::target().join("doc");
    let mut findings = Vec::new();
    for library in LIBRARIES {
        let path = format!("crates/{library}/README.md");
        let page = std::fs::read_to_string(workspace::root().join(&path))
            .map_err(|error| Stop::Failed(format!("{path}: {error}")))?;
        let found = pages::check(&page, &built);
        findings.extend(found.iter().map(|finding| format!("{path}{finding}")));
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(Stop::Failed(findings.join("\n  ")))
}

/// What `deny.toml` allows. Advisories are left out: they come from a server that tests do not ask.
pub(crate) fn deny(tools: &Tools) -> Result<(), Stop> {
    let check = [
        "--all-features",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ];
    run(&mut command(tools.cargo_deny()?, check))
}

/// The tests find what was installed for them by variables. Without one, the tests that need it are
/// skipped by themselves.
pub(crate) fn tests(tools: &Tools) -> Result<(), Stop> {
    let mut test = cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    let installed = [
        ("SIGNAL_NODE_MODULES", tools.node_modules()),
        ("SIGNAL_KOSOKU", tools.kosoku()),
        ("SIGNAL_JUPYTER", tools.jupyter_signaling()),
        ("SIGNAL_YRS_AXUM", tools.yrs_axum()),
        ("SIGNAL_YRS_WARP", tools.yrs_warp()),
        ("SIGNAL_NATS_SERVER", tools.nats_server()),
        ("SIGNAL_NGINX", tools.nginx()),
        ("SIGNAL_CADDY", tools.caddy()),
        ("SIGNAL_TURNSERVER", tools.turnserver()),
        ("SIGNAL_TURN_CLIENT", tools.turn_client()),
        ("SIGNAL_STRACE", tools.strace()),
        ("SIGNAL_SYSTEMD_ANALYZE", tools.systemd_analyze()),
        ("SIGNAL_WORKER", tools.worker()),
        ("SIGNAL_WORKERD", tools.workerd()),
    ];
    for (variable, path) in installed {
        match path {
            Ok(path) => {
                test.env(variable, path);
            }
            Err(stop) if in_ci() => return Err(stop),
            Err(stop) => println!("without {variable}: {stop}"),
        }
    }
    run(&mut test)
}

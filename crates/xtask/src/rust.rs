//! What cargo itself can check.

use crate::step::{Stop, cargo, command, in_ci, output, run};
use crate::tools::Tools;
use crate::workspace::{
    self, FUZZ_MANIFEST, TUNGSTENITE_MANIFEST, WORKER_MANIFEST, YRS_WARP_MANIFEST,
};

/// The crates that other programs depend on.
const LIBRARIES: &[&str] = &[
    "signal-core",
    "signal-access",
    "signal-memory",
    "signal-conformance",
    "signal-tokio",
    "signal-workers",
    "signal-bench",
];

/// The crates on crates.io.
const PUBLISHED: &[&str] = &[
    "signal-core",
    "signal-access",
    "signal-memory",
    "signal-conformance",
    "signal-tokio",
    "signal-bench",
    "signal-cli",
];

pub(crate) fn fmt(_: &Tools) -> Result<(), Stop> {
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    [
        FUZZ_MANIFEST,
        TUNGSTENITE_MANIFEST,
        YRS_WARP_MANIFEST,
        WORKER_MANIFEST,
    ]
    .into_iter()
    .try_for_each(|manifest| run(&mut cargo(["fmt", "--check", "--manifest-path", manifest])))
}

pub(crate) fn clippy(_: &Tools) -> Result<(), Stop> {
    let deny = ["--", "--deny=warnings"];
    let workspace = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--keep-going",
    ];
    run(cargo(workspace).args(deny))?;
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

/// The published crates build with the oldest Rust that they name, and so do their dependencies at
/// the locked versions.
pub(crate) fn msrv(_: &Tools) -> Result<(), Stop> {
    let manifest = workspace::read(&workspace::root().join("crates/signal-core/Cargo.toml"))?;
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    let version = version.map(|quoted| quoted.trim_matches('"'));
    let version =
        version.ok_or_else(|| Stop::Failed("signal-core has no rust-version".to_owned()))?;
    let install = [
        "toolchain",
        "install",
        version,
        "--profile",
        "minimal",
        "--no-self-update",
    ];
    if run(&mut command("rustup", install)).is_err() {
        let mend = format!("run rustup {}", install[..3].join(" "));
        return Err(Stop::Optional {
            what: format!("Rust {version}"),
            mend,
        });
    }
    let mut check = command(
        "rustup",
        [
            "run",
            version,
            "cargo",
            "check",
            "--locked",
            "--all-features",
        ],
    );
    check.args(PUBLISHED.iter().flat_map(|name| ["--package", name]));
    run(check
        .arg("--target-dir")
        .arg(workspace::tools().join("msrv")))
}

pub(crate) fn doc(_: &Tools) -> Result<(), Stop> {
    let mut doc = cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    run(doc.env("RUSTDOCFLAGS", "--deny=warnings"))
}

/// Not in CI's way: building cargo-deny takes longer than all that it checks. The hosted workflow
/// has it ready-made.
pub(crate) fn deny(_: &Tools) -> Result<(), Stop> {
    if output(&mut cargo(["deny", "--version"])).is_none() {
        return Err(Stop::Optional {
            what: "cargo-deny".to_owned(),
            mend: "run cargo install --locked cargo-deny".to_owned(),
        });
    }
    run(&mut cargo([
        "deny",
        "--all-features",
        "check",
        "licenses",
        "bans",
        "sources",
    ]))
}

/// The tests find what was installed for them by variables. Without one, the tests that need it are
/// skipped by themselves.
pub(crate) fn tests(tools: &Tools) -> Result<(), Stop> {
    let mut test = cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    let installed = [
        ("SIGNAL_NODE_MODULES", tools.node_modules()),
        ("SIGNAL_KOSOKU", tools.kosoku()),
        ("SIGNAL_YRS_WARP", tools.yrs_warp()),
        ("SIGNAL_NGINX", tools.nginx()),
        ("SIGNAL_CADDY", tools.caddy()),
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

//! What the tests need besides Rust: found, or installed once into `target/xtask` and
//! `node_modules`.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use crate::step::{Step, Stop, cargo, command, output, run};
use crate::{clients, wasm, worker, workspace};

/// The Autobahn case files and their runner, from PyPI.
const KOSOKU: &str = "kosoku==0.1.0";

/// The official parser of OpenMetrics text, from PyPI.
const OPENMETRICS_PARSER: &str = "prometheus_client==0.26.0";

/// The same as in `examples/cloudflare/Cargo.toml`.
const WASM_BINDGEN: &str = "0.2.129";
const WORKER_BUILD: &str = "0.8.7";

/// What `cargo xtask setup` does.
pub(crate) const SETUP: &[Step] = &[
    Step {
        name: "node",
        about: "the clients' and servers' npm packages",
        run: |tools| tools.node_modules().map(drop),
    },
    Step {
        name: "page",
        about: "the example page, built",
        run: |tools| clients::build_page(tools),
    },
    Step {
        name: "chromium",
        about: "a browser",
        run: |tools| tools.chromium().map(drop),
    },
    Step {
        name: "kosoku",
        about: "Autobahn's WebSocket cases",
        run: |tools| tools.kosoku().map(drop),
    },
    Step {
        name: "yrs-warp",
        about: "a relay by others, built",
        run: |tools| tools.yrs_warp().map(drop),
    },
    Step {
        name: "proxies",
        about: "nginx and Caddy",
        run: |tools| tools.nginx().and_then(|_| tools.caddy()).map(drop),
    },
    Step {
        name: "systemd",
        about: "what judges a systemd unit, and strace",
        run: |tools| {
            tools
                .systemd_analyze()
                .and_then(|_| tools.strace())
                .map(drop)
        },
    },
    Step {
        name: "prometheus",
        about: "Prometheus, and the parser of its format",
        run: |tools| {
            tools.prometheus()?;
            tools.openmetrics_parser().map(drop)
        },
    },
    Step {
        name: "wasm",
        about: "a standard library for WebAssembly",
        run: |_| wasm::Toolchain::find().map(drop),
    },
    Step {
        name: "worker",
        about: "the Cloudflare Worker, built, and its runtime",
        run: |tools| tools.worker().map(drop),
    },
];

/// Each tool is looked for, and if need be installed, when it is first asked for.
#[derive(Default)]
pub(crate) struct Tools {
    node_modules: OnceCell<Result<PathBuf, Stop>>,
    chromium: OnceCell<Result<PathBuf, Stop>>,
    kosoku: OnceCell<Result<PathBuf, Stop>>,
    openmetrics_parser: OnceCell<Result<PathBuf, Stop>>,
    prometheus: OnceCell<Result<PathBuf, Stop>>,
    yrs_warp: OnceCell<Result<PathBuf, Stop>>,
    nginx: OnceCell<Result<PathBuf, Stop>>,
    caddy: OnceCell<Result<PathBuf, Stop>>,
    openssl: OnceCell<Result<PathBuf, Stop>>,
    strace: OnceCell<Result<PathBuf, Stop>>,
    systemd_analyze: OnceCell<Result<PathBuf, Stop>>,
    worker_modules: OnceCell<Result<PathBuf, Stop>>,
    worker_programs: OnceCell<Result<PathBuf, Stop>>,
    worker: OnceCell<Result<PathBuf, Stop>>,
}

impl Tools {
    /// The Node packages of the acceptance tests, y-webrtc's server among them.
    pub(crate) fn node_modules(&self) -> Result<PathBuf, Stop> {
        self.node_modules
            .get_or_init(|| install_packages(&workspace::acceptance()))
            .clone()
    }

    /// A Chromium to run.
    pub(crate) fn chromium(&self) -> Result<PathBuf, Stop> {
        self.chromium.get_or_init(find_chromium).clone()
    }

    /// The kosoku executable.
    pub(crate) fn kosoku(&self) -> Result<PathBuf, Stop> {
        self.kosoku.get_or_init(install_kosoku).clone()
    }

    /// The proxy of `examples/nginx`.
    pub(crate) fn nginx(&self) -> Result<PathBuf, Stop> {
        self.nginx
            .get_or_init(|| find_program("nginx", "nginx"))
            .clone()
    }

    /// The proxy of `examples/caddy`.
    pub(crate) fn caddy(&self) -> Result<PathBuf, Stop> {
        self.caddy
            .get_or_init(|| find_program("caddy", "caddy"))
            .clone()
    }

    /// Makes certificates.
    pub(crate) fn openssl(&self) -> Result<PathBuf, Stop> {
        self.openssl
            .get_or_init(|| find_program("openssl", "openssl"))
            .clone()
    }

    /// Shows which system calls a program makes.
    pub(crate) fn strace(&self) -> Result<PathBuf, Stop> {
        self.strace
            .get_or_init(|| find_program("strace", "strace"))
            .clone()
    }

    /// Judges the unit of `examples/systemd`; systemd itself need not run.
    pub(crate) fn systemd_analyze(&self) -> Result<PathBuf, Stop> {
        self.systemd_analyze
            .get_or_init(|| find_program("systemd-analyze", "systemd"))
            .clone()
    }

    /// A Python that has the official parser of OpenMetrics text.
    pub(crate) fn openmetrics_parser(&self) -> Result<PathBuf, Stop> {
        self.openmetrics_parser
            .get_or_init(install_openmetrics_parser)
            .clone()
    }

    /// Prometheus. `promtool` comes with it.
    pub(crate) fn prometheus(&self) -> Result<PathBuf, Stop> {
        self.prometheus
            .get_or_init(|| find_program("prometheus", "Prometheus"))
            .clone()
    }

    /// The Node packages that build and run the Cloudflare Worker.
    pub(crate) fn worker_modules(&self) -> Result<PathBuf, Stop> {
        self.worker_modules
            .get_or_init(worker::install_modules)
            .clone()
    }

    /// The runtime of Cloudflare Workers.
    pub(crate) fn workerd(&self) -> Result<PathBuf, Stop> {
        // Not `.bin/workerd`, which is a script that starts it: the process that is ended must be
        // the one that serves.
        let packages = self.worker_modules()?.join("@cloudflare");
        let entries = fs::read_dir(&packages).into_iter().flatten().flatten();
        let mut binaries = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("workerd-"))
            .map(|entry| entry.path().join("bin/workerd"));
        binaries.next().ok_or_else(|| Stop::Missing {
            what: "workerd for this system".to_owned(),
            mend: "use Linux or macOS, for which npm has it".to_owned(),
        })
    }

    /// The folder of `worker-build`, with which a deploy builds the Worker, and of `wasm-bindgen`,
    /// which that calls.
    pub(crate) fn worker_programs(&self) -> Result<PathBuf, Stop> {
        self.worker_programs
            .get_or_init(install_worker_programs)
            .clone()
    }

    /// The folder of the built Cloudflare Worker.
    pub(crate) fn worker(&self) -> Result<PathBuf, Stop> {
        self.worker.get_or_init(|| worker::build(self)).clone()
    }

    /// yrs-warp's signaling service as a server, for the conformance suite's own test.
    pub(crate) fn yrs_warp(&self) -> Result<PathBuf, Stop> {
        self.yrs_warp.get_or_init(build_yrs_warp).clone()
    }
}

/// Builds the programs that a deploy of the Worker uses, once. Unoptimised, which takes a third of
/// the time and is fast enough.
fn install_worker_programs() -> Result<PathBuf, Stop> {
    let root = workspace::tools().join("programs");
    let folder = root.join("bin");
    let is_installed = |name: &str, version: &str| {
        let text = output(&mut command(folder.join(program(name)), ["--version"]));
        text.is_some_and(|text| text.contains(version))
    };
    if is_installed("wasm-bindgen", WASM_BINDGEN) && is_installed("worker-build", WORKER_BUILD) {
        return Ok(folder);
    }
    let packages = [
        format!("wasm-bindgen-cli@{WASM_BINDGEN}"),
        format!("worker-build@{WORKER_BUILD}"),
    ];
    let target = workspace::tools().join("programs-target");
    let mut install = cargo([
        "install", "--quiet", "--debug", "--locked", "--force", "--root",
    ]);
    install.arg(&root).args(&packages);
    run(install.env("CARGO_TARGET_DIR", &target))?;
    // Two gigabytes that nothing needs again.
    let _ = fs::remove_dir_all(target);
    Ok(folder)
}

fn program(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

/// Runs `npm ci` in a folder, unless its packages are those of its lock file already.
pub(crate) fn install_packages(folder: &Path) -> Result<PathBuf, Stop> {
    let missing = |what: &str| Stop::Missing {
        what: what.to_owned(),
        mend: "install Node.js 20 or newer, with npm (https://nodejs.org)".to_owned(),
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
    let lock = workspace::read(&folder.join("package-lock.json"))?;
    let modules = folder.join("node_modules");
    let stamp = modules.join(".installed-lock.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(modules);
    }
    let mut npm = command(npm(), ["ci", "--no-audit", "--no-fund"]);
    run(npm.current_dir(folder))?;
    fs::write(&stamp, lock)
        .map_err(|error| Stop::Failed(format!("cannot write {}: {error}", stamp.display())))?;
    Ok(modules)
}

/// What npm is called here.
pub(crate) fn npm() -> &'static str {
    if cfg!(windows) { "npm.cmd" } else { "npm" }
}

fn find_chromium() -> Result<PathBuf, Stop> {
    if let Some(path) = std::env::var_os("CHROMIUM") {
        return Ok(path.into());
    }
    let known = || {
        on_path(&[
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
        ])
    };
    if let Some(path) = known() {
        return Ok(path);
    }
    apt_install(&["chromium"], "Chromium")?;
    known().ok_or_else(|| {
        Stop::Failed("apt-get installed chromium, but it is not on the PATH".to_owned())
    })
}

fn install_kosoku() -> Result<PathBuf, Stop> {
    let is_there = |binaries: &Path| is_working(binaries.join("kosoku"), &["--help"]);
    Ok(install_python("venv", KOSOKU, is_there)?.join("kosoku"))
}

fn install_openmetrics_parser() -> Result<PathBuf, Stop> {
    const IMPORT: [&str; 2] = ["-c", "import prometheus_client.openmetrics.parser"];
    let is_there = |binaries: &Path| is_working(binaries.join("python"), &IMPORT);
    Ok(install_python("venv-openmetrics", OPENMETRICS_PARSER, is_there)?.join("python"))
}

fn is_working(program: PathBuf, arguments: &[&str]) -> bool {
    output(&mut command(program, arguments)).is_some()
}

/// A Python of our own with a package from PyPI. Returns the folder of its programs.
fn install_python(
    name: &str,
    package: &str,
    is_there: impl Fn(&Path) -> bool,
) -> Result<PathBuf, Stop> {
    let folder = workspace::tools().join(name);
    let binaries = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    if is_there(&binaries) {
        return Ok(binaries);
    }
    let python = on_path(&["python3", "python"]).ok_or_else(|| Stop::Missing {
        what: "Python".to_owned(),
        mend: "install Python 3.10 or newer".to_owned(),
    })?;
    let create = || run(command(&python, ["-m", "venv", "--clear"]).arg(&folder));
    if create().is_err() {
        // Debian's Python comes without the module.
        apt_install(&["python3-venv"], "Python's venv module")?;
        create()?;
    }
    run(&mut command(
        binaries.join("pip"),
        ["install", "--quiet", "--disable-pip-version-check", package],
    ))?;
    Ok(binaries)
}

/// Built in a target folder of its own: its dependencies are not ours.
fn build_yrs_warp() -> Result<PathBuf, Stop> {
    let folder = workspace::tools().join("yrs-warp");
    run(cargo([
        "build",
        "--locked",
        "--manifest-path",
        workspace::YRS_WARP_MANIFEST,
        "--target-dir",
    ])
    .arg(&folder))?;
    Ok(folder
        .join("debug")
        .join(format!("yrs-warp-peer{}", std::env::consts::EXE_SUFFIX)))
}

/// Installs Debian packages if this is Debian and we are root; otherwise says how the user can.
pub(crate) fn apt_install(packages: &[&str], what: &str) -> Result<(), Stop> {
    let is_root = output(&mut command("id", ["-u"])).is_some_and(|id| id == "0");
    if !is_root || on_path(&["apt-get"]).is_none() {
        let mend = format!(
            "run sudo apt-get install {}, or install your system's package of it",
            packages.join(" ")
        );
        return Err(Stop::Missing {
            what: what.to_owned(),
            mend,
        });
    }
    let apt = |arguments: &[&str]| {
        run(command("apt-get", arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "--quiet"])?;
    apt(&[
        &["install", "--yes", "--quiet", "--no-install-recommends"],
        packages,
    ]
    .concat())
}

/// A program of a Debian package.
fn find_program(name: &str, package: &str) -> Result<PathBuf, Stop> {
    // Debian keeps servers where the PATH of an ordinary user does not lead.
    let sbin = Path::new("/usr/sbin").join(name);
    let known = || on_path(&[name]).or_else(|| sbin.is_file().then(|| sbin.clone()));
    if let Some(path) = known() {
        return Ok(path);
    }
    apt_install(&[package], name)?;
    known().ok_or_else(|| Stop::Failed(format!("{package} is installed, and {name} is not there")))
}

/// The first of these programs that is on the `PATH`.
pub(crate) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

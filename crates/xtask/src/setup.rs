use crate::step::Step;
use crate::{clients, image, install, instructions, packages, rust, wasm};

/// What `cargo xtask setup` does.
pub(crate) const SETUP: &[Step] = &[
    Step {
        name: "node",
        about: "the clients' and servers' npm packages",
        run: |tools| tools.node_modules().map(drop),
    },
    Step {
        name: "javascript",
        about: "Deno, Bun and TypeScript",
        run: |_| install::node_modules(packages::SIGNAL_RELAY).map(drop),
    },
    Step {
        name: "page",
        about: "the example page, built",
        run: clients::build_page,
    },
    Step {
        name: "chromium",
        about: "a browser",
        run: |tools| tools.chromium().map(drop),
    },
    Step {
        name: "proxies",
        about: "nginx and Caddy",
        run: |tools| tools.nginx().and_then(|_| tools.caddy()).map(drop),
    },
    Step {
        name: "coturn",
        about: "a TURN server and a client",
        run: |tools| {
            tools
                .turnserver()
                .and_then(|_| tools.turn_client())
                .map(drop)
        },
    },
    Step {
        name: "systemd",
        about: "what judges a systemd unit, strace, and OpenSSL",
        run: |tools| {
            tools.systemd_analyze()?;
            tools.strace()?;
            tools.openssl().map(drop)
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
        name: "kosoku",
        about: "Autobahn's WebSocket cases",
        run: |tools| tools.kosoku().map(drop),
    },
    Step {
        name: "nats-server",
        about: "the bus of a cluster",
        run: |tools| tools.nats_server().map(drop),
    },
    Step {
        name: "fuzzer",
        about: "a C++ compiler, for the fuzzer's library",
        run: |tools| tools.cxx().map(drop),
    },
    Step {
        name: "cargo-deny",
        about: "the judge of licences and sources",
        run: |tools| tools.cargo_deny().map(drop),
    },
    Step {
        name: "msrv",
        about: "the oldest Rust that the crates name",
        run: |_| rust::Oldest::find().map(drop),
    },
    Step {
        name: "static",
        about: "a target without a C library of the system's",
        run: |_| image::find_target().map(drop),
    },
    Step {
        name: "instructions",
        about: "valgrind, and what drives it",
        run: |_| instructions::install().map(drop),
    },
    Step {
        name: "yrs-axum",
        about: "another relay by others, built",
        run: |tools| tools.yrs_axum().map(drop),
    },
    Step {
        name: "jupyter",
        about: "a relay by others, in Python",
        run: |tools| tools.jupyter_signaling().map(drop),
    },
    Step {
        name: "yrs-warp",
        about: "a relay by others, built",
        run: |tools| tools.yrs_warp().map(drop),
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

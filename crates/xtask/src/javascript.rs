//! `packages/signal-relay`: built, tested, and held to the suite on Node, Deno, Bun and workerd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::{self, PATIENT};
use crate::command::{command, output, run};
use crate::install::{self, npm};
use crate::relay::Relay;
use crate::stop::Stop;
use crate::tools::Tools;
use crate::{packages, workspace};

/// What the runtime decides and the suite would have otherwise: Deno pings its sockets itself, and
/// closes who does not answer with 1001 where the relay would with 4408.
const DENO_DECIDES: &[&str] = &["lifecycle.half_open_closed"];

/// What the relays with tokens ask for.
const ORIGIN: &str = "https://app.example.org";
const AUDIENCE: &str = "relay.example.org";

/// What the host for Workers consists of.
const WORKERS_FILES: &[&str] = &[
    "workers.js",
    "wasm.js",
    "relay.js",
    "module.js",
    "queue.js",
    "settings.js",
    "signatures.js",
    "authorize.js",
    "log.js",
    "published.js",
    "web.js",
    "relay.wasm",
];

/// A program that runs JavaScript.
#[derive(Clone, Copy, Debug)]
struct Runtime {
    name: &'static str,
    /// Where its program is below `node_modules`. Not `.bin/deno`, which is a script that starts
    /// it: the process that is ended must be the one that serves.
    find: fn(&Path) -> Option<PathBuf>,
    arguments: &'static [&'static str],
    /// The smallest relay, in `examples`.
    example: &'static str,
    /// Scenarios that its own WebSocket decides otherwise.
    decides: &'static [&'static str],
}

const RUNTIMES: &[Runtime; 3] = &[
    Runtime {
        name: "Node",
        find: |_| Some("node".into()),
        arguments: &[],
        example: "node/relay.mjs",
        decides: &[],
    },
    Runtime {
        name: "Deno",
        find: |modules| {
            let packages = fs::read_dir(modules.join("@deno")).ok()?;
            let mut binaries = packages
                .flatten()
                .map(|package| package.path().join("deno"));
            binaries.find(|binary| binary.is_file())
        },
        arguments: &["run", "--allow-all"],
        example: "deno/main.ts",
        decides: DENO_DECIDES,
    },
    Runtime {
        name: "Bun",
        find: |modules| Some(modules.join("bun/bin/bun.exe")),
        arguments: &["run"],
        example: "bun/server.ts",
        decides: &[],
    },
];

/// The package builds, its tests pass, no runtime fails under a short soak, and npm and JSR would
/// take it.
pub(crate) fn check(tools: &Tools) -> Result<(), Stop> {
    let folder = build(tools)?;
    run(command(npm(), ["test"]).current_dir(&folder))?;
    // Whether it grows takes minutes; whether everyone is served right does not.
    let soak = [
        "run",
        "soak",
        "--",
        "--minutes",
        "0.1",
        "--runtime",
        "node,deno,bun",
    ];
    run(command(npm(), soak).current_dir(&folder))?;
    let tarball = pack(&folder)?;
    let bytes = fs::metadata(&tarball).map(|metadata| metadata.len());
    println!("the tarball has {} KiB", bytes.unwrap_or_default() / 1024);
    // JSR has no name in it that is not in npm's, and the dry run asks nobody.
    let [_, deno, _] = RUNTIMES;
    let dry_run = ["publish", "--dry-run", "--allow-dirty"];
    run(command(program(*deno, &folder)?, dry_run).current_dir(&folder))
}

/// The suite, as a user would run it, on each runtime: without tokens, with, and with a relay that
/// is ended and started again.
pub(crate) fn conformance(tools: &Tools) -> Result<(), Stop> {
    let folder = build(tools)?;
    let signal = clients::built_signal()?;
    let (pair, secret) = (
        clients::new_key(&signal, "EdDSA")?,
        clients::new_key(&signal, "HS256")?,
    );
    for runtime in RUNTIMES {
        println!("\non {}", runtime.name);
        let serve = |settings: &[&str]| serve(*runtime, &folder, settings);
        let check = |relay: &mut Relay, arguments: &[&str]| {
            let mut check = command(&signal, ["check", &relay.url(), "--conformance", PATIENT]);
            run(check.args(arguments))?;
            relay.check_alive()
        };
        check(&mut serve(&[])?, &["--hostile"])?;
        let narrow = [
            "--messages-burst=200",
            "--messages-per-second=20",
            "--fan-out-burst=10",
            "--fan-out-per-second=10",
        ];
        check(&mut serve(&narrow)?, &["--level", "limits"])?;
        access(&pair, serve, check)?;
        lifecycle(*runtime, &signal, &folder, &secret)?;
    }
    workers(tools, &signal, &folder, &pair)
}

/// The same in a Durable Object, in Cloudflare's own runtime: without tokens, and with.
fn workers(tools: &Tools, signal: &Path, folder: &Path, key: &str) -> Result<(), Stop> {
    println!("\non workerd");
    worker(tools, signal, folder, "{}", &["--hostile"])?;
    let keys = workspace::read(Path::new(key))?;
    let settings = format!(
        "{{\"token_keys\":{},\"token_audience\":\"{AUDIENCE}\",\"origins\":[\"{ORIGIN}\"]}}",
        keys.trim(),
    );
    let asks = ["--token-key-file", key, "--token-audience", AUDIENCE];
    let levels = [
        "--only-origin",
        ORIGIN,
        "--level",
        "access",
        "--level",
        "stock",
    ];
    worker(
        tools,
        signal,
        folder,
        &settings,
        &[&asks[..], &levels].concat(),
    )
}

/// A relay with these settings, a JSON, and a check of it with these arguments.
fn worker(
    tools: &Tools,
    signal: &Path,
    folder: &Path,
    settings: &str,
    arguments: &[&str],
) -> Result<(), Stop> {
    let address = format!("127.0.0.1:{}", workspace::free_port()?);
    let to = workspace::tools().join("javascript").join("workerd");
    let from = workspace::worker_tools();
    let config = workspace::read(&from.join("javascript.capnp"))?.replace("LISTEN", &address);
    let config = config.replace("SETTINGS", &settings.replace('"', "\\\""));
    let scripts = WORKERS_FILES.iter().filter(|file| file.ends_with(".js"));
    let modules: Vec<_> = scripts
        .map(|file| format!("(name = \"{file}\", esModule = embed \"{file}\"),"))
        .collect();
    let config = config.replace("MODULES", &modules.join("\n    "));
    let prepare = || {
        fs::create_dir_all(&to)?;
        fs::copy(from.join("javascript.js"), to.join("javascript.js"))?;
        for file in WORKERS_FILES {
            fs::copy(folder.join("dist").join(file), to.join(file))?;
        }
        fs::write(to.join("javascript.capnp"), config)
    };
    prepare().map_err(|error| Stop::Failed(format!("{}: {error}", to.display())))?;
    let mut workerd = command(tools.workerd()?, ["serve"]);
    let mut relay = Relay::run(workerd.arg(to.join("javascript.capnp")), address)?;
    let mut check = command(signal, ["check", &relay.url(), "--conformance", PATIENT]);
    run(check.args(arguments))?;
    relay.check_alive()
}

fn access(
    key: &str,
    serve: impl Fn(&[&str]) -> Result<Relay, Stop>,
    check: impl Fn(&mut Relay, &[&str]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let asks = ["--token-key-file", key, "--token-audience", AUDIENCE];
    let mut relay = serve(&[&asks[..], &["--origins", ORIGIN]].concat())?;
    let levels = ["--level", "access", "--level", "stock"];
    let known = [&asks[..], &["--only-origin", ORIGIN], &levels].concat();
    check(&mut relay, &known)
}

/// A relay that `check` starts and ends itself, with pings a second apart.
fn lifecycle(runtime: Runtime, signal: &Path, folder: &Path, key: &str) -> Result<(), Stop> {
    let level = ["--level", "lifecycle"];
    let list = output(command(signal, ["check", "--list"]).args(level)).unwrap_or_default();
    let ids = list
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    let ids: Vec<&str> = ids.filter(|id| !runtime.decides.contains(id)).collect();
    for id in runtime.decides {
        println!("{} decides {id} itself", runtime.name);
    }
    let address = format!("127.0.0.1:{}", workspace::free_port()?);
    let program = program(runtime, folder)?;
    let serve = format!(
        "{} {} {} --listen {address} --ping-interval 1s --drain-seconds 1 --token-key-file '{key}'",
        program.display(),
        runtime.arguments.join(" "),
        folder.join("dist/cli.js").display(),
    );
    let url = format!("ws://{address}");
    let mut check = command(
        signal,
        ["check", &url, "--conformance", PATIENT, "--patient"],
    );
    check.args(ids.iter().flat_map(|id| ["--scenario", *id]));
    run(check.args(["--token-key-file", key, "--start", &serve]))
}

/// From the packed tarball in an empty folder: the smallest relay, and unchanged y-webrtc clients,
/// in Node and in Chromium.
pub(crate) fn y_webrtc(tools: &Tools) -> Result<(), Stop> {
    tools.node_modules()?;
    let chromium = tools.chromium()?;
    clients::build_page(tools)?;
    let package = build(tools)?;
    let tarball = pack(&package)?;
    for runtime in RUNTIMES {
        let folder = workspace::tools().join("javascript").join(runtime.name);
        let _ = fs::remove_dir_all(&folder);
        let example = workspace::root().join("examples").join(runtime.example);
        let file = folder.join(example.file_name().unwrap_or_default());
        let prepare = || {
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("package.json"), "{\"type\":\"module\"}\n")?;
            fs::copy(&example, &file)
        };
        prepare().map_err(|error| Stop::Failed(format!("{}: {error}", folder.display())))?;
        let install = ["install", "--no-audit", "--no-fund", "--no-save"];
        run(command(npm(), install).arg(&tarball).current_dir(&folder))?;
        let port = workspace::free_port()?.to_string();
        for script in ["y-webrtc.js", "browser.js"] {
            let mut node = command("node", [workspace::acceptance().join(script)]);
            if script == "browser.js" {
                node.arg("--chromium").arg(&chromium);
            }
            node.args(["--url", &format!("ws://127.0.0.1:{port}"), "--"]);
            node.arg(program(*runtime, &package)?);
            node.args(runtime.arguments).arg(&file);
            run(node.env("PORT", &port))?;
        }
        if runtime.name == "Node" {
            spare(&file)?;
        }
    }
    Ok(())
}

/// Clients that name two relays, `signal serve` and this program, of which one is killed.
fn spare(program: &Path) -> Result<(), Stop> {
    let signal = clients::built_signal()?;
    let address = format!("127.0.0.1:{}", workspace::free_port()?);
    let port = workspace::free_port()?.to_string();
    let mut node = command("node", [workspace::acceptance().join("spare.js")]);
    node.args(["--url", &format!("ws://{address}")]);
    node.args(["--spare-url", &format!("ws://127.0.0.1:{port}")]);
    node.arg("--spare").arg(program).arg("--");
    node.arg(signal).args(["serve", "--listen", &address]);
    run(node.env("PORT", &port))
}

/// Builds `dist` and returns the folder of the package.
fn build(tools: &Tools) -> Result<PathBuf, Stop> {
    let module = tools.module()?;
    install::node_modules(packages::SIGNAL_RELAY)?;
    let folder = workspace::root().join("packages/signal-relay");
    run(command("node", ["build.mjs".as_ref(), module.as_path()]).current_dir(&folder))?;
    Ok(folder)
}

fn pack(folder: &Path) -> Result<PathBuf, Stop> {
    let to = workspace::tools().join("javascript");
    fs::create_dir_all(&to).map_err(|error| Stop::Failed(format!("{}: {error}", to.display())))?;
    let mut pack = command(npm(), ["pack", "--silent", "--pack-destination"]);
    let name = output(pack.arg(&to).current_dir(folder));
    name.map(|name| to.join(name))
        .ok_or_else(|| Stop::Failed("npm pack failed".to_owned()))
}

fn serve(runtime: Runtime, folder: &Path, settings: &[&str]) -> Result<Relay, Stop> {
    let address = format!("127.0.0.1:{}", workspace::free_port()?);
    let mut serve = Command::new(program(runtime, folder)?);
    serve
        .args(runtime.arguments)
        .arg(folder.join("dist/cli.js"));
    Relay::run(serve.args(["--listen", &address]).args(settings), address)
}

fn program(runtime: Runtime, folder: &Path) -> Result<PathBuf, Stop> {
    (runtime.find)(&folder.join("node_modules")).ok_or_else(|| Stop::Missing {
        what: format!("{} for this system", runtime.name),
        fix: "use one for which npm has it".to_owned(),
    })
}

//! The Cloudflare Worker in `examples/cloudflare`: built, measured, and run where Cloudflare would
//! run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::PATIENT;
use crate::command::{command, output, run};
use crate::relay::Relay;
use crate::stop::Stop;
use crate::tools::Tools;
use crate::wasm::Toolchain;
use crate::{clients, workspace};

/// The largest script after gzip that leaves the start-up of a Worker alone; Cloudflare itself
/// refuses one of 3 MiB.
const GZIP_BYTES_MAX: u64 = 300 * 1024;

/// What wrangler's own configuration says, so that a client's configuration works with both.
const DEV_LISTEN: &str = "127.0.0.1:8787";

/// The Worker's secret with the keys of tokens.
const TOKEN_KEYS: &str = "TOKEN_KEYS";

/// Without them wrangler would use the network, and ask questions.
const WRANGLER_OFFLINE: &[(&str, &str)] = &[
    ("CI", "1"),
    ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
    ("DO_NOT_TRACK", "1"),
    ("WRANGLER_HIDE_BANNER", "true"),
    ("WRANGLER_SEND_ERROR_REPORTS", "false"),
    ("WRANGLER_SEND_METRICS", "false"),
];

impl Tools {
    /// The folder of the built Cloudflare Worker.
    pub(crate) fn worker(&self) -> Result<PathBuf, Stop> {
        self.worker.get_or_init(|| build(self)).clone()
    }
}

/// `cargo xtask worker`: builds the Worker, or serves it.
pub(crate) fn main(arguments: &[String]) -> Result<(), Stop> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let tools = Tools::default();
    match words.as_slice() {
        ["build"] => check_size(&tools),
        ["dev"] => dev(&tools, DEV_LISTEN),
        ["dev", listen] => dev(&tools, listen),
        _ => Err(Stop::Failed(
            "write `cargo xtask worker build` or `cargo xtask worker dev [ADDRESS:PORT]`"
                .to_owned(),
        )),
    }
}

/// Builds the Worker as a deploy does and returns the folder of `index.js` and `index_bg.wasm`.
pub(crate) fn build(tools: &Tools) -> Result<PathBuf, Stop> {
    let toolchain = Toolchain::find()?;
    println!("with {}", toolchain.name());
    let mut build = command(tools.worker_programs()?.join("worker-build"), ["--release"]);
    build.current_dir(workspace::worker_example());
    toolchain.equip(&mut build)?;
    equip(&mut build, tools)?;
    run(&mut build)?;
    Ok(workspace::worker_example().join("build"))
}

/// The Worker is small enough.
pub(crate) fn check_size(tools: &Tools) -> Result<(), Stop> {
    let folder = tools.worker()?;
    let bytes = |path: &Path| {
        let read = fs::metadata(path).map(|metadata| metadata.len());
        read.map_err(|error| Stop::Failed(format!("{}: {error}", path.display())))
    };
    let wasm = folder.join("index_bg.wasm");
    let linked = workspace::worker_target().join("wasm32-unknown-unknown/release/signaling.wasm");
    let (raw, optimised) = (bytes(&linked)?, bytes(&wasm)?);
    let gzip = gzip_bytes(&wasm)? + gzip_bytes(&folder.join("index.js"))?;
    println!(
        "linked {} KiB, optimised {} KiB, with its JavaScript after gzip {} KiB",
        raw / 1024,
        optimised / 1024,
        gzip / 1024
    );
    if gzip > GZIP_BYTES_MAX {
        let most = GZIP_BYTES_MAX / 1024;
        return Err(Stop::Failed(format!(
            "the Worker has more than {most} KiB after gzip"
        )));
    }
    Ok(())
}

/// The whole suite as a user would run it, against workerd; and its level `access` against a Worker
/// that asks for tokens.
pub(crate) fn conformance(tools: &Tools) -> Result<(), Stop> {
    const AUDIENCE: &str = "relay.example.org";
    const ORIGIN: &str = "https://app.example.org";
    let signal = clients::built_signal()?;
    let check = |variables: &str, options: &[&str]| {
        let listen = format!("127.0.0.1:{}", workspace::free_port()?);
        let mut relay = Relay::run(&mut workerd(tools, &listen, variables)?, listen)?;
        let mut check = command(&signal, ["check", &relay.url(), "--conformance", PATIENT]);
        run(check.args(options))?;
        relay.check_alive()
    };
    check("", &["--hostile"])?;
    let key = clients::new_key(&signal, "EdDSA")?;
    let public = public_half(&key)?;
    let variables = [
        (TOKEN_KEYS, public.as_str()),
        ("TOKEN_AUDIENCE", AUDIENCE),
        ("SIGNAL_ORIGINS", ORIGIN),
    ];
    let asks = [
        "--token-key-file",
        &key,
        "--token-audience",
        AUDIENCE,
        "--only-origin",
        ORIGIN,
    ];
    check(
        &bindings(&variables),
        &[&asks[..], &["--level", "access"]].concat(),
    )
}

/// Unchanged y-webrtc clients share a document through the Worker, which is killed and started
/// again meanwhile; and through one that asks for tokens.
pub(crate) fn y_webrtc(tools: &Tools) -> Result<(), Stop> {
    run_script(tools, "y-webrtc.js", &[], "")?;
    let signal = clients::built_signal()?;
    let key = clients::new_key(&signal, "EdDSA")?;
    let options = ["--signal", &signal.to_string_lossy(), "--key", &key];
    let variables = bindings(&[(TOKEN_KEYS, &public_half(&key)?)]);
    run_script(tools, "tokens.js", &options, &variables)
}

fn run_script(tools: &Tools, script: &str, options: &[&str], variables: &str) -> Result<(), Stop> {
    tools.node_modules()?;
    let listen = format!("127.0.0.1:{}", workspace::free_port()?);
    let workerd = workerd(tools, &listen, variables)?;
    let mut node = command("node", [workspace::acceptance().join(script)]);
    node.args(options);
    node.args(["--url", &format!("ws://{listen}"), "--"]);
    node.arg(workerd.get_program()).args(workerd.get_args());
    run(&mut node)
}

/// What a deploy sends is complete, and wrangler's own server serves it; both without a network.
pub(crate) fn wrangler(tools: &Tools) -> Result<(), Stop> {
    let out = workspace::tools().join("worker-dry-run");
    run(wrangler_command(tools)?
        .args(["deploy", "--dry-run", "--outdir"])
        .arg(out))?;

    // With a key, which in a real deployment is a secret.
    let key = clients::new_key(&clients::built_signal()?, "EdDSA")?;
    let variable = format!("{TOKEN_KEYS}:{}", public_half(&key)?);
    let mut mint = command(clients::built_signal()?, ["token", "mint", "--topics", "*"]);
    let token = output(mint.args(["--expires", "1h", "--key-file"]).arg(&key));
    let token = token.ok_or_else(|| Stop::Failed("no token".to_owned()))?;
    let port = workspace::free_port()?.to_string();
    let mut dev = wrangler_command(tools)?;
    dev.args([
        "dev",
        "--ip",
        "127.0.0.1",
        "--port",
        &port,
        "--inspector-port",
        "0",
        "--var",
        &variable,
    ]);
    let mut relay = Relay::run(&mut dev, format!("127.0.0.1:{port}"))?;
    let stock = [
        "--conformance",
        PATIENT,
        "--level",
        "stock",
        "--token",
        &token,
    ];
    let check = |options: &[&str]| {
        run(command(clients::built_signal()?, ["check", &relay.url()]).args(options))
    };
    let locked = match check(&[]) {
        Ok(()) => Err(Stop::Failed("it asks for no token".to_owned())),
        Err(_) => Ok(()),
    };
    let checked = locked
        .and_then(|()| check(&stock))
        .and_then(|()| relay.check_alive());
    relay.terminate();
    checked
}

fn dev(tools: &Tools, listen: &str) -> Result<(), Stop> {
    let mut workerd = workerd(tools, listen, "")?;
    println!(
        "\nserving ws://{listen}, until Ctrl-C; in a y-webrtc app: signaling: ['ws://{listen}']\n"
    );
    run(&mut workerd)
}

/// What of a key may be given to a relay, as JSON.
fn public_half(key: &str) -> Result<String, Stop> {
    let mut public = command(clients::built_signal()?, ["token", "key", "--public"]);
    output(public.arg(key)).ok_or_else(|| Stop::Failed("no public key".to_owned()))
}

/// Variables in the language of workerd's configuration, which writes quotes and escapes as Rust
/// does.
fn bindings(variables: &[(&str, &str)]) -> String {
    let bindings = variables.iter();
    bindings
        .map(|(name, value)| format!("(name = {name:?}, text = {value:?}),"))
        .collect()
}

/// workerd with the built Worker and these bindings, not started.
fn workerd(tools: &Tools, listen: &str, variables: &str) -> Result<Command, Stop> {
    let built = tools.worker()?;
    let folder = workspace::tools().join("worker-dev");
    let disk = folder.join("disk");
    let template = workspace::read(&workspace::worker_tools().join("dev.capnp"))?;
    let config = template
        .replace("DISK", &disk.to_string_lossy())
        .replace("LISTEN", listen)
        .replace("VARIABLES", variables);
    let prepare = || {
        fs::create_dir_all(&disk)?;
        for file in ["index.js", "index_bg.wasm"] {
            fs::copy(built.join(file), folder.join(file))?;
        }
        fs::write(folder.join("dev.capnp"), config)
    };
    prepare().map_err(|error| Stop::Failed(format!("{}: {error}", folder.display())))?;
    let mut workerd = command(tools.workerd()?, ["serve", "--experimental"]);
    workerd.arg(folder.join("dev.capnp"));
    Ok(workerd)
}

/// wrangler under the Node that it asks for, with the tools that its build command calls.
fn wrangler_command(tools: &Tools) -> Result<Command, Stop> {
    let modules = tools.worker_modules()?;
    let mut wrangler = command(
        modules.join(".bin/node"),
        [modules.join("wrangler/bin/wrangler.js")],
    );
    wrangler.current_dir(workspace::worker_example());
    Toolchain::find()?.equip(&mut wrangler)?;
    equip(&mut wrangler, tools)?;
    let path = wrangler
        .get_envs()
        .find(|(name, _)| *name == "PATH")
        .and_then(|(_, path)| path.map(ToOwned::to_owned))
        .or_else(|| std::env::var_os("PATH"))
        .unwrap_or_default();
    let first = tools.worker_programs()?;
    let path = std::env::join_paths(std::iter::once(first).chain(std::env::split_paths(&path)))
        .map_err(|error| Stop::Failed(format!("PATH: {error}")))?;
    wrangler.env("PATH", path);
    wrangler.envs(WRANGLER_OFFLINE.iter().copied());
    Ok(wrangler)
}

/// Has worker-build use what is installed here, of which it would fetch copies otherwise.
fn equip(command: &mut Command, tools: &Tools) -> Result<(), Stop> {
    let modules = tools.worker_modules()?;
    command
        .env(
            "WASM_BINDGEN_BIN",
            tools.worker_programs()?.join("wasm-bindgen"),
        )
        .env("ESBUILD_BIN", modules.join(".bin/esbuild"))
        .env("WASM_OPT_BIN", modules.join(".bin/wasm-opt"))
        .env("CARGO_TARGET_DIR", workspace::worker_target());
    Ok(())
}

pub(crate) fn gzip_bytes(path: &Path) -> Result<u64, Stop> {
    let packed = command("gzip", ["-9", "--stdout"]).arg(path).output();
    match packed {
        Ok(packed) if packed.status.success() => Ok(packed.stdout.len() as u64),
        Ok(_) | Err(_) => Err(Stop::Failed(format!("cannot gzip {}", path.display()))),
    }
}

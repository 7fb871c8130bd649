//! Real clients against the real binary.
//!
//! Each script under `acceptance/` starts, kills and restarts the relay itself, on a port of its
//! own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{cargo, command, run};
use crate::install::{self, npm};
use crate::packages;
use crate::relay::Relay;
use crate::stop::Stop;
use crate::tools::Tools;
use crate::workspace;

/// How long `signal check` waits for what must come: all is to pass, on a machine with other work
/// too.
pub(crate) const PATIENT: &str = "--timeout=30s";

/// What the page is given credentials for: nothing is there, and browsers go on without it.
const TURN_URL: &str = "turn:127.0.0.1:9?transport=udp";

pub(crate) fn build_signal(_: &Tools) -> Result<(), Stop> {
    run(&mut cargo([
        "build",
        "--release",
        "--package",
        "signal-relay",
        "--bin",
        "signal",
    ]))
}

/// The whole suite, against the process that users run, the inputs that kill y-webrtc's own server
/// included.
pub(crate) fn conformance(_: &Tools) -> Result<(), Stop> {
    let signal = built_signal()?;
    let mut relay = Relay::start(&signal)?;
    run(&mut command(
        &signal,
        ["check", &relay.url(), "--conformance", "--hostile", PATIENT],
    ))?;
    relay.check_alive()?;
    // The one scenario of this level that waits, for two seconds.
    check(
        &signal,
        &relay,
        &["--scenario", "limits.messages_refill", "--patient"],
    )?;
    drop(relay);
    narrow_limits(&signal)?;
    let (pair, secret) = (new_key(&signal, "EdDSA")?, new_key(&signal, "HS256")?);
    access(&signal, &pair, Some("relay.example.org"))?;
    access(&signal, &secret, None)?;
    lifecycle(&signal, &secret)
}

/// The suite with these arguments, against a relay that must outlive it.
fn check(signal: &Path, relay: &Relay, arguments: &[&str]) -> Result<(), Stop> {
    let mut check = command(signal, ["check", &relay.url(), "--conformance", PATIENT]);
    run(check.args(arguments))
}

/// Budgets that one burst exceeds, for the scenarios that need such.
fn narrow_limits(signal: &Path) -> Result<(), Stop> {
    let limits = [
        "--messages-burst=200",
        "--messages-per-second=20",
        "--fan-out-burst=10",
        "--fan-out-per-second=10",
    ];
    let mut relay = Relay::start_with(signal, &limits)?;
    check(signal, &relay, &["--level", "limits"])?;
    relay.check_alive()?;
    let limits = [
        "--fan-out-bytes-burst=10000",
        "--fan-out-bytes-per-second=2000",
    ];
    let mut relay = Relay::start_with(signal, &limits)?;
    let ids = ["limits.fan_out_bytes", "limits.fan_out_bytes_overdraft"];
    check(signal, &relay, &ids.map(|id| ["--scenario", id]).concat())?;
    relay.check_alive()
}

/// Tokens, signed by the suite with the relay's key, and a list of origins. The level `stock` is
/// run, too, with a token in each connection.
fn access(signal: &Path, key: &str, audience: Option<&str>) -> Result<(), Stop> {
    const ORIGIN: &str = "https://app.example.org";
    let mut asks = vec!["--token-key-file", key];
    if let Some(audience) = audience {
        asks.extend(["--token-audience", audience]);
    }
    let mut relay = Relay::start_with(signal, &[&asks[..], &["--origins", ORIGIN]].concat())?;
    let levels = ["--level", "access", "--level", "stock"];
    let known = [&asks[..], &["--only-origin", ORIGIN], &levels].concat();
    check(signal, &relay, &known)?;
    relay.check_alive()
}

/// A new key for tokens, in a file.
pub(crate) fn new_key(signal: &Path, algorithm: &str) -> Result<String, Stop> {
    let file = workspace::target().join(format!("conformance-{algorithm}.jwk"));
    // One of an earlier run; `token key` writes over nothing.
    let _ = std::fs::remove_file(&file);
    let path = file.to_string_lossy().into_owned();
    let make = ["token", "key", "--algorithm", algorithm, "--out", &path];
    run(&mut command(signal, make))?;
    Ok(path)
}

/// Liveness, drain and restart, against a relay that `check` starts and ends itself. Its pings are
/// a second apart, so that no scenario waits a minute. It asks for tokens, without which no grant
/// would end.
fn lifecycle(signal: &Path, key: &str) -> Result<(), Stop> {
    let address = format!("127.0.0.1:{}", workspace::free_port()?);
    let serve = format!(
        "{} serve --listen {address} --ping-interval 1s --drain-seconds 1 --token-key-file '{key}'",
        signal.display()
    );
    let url = format!("ws://{address}");
    run(&mut command(
        signal,
        [
            "check",
            &url,
            "--conformance",
            PATIENT,
            "--level",
            "lifecycle",
            "--patient",
            "--token-key-file",
            key,
            "--start",
            &serve,
        ],
    ))
}

/// Ten thousand idle connections, and what the relay may take of memory for each.
pub(crate) fn idle(_: &Tools) -> Result<(), Stop> {
    const CONNECTIONS: &str = "10000";
    const BYTES_MAX: &str = "1024";
    if !cfg!(target_os = "linux") {
        return Err(Stop::Missing {
            what: "Linux, whose /proc gives the memory of a process".to_owned(),
            fix: "run it there".to_owned(),
        });
    }
    run(&mut cargo([
        "run",
        "--release",
        "--package",
        "signal-tokio",
        "--example",
        "idle",
        "--",
        CONNECTIONS,
        BYTES_MAX,
    ]))
}

pub(crate) fn y_webrtc(tools: &Tools) -> Result<(), Stop> {
    tools.node_modules()?;
    run_script("y-webrtc.js", &[])?;
    hidden_tabs()?;
    // The relay to copy for those who bring their own sockets.
    let example = ["--package", "signal-core", "--example", "own_io"];
    run(cargo(["build"]).args(example))?;
    let file = format!("debug/examples/own_io{}", std::env::consts::EXE_SUFFIX);
    let address = format!("127.0.0.1:{}", workspace::free_port()?);
    let mut node = command("node", [workspace::acceptance().join("y-webrtc.js")]);
    node.args(["--url", &format!("ws://{address}"), "--"]);
    node.arg(workspace::target().join(file)).arg(&address);
    run(&mut node)
}

/// Their WebSocket client in a tab that is hidden. The script's time runs twenty times as fast.
fn hidden_tabs() -> Result<(), Stop> {
    let pings = "--ping-interval=1500ms";
    run_script_serving("hidden.js", &[], &[pings, "--keepalive-interval=1s"])?;
    run_script_serving("hidden.js", &["--away"], &[pings, "--keepalive-interval=0"])
}

/// The same clients at a relay that asks for tokens.
pub(crate) fn y_webrtc_tokens(tools: &Tools) -> Result<(), Stop> {
    tools.node_modules()?;
    let signal = built_signal()?;
    let key = new_key(&signal, "EdDSA")?;
    let signal = signal.to_string_lossy();
    run_script_serving(
        "tokens.js",
        &["--signal", &signal, "--key", &key],
        &["--token-key-file", &key],
    )
}

/// The same clients at a relay with TLS of its own.
pub(crate) fn y_webrtc_tls(tools: &Tools) -> Result<(), Stop> {
    tools.node_modules()?;
    let folder = tls_folder()?;
    let (certificate, key) = make_certificate(tools, "first")?;
    let (new_certificate, new_key) = make_certificate(tools, "second")?;
    let roots = folder.join("trusted.pem");
    let trusted = workspace::read(&certificate)? + &workspace::read(&new_certificate)?;
    std::fs::write(&roots, trusted)
        .map_err(|error| Stop::Failed(format!("{}: {error}", roots.display())))?;

    let port = workspace::free_port()?;
    let mut node = command("node", [workspace::acceptance().join("tls.js")]);
    node.env("NODE_EXTRA_CA_CERTS", &roots);
    node.arg("--certificate")
        .arg(&certificate)
        .arg("--key")
        .arg(&key);
    node.arg("--new-certificate")
        .arg(&new_certificate)
        .arg("--new-key")
        .arg(&new_key);
    node.args(["--url", &format!("wss://localhost:{port}"), "--"]);
    node.arg(built_signal()?)
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
    node.arg("--tls-cert")
        .arg(&certificate)
        .arg("--tls-key")
        .arg(&key);
    run(&mut node)
}

/// Makes a certificate for localhost that signs itself, and its key.
fn make_certificate(tools: &Tools, name: &str) -> Result<(PathBuf, PathBuf), Stop> {
    let folder = tls_folder()?;
    let file = |end| folder.join(format!("{name}.{end}"));
    let (certificate, key) = (file("pem"), file("key"));
    // Longer than what the alert on certificates warns of.
    let mut openssl = command(tools.openssl()?, ["req", "-x509", "-nodes", "-days", "30"]);
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args([
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]);
    openssl.arg("-out").arg(&certificate);
    run(openssl.arg("-keyout").arg(&key))?;
    Ok((certificate, key))
}

fn tls_folder() -> Result<PathBuf, Stop> {
    let folder = workspace::tools().join("tls");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Stop::Failed(format!("{}: {error}", folder.display())))?;
    Ok(folder)
}

pub(crate) fn trystero(tools: &Tools) -> Result<(), Stop> {
    tools.node_modules()?;
    run_script("trystero.js", &[])
}

pub(crate) fn browser(tools: &Tools) -> Result<(), Stop> {
    tools.node_modules()?;
    let chromium = tools.chromium()?;
    build_page(tools)?;
    let secret = workspace::tools().join("turn-secret");
    fs::write(&secret, "only-for-this-test-0123456789\n")
        .map_err(|error| Stop::Failed(format!("{}: {error}", secret.display())))?;
    run_script_serving(
        "browser.js",
        &[
            "--chromium",
            &chromium.to_string_lossy(),
            "--turn",
            TURN_URL,
        ],
        &[
            "--turn-urls",
            TURN_URL,
            "--turn-secret-file",
            &secret.to_string_lossy(),
        ],
    )
}

pub(crate) fn build_page(_: &Tools) -> Result<(), Stop> {
    install::node_modules(packages::BROWSER_EXAMPLE)?;
    run(command(npm(), ["run", "build"]).current_dir(workspace::browser_example()))
}

/// The page at the admin address, in the same browser.
pub(crate) fn status_page(tools: &Tools) -> Result<(), Stop> {
    tools.node_modules()?;
    let chromium = tools.chromium()?;
    let admin = format!("127.0.0.1:{}", workspace::free_port()?);
    let url = format!("http://{admin}");
    run_script_serving(
        "status.js",
        &["--chromium", &chromium.to_string_lossy(), "--admin", &url],
        &["--admin-listen", &admin],
    )
}

/// A real Prometheus with the example's configuration, and the queries of its dashboard and alerts.
pub(crate) fn prometheus(tools: &Tools) -> Result<(), Stop> {
    tools.node_modules()?;
    let prometheus = tools.prometheus()?;
    let promtool = prometheus.with_file_name(format!("promtool{}", std::env::consts::EXE_SUFFIX));
    let python = tools.openmetrics_parser()?;
    // With a certificate, of which a metric and an alert speak.
    let (certificate, key) = make_certificate(tools, "prometheus")?;
    let admin = format!("127.0.0.1:{}", workspace::free_port()?);
    let address = format!("127.0.0.1:{}", workspace::free_port()?);
    // And as a node of a cluster, of which others do.
    let port = workspace::free_port()?.to_string();
    let mut nats = command(
        tools.nats_server()?,
        ["--addr", "127.0.0.1", "--port", &port],
    );
    let nats_address = format!("127.0.0.1:{port}");
    let _nats = Relay::run(&mut nats, nats_address.clone())?;
    let mut node = command("node", [workspace::acceptance().join("prometheus.js")]);
    node.env("NODE_EXTRA_CA_CERTS", &certificate);
    node.arg("--prometheus").arg(&prometheus);
    node.arg("--promtool").arg(&promtool);
    node.arg("--python").arg(&python);
    node.args(["--admin", &format!("http://{admin}")]);
    node.args([
        "--url",
        &address.replacen("127.0.0.1", "wss://localhost", 1),
        "--",
    ]);
    node.arg(built_signal()?)
        .args(["serve", "--listen", &address, "--admin-listen", &admin]);
    node.args(["--cluster-nats", &format!("nats://{nats_address}")]);
    node.arg("--tls-cert").arg(&certificate);
    run(node.arg("--tls-key").arg(&key))
}

fn run_script(script: &str, options: &[&str]) -> Result<(), Stop> {
    run_script_serving(script, options, &[])
}

/// Runs a script against a relay with these settings.
fn run_script_serving(script: &str, options: &[&str], settings: &[&str]) -> Result<(), Stop> {
    let signal = built_signal()?;
    let address = format!("127.0.0.1:{}", workspace::free_port()?);
    let mut node = command("node", [workspace::acceptance().join(script)]);
    node.args(options);
    node.args(["--url", &format!("ws://{address}"), "--"]);
    node.arg(signal).args(["serve", "--listen", &address]);
    node.args(settings);
    run(&mut node)
}

pub(crate) fn built_signal() -> Result<PathBuf, Stop> {
    let signal = workspace::target()
        .join("release")
        .join(format!("signal{}", std::env::consts::EXE_SUFFIX));
    if signal.is_file() {
        return Ok(signal);
    }
    build_signal(&Tools::default())?;
    Ok(signal)
}

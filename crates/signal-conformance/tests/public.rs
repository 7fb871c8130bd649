//! The suite's own test in public: servers that others wrote, each with its results in `results/`.
//!
//! `SIGNAL_NODE_MODULES` names a `node_modules` with y-webrtc 10.3.0 and 10.2.5, `SIGNAL_YRS_WARP`
//! and `SIGNAL_YRS_AXUM` the binaries built from `peers`, `SIGNAL_JUPYTER` a Python with
//! jupyter-server-signaling. `SIGNAL_RESULTS=write` writes the files anew.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use common::ProcessBackend;
use signal_conformance::{Grade, Level, Report, RunOptions, Suite};
use signal_testwire::installed;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn y_webrtc_passes_stock_and_fails_robust() {
    let Some(modules) = installed("SIGNAL_NODE_MODULES") else {
        return;
    };
    let script = modules.join("y-webrtc/bin/server.js");
    let server = ProcessBackend::start("y-webrtc 10.3.0", "", move |port| {
        let mut command = Command::new("node");
        command.arg(&script).env("PORT", port.to_string());
        command
    })
    .await;

    let report = Suite::all().run(&server, &options()).await;

    let levels = report.levels();
    assert_eq!(levels[&Level::Stock].failed, 0, "{}", report.to_text());
    assert_eq!(levels[&Level::Stock].skipped, 0, "{}", report.to_text());
    assert!(levels[&Level::Robust].failed > 0, "{}", report.to_text());
    compare("y-webrtc-10.3.0.json", &server, report).await;
}

fn options() -> RunOptions {
    let mut options = RunOptions::default();
    options.concurrency = 8;
    // Each scenario has its result, be it for a reason that is known already.
    options.keep_going = true;
    options
}

/// The grade in a file for a scenario that a server passes only sometimes.
const VARIES: &str = "varies";

/// How often a scenario runs again, by itself, before its result counts as another: what a server
/// of others does while the machine has other work is not what is compared.
const TRIES: usize = 3;

/// Compares a fresh run with the file of results, both ways.
async fn compare(file: &str, server: &ProcessBackend, mut report: Report) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("results")
        .join(file);
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let kept: BTreeMap<String, String> = serde_json::from_str(&kept).unwrap_or_default();
    if std::env::var("SIGNAL_RESULTS").is_ok_and(|mode| mode == "write") {
        let mut fresh = report.summary();
        for (id, grade) in &mut fresh {
            if kept.get(id).is_some_and(|kept| kept == VARIES) {
                VARIES.clone_into(grade);
            }
        }
        let json = serde_json::to_string_pretty(&fresh).expect("strings only");
        std::fs::write(&path, json + "\n").expect("the file can be written");
        return;
    }
    let mut different = differences(&kept, &report);
    for _ in 0..TRIES {
        let ids: Vec<_> = different.keys().map(String::as_str).collect();
        if ids.is_empty() {
            break;
        }
        let mut again = options();
        again.concurrency = 1;
        report = Suite::all().matching(&ids).run(server, &again).await;
        let still = differences(&kept, &report);
        different.retain(|id, _| still.contains_key(id) || report.result(id).is_none());
    }
    let different: Vec<_> = different.into_values().collect();
    assert!(
        different.is_empty(),
        "results/{file} differs from a fresh run:\n{}",
        different.join("\n")
    );
}

/// What is not as it was kept, by the scenario's id.
fn differences(kept: &BTreeMap<String, String>, report: &Report) -> BTreeMap<String, String> {
    let fresh = report.summary();
    let ids: BTreeSet<_> = kept.keys().chain(fresh.keys()).collect();
    ids.into_iter()
        .filter(|id| kept.get(*id).is_none_or(|kept| kept != VARIES))
        .filter(|id| kept.get(*id) != fresh.get(*id))
        .map(|id| {
            let (kept, fresh) = (kept.get(id), fresh.get(id));
            let detail = detail(report, id);
            let text = format!("{id}: kept {kept:?}, fresh {fresh:?}{detail}");
            (id.clone(), text)
        })
        .collect()
}

fn detail(report: &Report, id: &str) -> String {
    match report.result(id).map(|result| &result.grade) {
        Some(Grade::Failed(failure)) => format!(" ({})", failure.headline()),
        _ => String::new(),
    }
}

/// What apps of some years ago run with: their clients saw no `clients` either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn y_webrtc_before_10_2_6_has_its_results() {
    let Some(modules) = installed("SIGNAL_NODE_MODULES") else {
        return;
    };
    let script = modules.join("y-webrtc-10.2/bin/server.js");
    has_its_results("y-webrtc-10.2.5", "", move |port| {
        let mut command = Command::new("node");
        command.arg(&script).env("PORT", port.to_string());
        command
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn yrs_warp_has_its_results() {
    let Some(binary) = installed("SIGNAL_YRS_WARP") else {
        return;
    };
    has_its_results("yrs-warp-0.9.0", "/signaling", on_port(binary)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn yrs_axum_has_its_results() {
    let Some(binary) = installed("SIGNAL_YRS_AXUM") else {
        return;
    };
    has_its_results("yrs-axum-0.8.2", "/signaling", on_port(binary)).await;
}

/// As it is installed, but for the token that Jupyter asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jupyter_server_signaling_has_its_results() {
    let Some(python) = installed("SIGNAL_JUPYTER") else {
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jupyter");
    std::fs::create_dir_all(&folder).expect("a folder for what it writes");
    has_its_results(
        "jupyter-server-signaling-0.3.0",
        "/api/signaling",
        move |port| {
            let mut command = Command::new(&python);
            command.args(["-m", "jupyter_server", "--no-browser", "--allow-root"]);
            command.args(["--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"]);
            command.arg(format!("--ServerApp.port={port}"));
            command.arg(format!("--ServerApp.root_dir={}", folder.display()));
            command.args([
                "--IdentityProvider.token=",
                "--ServerApp.allow_unauthenticated_access=True",
            ]);
            for name in ["CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"] {
                command.env(format!("JUPYTER_{name}"), &folder);
            }
            command
        },
    )
    .await;
}

fn on_port(binary: PathBuf) -> impl Fn(u16) -> Command + Send + Sync + 'static {
    move |port| {
        let mut command = Command::new(&binary);
        command.env("PORT", port.to_string());
        command
    }
}

async fn has_its_results(
    name: &str,
    path: &str,
    start: impl Fn(u16) -> Command + Send + Sync + 'static,
) {
    let server = ProcessBackend::start(name, path, start);
    let server = server.await;
    let mut options = options();
    // Most scenarios wait in vain.
    options.concurrency = 40;
    let report = Suite::all().run(&server, &options).await;
    compare(&format!("{name}.json"), &server, report).await;
}

//! The suite's own test in public: servers that others wrote, each with its results in `results/`.
//!
//! `SIGNAL_NODE_MODULES` names a `node_modules` with y-webrtc 10.3.0, `SIGNAL_YRS_WARP` the binary
//! built from `peers/yrs-warp`. `SIGNAL_RESULTS=write` writes the files anew.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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
    compare("y-webrtc-10.3.0.json", &report);
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

/// Compares a fresh run with the file of results, both ways.
fn compare(file: &str, report: &Report) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("results")
        .join(file);
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let kept: BTreeMap<String, String> = serde_json::from_str(&kept).unwrap_or_default();
    let mut fresh = report.summary();
    for (id, grade) in &mut fresh {
        if kept.get(id).is_some_and(|kept| kept == VARIES) {
            VARIES.clone_into(grade);
        }
    }
    if std::env::var("SIGNAL_RESULTS").is_ok_and(|mode| mode == "write") {
        let json = serde_json::to_string_pretty(&fresh).expect("strings only");
        std::fs::write(&path, json + "\n").expect("the file can be written");
        return;
    }
    let ids: BTreeSet<_> = kept.keys().chain(fresh.keys()).collect();
    let differences: Vec<_> = ids
        .into_iter()
        .filter(|id| kept.get(*id) != fresh.get(*id))
        .map(|id| {
            format!(
                "{id}: kept {:?}, fresh {:?}{}",
                kept.get(id),
                fresh.get(id),
                detail(report, id)
            )
        })
        .collect();
    assert!(
        differences.is_empty(),
        "results/{file} differs from a fresh run:\n{}",
        differences.join("\n")
    );
}

fn detail(report: &Report, id: &str) -> String {
    match report.result(id).map(|result| &result.grade) {
        Some(Grade::Failed(failure)) => format!(" ({})", failure.headline()),
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn yrs_warp_has_its_results() {
    let Some(binary) = installed("SIGNAL_YRS_WARP") else {
        return;
    };
    let server = ProcessBackend::start("yrs-warp 0.9.0", "/signaling", move |port| {
        let mut command = Command::new(&binary);
        command.env("PORT", port.to_string());
        command
    })
    .await;

    let mut options = options();
    // Most scenarios wait in vain.
    options.concurrency = 40;
    let report = Suite::all().run(&server, &options).await;

    compare("yrs-warp-0.9.0.json", &report);
}

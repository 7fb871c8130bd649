//! The Autobahn cases, run by kosoku against the relay's connection code.
//!
//! Needs the environment variable `SIGNAL_KOSOKU` with the path of the `kosoku` program (PyPI).
//! With `SIGNAL_BLESS=1` the expected results are written instead of compared. Groups 12 and 13 are
//! about compression, which the relay does not negotiate.

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use signal_tokio::{Config, Relay};
use tokio::net::TcpListener;

const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/autobahn-expected.json");
/// Autobahn's largest message.
const MESSAGE_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// How a case and its close went, by case.
type Results = BTreeMap<String, String>;

#[test]
fn autobahn_cases_pass_as_recorded_where_each_connection_is_a_task() {
    check_cases(serve_tasks);
}

#[test]
fn autobahn_cases_pass_as_recorded_in_a_reactor() {
    check_cases(|| common::listen_in_reactors(&echo(), 1));
}

fn check_cases(serve: impl FnOnce() -> SocketAddr) {
    let Some(kosoku) = signal_testwire::installed("SIGNAL_KOSOKU") else {
        return;
    };
    let address = serve();
    let out = format!("signal-autobahn-{}-{}", std::process::id(), address.port());
    let out = std::env::temp_dir().join(out);
    let output = Command::new(&kosoku)
        .args([
            "--mode",
            "fuzzingclient",
            "--exclude",
            "12.*",
            "--exclude",
            "13.*",
        ])
        .args(["--parallelism", "2", "--outdir"])
        .arg(&out)
        .arg(format!("ws://{address}"))
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", Path::new(&kosoku).display()));
    let fresh = read_report(&out.join("index.json")).unwrap_or_else(|| {
        panic!(
            "kosoku wrote no report: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    let _ = std::fs::remove_dir_all(&out);

    if std::env::var_os("SIGNAL_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&fresh).expect("a map of strings is JSON");
        std::fs::write(EXPECTED, text + "\n").expect("the source directory is writable");
        return;
    }
    let expected = std::fs::read_to_string(EXPECTED).expect("the expected results are in the tree");
    let expected: Results = serde_json::from_str(&expected).expect("the expected results are JSON");
    let differing: Vec<_> = expected
        .keys()
        .chain(fresh.keys().filter(|case| !expected.contains_key(*case)))
        .filter(|case| expected.get(*case) != fresh.get(*case))
        .map(|case| {
            format!(
                "{case}: expected {:?}, got {:?}",
                expected.get(case),
                fresh.get(case)
            )
        })
        .collect();
    assert!(
        differing.is_empty(),
        "{} cases differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
    assert!(fresh.len() > 250, "only {} cases ran", fresh.len());
}

fn echo() -> Relay {
    let mut config = Config::default();
    config.core.message_bytes_max = MESSAGE_BYTES_MAX;
    config.outbound_bytes_max = 4 * MESSAGE_BYTES_MAX as usize;
    Relay::echo(config).expect("valid settings")
}

/// Starts an echo server that runs as long as the test process.
fn serve_tasks() -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            tell.send(listener.local_addr().expect("a bound socket"))
                .expect("the test waits");
            echo().serve(listener).await;
        });
    });
    told.recv().expect("the server has started")
}

/// Reads `{agent: {case: {behavior, behaviorClose, ..}}}`.
fn read_report(index: &Path) -> Option<Results> {
    let text = std::fs::read_to_string(index).ok()?;
    let report: serde_json::Value = serde_json::from_str(&text).ok()?;
    let cases = report.as_object()?.values().next()?.as_object()?;
    let result = |case: &serde_json::Value| {
        Some(
            match (
                case.get("behavior")?.as_str()?,
                case.get("behaviorClose")?.as_str()?,
            ) {
                (behavior, "OK") => behavior.to_owned(),
                (behavior, close) => format!("{behavior}, close {close}"),
            },
        )
    };
    cases
        .iter()
        .map(|(id, case)| Some((id.clone(), result(case)?)))
        .collect()
}

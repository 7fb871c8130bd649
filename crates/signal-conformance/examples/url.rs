//! Runs the suite against an address: `cargo run --example url -- ws://127.0.0.1:4444 [limit=value
//! …]`.
//!
//! The level `robust` is left out: it ends servers that do not bear it.

use std::process::ExitCode;

use signal_conformance::{Level, RunOptions, Suite, UrlBackend};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .unwrap_or_else(|| "ws://127.0.0.1:4444".to_owned());
    let mut backend = match UrlBackend::new(&url) {
        Ok(backend) => backend,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let limits = arguments.filter_map(|limit| {
        let (name, value) = limit.split_once('=')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    for (name, value) in limits {
        backend = backend.declare(|declared| declared.levels([Level::Limits]).limit(name, value));
    }
    let mut options = RunOptions::default();
    options.concurrency = 8;

    let report = Suite::all()
        .without_destructive()
        .run(&backend, &options)
        .await;

    print!("{}", report.to_text());
    if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

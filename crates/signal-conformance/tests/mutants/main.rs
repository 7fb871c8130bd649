//! Mutants: servers with one fault each, held to the whole suite. The list was written first, from
//! the specification and from what real servers do; the suite's scenarios are not named in it.
//!
//! `SIGNAL_MUTANTS=all` runs the suite to its end on each and prints what catches it.
#![expect(
    clippy::print_stdout,
    reason = "the table that SIGNAL_MUTANTS asks for"
)]

mod ends;
mod frames;
mod list;
mod memory;
mod publish;
mod relay;
mod relayed;
mod requests;
mod socket;
mod text;

use std::fmt::Debug;

use list::{ALL, Mutant, OF_SOCKETS, SURVIVORS, SURVIVORS_OF_SOCKETS, SocketMutant};
use memory::MemoryBackend;
use signal_conformance::{Grade, Report, RunOptions, Suite};

#[tokio::test]
async fn the_relay_that_is_no_mutant_passes() {
    let report = run(None).await;
    assert!(report.passed(), "{}", report.to_text());
}

#[tokio::test]
async fn mutants_are_caught() {
    let mut survivors = Vec::new();
    for (mutant, what) in ALL {
        if survives(mutant, what, &run(Some(*mutant)).await) {
            survivors.push(*mutant);
        }
    }
    assert_eq!(survivors, SURVIVORS);
}

#[tokio::test]
async fn the_sockets_that_are_no_mutants_pass() {
    let report = run_at_socket(None).await;
    assert!(report.passed(), "{}", report.to_text());
}

#[tokio::test]
async fn mutants_of_sockets_are_caught() {
    let mut survivors = Vec::new();
    for (mutant, what) in OF_SOCKETS {
        if survives(mutant, what, &run_at_socket(Some(*mutant)).await) {
            survivors.push(*mutant);
        }
    }
    assert_eq!(survivors, SURVIVORS_OF_SOCKETS);
}

/// Whether no scenario failed.
fn survives(mutant: &dyn Debug, what: &str, report: &Report) -> bool {
    let failed = report.results.iter();
    let failed = failed.filter(|result| matches!(result.grade, Grade::Failed(_)));
    let failed: Vec<_> = failed.map(|result| result.id.as_str()).collect();
    if is_table() {
        println!("{mutant:?}\t{what}\t{}\t{}", failed.len(), failed.join(" "));
    }
    failed.is_empty()
}

fn is_table() -> bool {
    std::env::var("SIGNAL_MUTANTS").is_ok_and(|mode| mode == "all")
}

async fn run(mutant: Option<Mutant>) -> Report {
    let mut options = RunOptions::default();
    options.fail_fast = !is_table();
    let backend = MemoryBackend::new(mutant);
    Suite::all().run(&backend, &options).await
}

async fn run_at_socket(mutant: Option<SocketMutant>) -> Report {
    let mut options = RunOptions::default();
    options.concurrency = 8;
    options.fail_fast = !is_table();
    // What must come does so at once on one machine, and what never comes is waited for.
    options.patience = std::time::Duration::from_secs(if mutant.is_some() { 3 } else { 30 });
    let backend = socket::serve(mutant).await;
    Suite::all().run(&backend, &options).await
}

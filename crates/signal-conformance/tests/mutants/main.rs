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

use list::{ALL, Mutant, OF_SOCKETS, SocketMutant};
use memory::MemoryBackend;
use relayed::Style;
use signal_conformance::{Capability, Grade, Level, Report, RunOptions, Suite};

#[tokio::test]
async fn relays_that_write_json_in_another_way_pass() {
    for style in [
        Style::Short,
        Style::Blanks,
        Style::CountFirst,
        Style::Escapes,
    ] {
        let options = RunOptions::default();
        let report = Suite::all()
            .run(&MemoryBackend::sound(style), &options)
            .await;
        assert!(report.passed(), "{style:?}: {}", report.to_text());
    }
}

#[tokio::test]
async fn mutants_are_caught() {
    let mut survivors = Vec::new();
    for (mutant, what) in ALL {
        if survives(mutant, what, &run(Some(*mutant)).await) {
            survivors.push(*mutant);
        }
    }
    assert_eq!(survivors, []);
}

#[tokio::test]
async fn sockets_that_are_not_mutants_pass() {
    let report = run_at_socket(None).await;
    assert!(report.passed(), "{}", report.to_text());
}

#[tokio::test]
async fn mutants_of_sockets_are_caught() {
    let mut survivors = Vec::new();
    for (mutant, what) in OF_SOCKETS {
        // What connects first need not be read first, so a fault of the order may not show at once.
        let mut tries = 3;
        while tries > 0 && survives(mutant, what, &run_at_socket(Some(*mutant)).await) {
            tries -= 1;
        }
        if tries == 0 {
            survivors.push(*mutant);
        }
    }
    assert_eq!(survivors, []);
}

/// No scenario passes whatever a server does.
#[tokio::test]
async fn each_scenario_fails_with_some_mutant() {
    let mut unfailed = Suite::all().levels([Level::Stock, Level::Robust]);
    let of_sockets = [Capability::Http, Capability::RawFrames, Capability::Guests];
    unfailed
        .scenarios
        .retain(|scenario| of_sockets.iter().all(|need| !scenario.needs.contains(need)));
    let mut options = RunOptions::default();
    options.keep_going = true;
    for (mutant, _) in ALL {
        let report = unfailed
            .run(&MemoryBackend::new(Some(*mutant)), &options)
            .await;
        unfailed.scenarios.retain(|scenario| {
            let result = report.result(&scenario.id);
            !result.is_some_and(|result| matches!(result.grade, Grade::Failed(_)))
        });
    }
    let unfailed: Vec<_> = unfailed
        .scenarios
        .iter()
        .map(|scenario| &scenario.id)
        .collect();
    assert!(unfailed.is_empty(), "{unfailed:?}");
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

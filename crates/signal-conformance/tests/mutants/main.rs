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

/// How many scenarios of `stock` may fail for one fault: those that name it, and the few that
/// cannot be told from them.
const FAILURES_MAX: usize = 12;

/// Where the report is to begin, for faults that nearly everything else would fail with.
const BEGINNINGS: &[(Mutant, &str)] = &[
    (Mutant::OnAnswered, "subscribe.no_answer"),
    (Mutant::EchoMissing, "basics.echo"),
    (Mutant::CountOthers, "basics.count"),
    (Mutant::OnAnnounced, "subscribe.not_announced"),
    (Mutant::OffAnnounced, "subscribe.not_announced"),
    (Mutant::FirstEntryOnly, "subscribe.many_topics"),
    (Mutant::OnReplaces, "subscribe.adds"),
    (Mutant::DataStringDropped, "publish.string"),
    (Mutant::CountStaleOff, "subscribe.unsubscribe"),
    (Mutant::OffDropsRoom, "subscribe.unsubscribe_own_only"),
    (Mutant::OnReplaysLast, "publish.no_history"),
    (Mutant::DataNeeded, "publish.without_data"),
    (Mutant::KnownMembersOnly, "publish.extra_members"),
    (Mutant::EndKeeps, "basics.close"),
    (Mutant::AbortKeeps, "closing.abort"),
];

#[tokio::test]
async fn one_fault_is_few_failures_and_the_report_begins_with_its_own() {
    let stock = Suite::all().level(Level::Stock);
    let mut wrong = Vec::new();
    for (mutant, what) in ALL {
        let backend = MemoryBackend::new(Some(*mutant));
        let report = stock.run(&backend, &RunOptions::default()).await;
        let _ = survives(mutant, what, &report);
        let failed = report.levels()[&Level::Stock].failed;
        if failed > FAILURES_MAX {
            wrong.push(format!("{mutant:?} ({what}): {failed} failed"));
        }
        let wanted = BEGINNINGS.iter().find(|(one, _)| one == mutant);
        let text = report.to_text();
        if let Some((_, id)) = wanted
            && !text.contains(&format!("\nBegin with {id}: "))
        {
            let begin = text.lines().find(|line| line.starts_with("Begin"));
            wrong.push(format!("{mutant:?} ({what}): not {id}, but {begin:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
            !result.is_some_and(|result| is_caught(&result.grade))
        });
    }
    let unfailed: Vec<_> = unfailed
        .scenarios
        .iter()
        .map(|scenario| &scenario.id)
        .collect();
    assert!(unfailed.is_empty(), "{unfailed:?}");
}

fn is_caught(grade: &Grade) -> bool {
    matches!(grade, Grade::Failed(_) | Grade::Warned(_))
}

/// Whether no scenario failed or warned.
fn survives(mutant: &dyn Debug, what: &str, report: &Report) -> bool {
    let failed = report.results.iter();
    let failed = failed.filter(|result| is_caught(&result.grade));
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

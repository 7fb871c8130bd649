//! The whole suite, awake and with a sleep between any two steps.

use std::sync::Arc;

use signal_conformance::{Capability, Report, RunOptions, Step, Suite};

use crate::backend::WorkerBackend;
use crate::server::Workerd;
use crate::workerd;

/// A `repeat` of more rounds than this runs without sleeps inside: the floods are about numbers.
const ROUNDS_MAX: u64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_object_for_all_passes_the_suite() {
    let Some(server) = workerd("suite-global", &[]).await else { return };
    run(&server, "/", "global", Suite::all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_for_each_room_passes_the_suite() {
    let Some(server) = workerd("suite-by-name", &[("SIGNAL_ROOMS", "by-name")]).await else { return };
    run(&server, "/room/garden", "room/garden", Suite::all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleep_between_any_two_steps_changes_nothing_in_one_object_for_all() {
    let Some(server) = workerd("sleep-global", &[]).await else { return };
    run(&server, "/", "global", with_sleep(Suite::all())).await;
    println!("{} wakes, nothing lost", check_that_nothing_was_lost(&server));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleep_between_any_two_steps_changes_nothing_in_an_object_for_each_room() {
    let Some(server) = workerd("sleep-by-name", &[("SIGNAL_ROOMS", "by-name")]).await else { return };
    run(&server, "/room/garden", "room/garden", with_sleep(Suite::all())).await;
    println!("{} wakes, nothing lost", check_that_nothing_was_lost(&server));
}

async fn run(server: &Arc<Workerd>, path: &str, object: &str, suite: Suite) {
    let backend = WorkerBackend::new(server, path, object);
    let mut options = RunOptions::default();
    options.concurrency = 4;
    let report: Report = suite.run(&backend, &options).await;
    println!("{}", report.to_text());
    assert!(report.passed(), "{}\n{}", report.to_text(), server.log());
}

/// Puts the object to sleep after every step.
fn with_sleep(mut suite: Suite) -> Suite {
    for scenario in &mut suite.scenarios {
        scenario.steps = sleepy(std::mem::take(&mut scenario.steps));
        scenario.needs.insert(Capability::Hibernate);
    }
    suite
}

fn sleepy(steps: Vec<Step>) -> Vec<Step> {
    let mut out = Vec::new();
    for step in steps {
        out.push(match step {
            Step::Repeat { times, steps } if is_few(&times) => {
                Step::Repeat { times, steps: sleepy(steps) }
            }
            other => other,
        });
        out.push(Step::Hibernate);
    }
    out
}

fn is_few(times: &signal_conformance::Amount) -> bool {
    matches!(times, signal_conformance::Amount::Number(number) if *number <= ROUNDS_MAX)
}

/// Every wake is in the log with the number of peers whose state could not be restored.
fn check_that_nothing_was_lost(server: &Workerd) -> usize {
    let log = server.log();
    let wakes = || log.lines().filter(|line| line.contains(r#""event":"wake""#));
    for line in wakes() {
        assert!(line.contains(r#""lost":0"#), "{line}");
    }
    assert!(wakes().count() > 100, "the objects have hardly slept: {log}");
    wakes().count()
}

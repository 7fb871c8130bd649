//! Proof that the suite can fail: a naive relay passes all of it, and with any one fault it fails the scenario named for
//! that fault.

mod backend;
mod ends;
mod fault;
mod limits;
mod message;
mod relay;
mod requests;

use std::collections::BTreeSet;

use backend::RelayBackend;
use fault::{ALL, Fault};
use limits::Limits;
use signal_conformance::{Capability, Grade, Report, RunOptions, Suite};

const WIDE: Limits = Limits {
    fan_out_burst: 50_000,
    fan_out_per_second: 5_000,
};
/// So small that scenarios about the budget of fan-out apply.
const NARROW: Limits = Limits {
    fan_out_burst: 10,
    fan_out_per_second: 10,
};
const FAN_OUT: [&str; 2] = ["limits.fan_out", "limits.fan_out_overdraft"];

#[tokio::test]
async fn the_relay_without_fault_passes_everything() {
    let report = run(Suite::all(), None, WIDE).await;
    assert!(report.passed(), "{}", report.to_text());
    // All it is not asked: it has neither frames nor pages, and its budget of fan-out is wide.
    let summary = report.summary();
    let skipped: BTreeSet<_> = summary
        .values()
        .filter(|grade| *grade != "passed")
        .collect();
    assert_eq!(
        skipped.into_iter().collect::<Vec<_>>(),
        [
            "skipped: the backend cannot `http`",
            "skipped: the backend cannot `raw_frames`",
            "skipped: the limits declared are not fan_out_burst+fan_out_per_second+4<messages_burst",
            "skipped: the limits declared are not fan_out_burst<20",
        ]
    );
}

#[tokio::test]
async fn the_relay_with_a_narrow_budget_passes_what_is_about_it() {
    let report = run(Suite::all().matching(&FAN_OUT), None, NARROW).await;
    assert_eq!(
        report.summary().into_values().collect::<Vec<_>>(),
        ["passed", "passed"],
        "{}",
        report.to_text()
    );
}

#[tokio::test]
async fn each_fault_is_caught_by_the_scenario_named_for_it() {
    let mut missed = Vec::new();
    for &(fault, id) in ALL {
        let limits = if FAN_OUT.contains(&id) { NARROW } else { WIDE };
        let report = run(Suite::all().matching(&[id]), Some(fault), limits).await;
        let caught = report
            .result(id)
            .is_some_and(|result| matches!(result.grade, Grade::Failed(_)));
        if !caught {
            missed.push(format!("{fault:?} is missed by {id}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

async fn run(suite: Suite, fault: Option<Fault>, limits: Limits) -> Report {
    suite
        .run(&RelayBackend::new(fault, limits), &RunOptions::default())
        .await
}

/// No scenario passes whatever the relay does.
#[tokio::test]
async fn each_scenario_fails_with_some_fault() {
    let mut unfailed = Suite::all();
    unfailed.scenarios.retain(|scenario| {
        let of_sockets = [Capability::Http, Capability::RawFrames];
        of_sockets.iter().all(|need| !scenario.needs.contains(need))
    });
    for &(fault, id) in ALL {
        let limits = if FAN_OUT.contains(&id) { NARROW } else { WIDE };
        let report = run(unfailed.clone(), Some(fault), limits).await;
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

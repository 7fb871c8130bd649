//! The report for people.

use std::fmt::Write;

use super::{Failure, Grade, Report, Tally};
use crate::Level;

pub(super) fn render(report: &Report) -> String {
    let mut out = format!(
        "signal-conformance {} on {}\n",
        report.suite, report.backend.name
    );
    for (level, tally) in report.levels() {
        let _ = writeln!(out, "\n{:<10} {}", level.name(), verdict(tally));
        render_level(&mut out, report, level);
    }
    let killers = report.results.iter().filter(|result| match &result.grade {
        Grade::Failed(failure) => failure.killed_the_server,
        Grade::Passed | Grade::Skipped { .. } | Grade::NotRun { .. } => false,
    });
    let killers: Vec<_> = killers.map(|result| result.id.as_str()).collect();
    if !killers.is_empty() {
        let _ = writeln!(out, "\nThe server was killed by: {}", killers.join(", "));
    }
    out
}

fn verdict(tally: Tally) -> String {
    let Tally {
        passed,
        failed,
        skipped,
        not_run,
    } = tally;
    let word = match tally {
        Tally {
            failed: 0,
            not_run: 0,
            passed: 0,
            ..
        } => "skipped",
        Tally {
            failed: 0,
            not_run: 0,
            ..
        } => "PASSED",
        _ => "FAILED",
    };
    let mut text = format!("{word}: {passed} passed");
    for (count, what) in [
        (failed, "failed"),
        (skipped, "skipped"),
        (not_run, "not run"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

fn render_level(out: &mut String, report: &Report, level: Level) {
    let mut skipped = std::collections::BTreeMap::<&str, usize>::new();
    for result in report.results.iter().filter(|result| result.level == level) {
        match &result.grade {
            Grade::Passed => {}
            Grade::Failed(failure) => {
                let _ = writeln!(
                    out,
                    "  ✗ {} ({})",
                    result.id,
                    result.requirements.join(", ")
                );
                let _ = writeln!(out, "    {}", result.title);
                render_failure(out, failure);
            }
            Grade::Skipped { reason } | Grade::NotRun { reason } => {
                *skipped.entry(reason).or_default() += 1
            }
        }
    }
    for (reason, count) in skipped {
        let _ = writeln!(out, "  - {count} left out: {reason}");
    }
}

fn render_failure(out: &mut String, failure: &Failure) {
    let _ = writeln!(out, "    step {}: {}", failure.step, failure.action);
    let _ = writeln!(out, "    expected {}", failure.expected);
    let _ = writeln!(out, "    got      {}", failure.got);
    if failure.killed_the_server {
        let _ = writeln!(out, "    this killed the server");
    }
    const SHOWN: usize = 12;
    let start = failure.log.len().saturating_sub(SHOWN);
    for entry in &failure.log[start..] {
        let _ = writeln!(out, "      {entry}");
    }
}

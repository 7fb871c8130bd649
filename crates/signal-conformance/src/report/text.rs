//! The report for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use super::{Failure, Grade, Report, ScenarioResult, Tally};
use crate::Level;

/// Where requirements are defined: those of tokens and origins, which begin with U, those of a
/// cluster, which begin with M, and all others.
const CLUSTER: &str = "signal-cluster/CLUSTER.md";
const ACCESS: &str = "signal-access/ACCESS.md";
const PROTOCOL: &str = "signal-core/PROTOCOL.md";
const ADDRESS: &str = "https://github.com/signal-relay/signal/blob/main/crates/";

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = document(&mut out, report);
    out
}

fn document(out: &mut String, report: &Report) -> fmt::Result {
    let name = &report.backend.name;
    writeln!(out, "signal-conformance {} on {name}", report.suite)?;
    if let Some(reason) = &report.ended_early {
        writeln!(out, "\nIt was not run to its end: {reason}")?;
    }
    first_to_fix(out, report)?;
    for (level, tally) in report.levels() {
        writeln!(out, "\n{:<10} {}", level.name(), verdict(tally))?;
        render_level(out, report, level)?;
    }
    let killers = report.failed().filter(|result| match &result.grade {
        Grade::Failed(failure) => failure.killed_the_server,
        Grade::Passed | Grade::Warned(_) | Grade::Skipped { .. } | Grade::NotRun { .. } => false,
    });
    let killers: Vec<_> = killers.map(|result| result.id.as_str()).collect();
    if !killers.is_empty() {
        writeln!(out, "\nThe server was killed by: {}", killers.join(", "))?;
    }
    pages(out, report)
}

/// Names the failure to begin with where others were left out because of it.
fn first_to_fix(out: &mut String, report: &Report) -> fmt::Result {
    for result in report.failed() {
        let reason = format!("`{}` failed", result.id);
        let rest = report.results.iter().filter(
            |other| matches!(&other.grade, Grade::NotRun { reason: why } if *why == reason),
        );
        let count = rest.count();
        if count > 0 {
            let scenarios = if count == 1 { "scenario" } else { "scenarios" };
            return writeln!(
                out,
                "\nBegin with {}: {count} {scenarios} that cannot pass without it were left out",
                result.id
            );
        }
    }
    Ok(())
}

/// Where the requirements of what failed are defined.
fn pages(out: &mut String, report: &Report) -> fmt::Result {
    let problems = report
        .results
        .iter()
        .filter(|result| failure(result).is_some());
    let requirements = problems.flat_map(|result| &result.requirements);
    let pages: BTreeSet<_> = requirements
        .map(|requirement| match requirement.as_bytes().first() {
            Some(b'U') => ACCESS,
            Some(b'M') => CLUSTER,
            _ => PROTOCOL,
        })
        .collect();
    if !pages.is_empty() {
        writeln!(out, "\nWhat is required, by number:")?;
    }
    for page in pages {
        writeln!(out, "  {ADDRESS}{page}")?;
    }
    Ok(())
}

fn verdict(tally: Tally) -> String {
    let has_failed = tally.failed + tally.not_run > 0;
    let word = match tally {
        _ if has_failed => "FAILED",
        Tally {
            passed: 0,
            warned: 0,
            ..
        } => "skipped",
        _ => "PASSED",
    };
    let mut text = format!("{word}: {} passed", tally.passed);
    let warnings = if tally.warned == 1 {
        "warning"
    } else {
        "warnings"
    };
    for (count, what) in [
        (tally.failed, "failed"),
        (tally.warned, warnings),
        (tally.skipped, "skipped"),
        (tally.not_run, "not run"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

/// What was wrong, be it a MUST or a SHOULD.
fn failure(result: &ScenarioResult) -> Option<&Failure> {
    match &result.grade {
        Grade::Failed(failure) | Grade::Warned(failure) => Some(failure),
        Grade::Passed | Grade::Skipped { .. } | Grade::NotRun { .. } => None,
    }
}

fn render_level(out: &mut String, report: &Report, level: Level) -> fmt::Result {
    let mut left_out = BTreeMap::<&str, usize>::new();
    for result in report.results.iter().filter(|result| result.level == level) {
        if let Some(failure) = failure(result) {
            let mark = if matches!(result.grade, Grade::Warned(_)) {
                "! should:"
            } else {
                "✗"
            };
            let requirements = result.requirements.join(", ");
            writeln!(out, "  {mark} {} ({requirements})", result.id)?;
            writeln!(out, "    {}", result.title)?;
            render_failure(out, failure)?;
        }
        if let Grade::Skipped { reason } | Grade::NotRun { reason } = &result.grade {
            *left_out.entry(reason).or_default() += 1;
        }
    }
    for (reason, count) in left_out {
        writeln!(out, "  - {count} left out: {reason}")?;
    }
    Ok(())
}

fn render_failure(out: &mut String, failure: &Failure) -> fmt::Result {
    writeln!(out, "    step {}: {}", failure.step, failure.action)?;
    writeln!(out, "    expected {}", failure.expected)?;
    writeln!(out, "    got      {}", failure.got)?;
    if let Some(difference) = &failure.difference {
        writeln!(out, "    differs  {difference}")?;
    }
    if failure.killed_the_server {
        writeln!(out, "    this killed the server")?;
    }
    const SHOWN: usize = 12;
    let start = failure.log.len().saturating_sub(SHOWN);
    for entry in &failure.log[start..] {
        writeln!(out, "      {entry}")?;
    }
    Ok(())
}

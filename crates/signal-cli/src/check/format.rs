//! A report in the form that was asked for.

mod json;
mod text;

use clap::ValueEnum;
use signal_conformance::report::cases::{Case, Cases, Outcome};

use crate::check::report::{Report, Status, Step};
use crate::lines;

/// What a report is written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// JUnit XML, for CI systems
    Junit,
    /// Test Anything Protocol 14
    Tap,
}

impl Format {
    pub(crate) fn render(self, report: &Report) -> String {
        match self {
            Self::Text => lines::for_stdout(&text::render(report)).into_owned(),
            Self::Json => json::render(report),
            Self::Junit => cases(report).to_junit(),
            Self::Tap => cases(report).to_tap(),
        }
    }
}

/// The steps as CI systems read them.
fn cases(report: &Report) -> Cases {
    let verdict = report.verdict().name();
    Cases::new(&report.url, verdict).group("signal.check", report.steps.iter().map(case))
}

fn case(step: &Step) -> Case {
    let problem = step.problem.clone().unwrap_or_default();
    let outcome = match step.status {
        Status::Passed => Outcome::Passed,
        Status::Warned => Outcome::Warned(problem),
        Status::Failed => Outcome::Failed(problem),
        Status::Skipped => return Case::new(step.name, step.time, Outcome::Skipped(step.line())),
    };
    Case::new(step.name, step.time, outcome)
        .fact("detail", &step.detail)
        .fact("fix", step.fix.clone().unwrap_or_default())
}

/// Milliseconds with three digits behind the point.
fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

//! Running steps one after another, and the table at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::step::Step;
use crate::stop::{Stop, in_ci};
use crate::tools::Tools;

/// Runs `steps` in order and prints the summary. Fails if a step failed, or in CI if one could not
/// run.
pub(crate) fn run_all<'a>(
    steps: impl IntoIterator<Item = &'a Step>,
    tools: &Tools,
    fail_fast: bool,
) -> ExitCode {
    let start = Instant::now();
    let mut results = Vec::new();
    for step in steps {
        println!("\n== {}: {}", step.name, step.about);
        let step_start = Instant::now();
        let verdict = Verdict::of((step.run)(tools), in_ci());
        let failed = matches!(verdict, Verdict::Failed(_));
        println!(
            "== {}: {} in {}",
            step.name,
            verdict.word(),
            seconds(step_start.elapsed())
        );
        results.push((step.name, step_start.elapsed(), verdict));
        if failed && fail_fast {
            break;
        }
    }
    print_table(&results, start.elapsed());
    let failed = results
        .iter()
        .any(|(_, _, verdict)| matches!(verdict, Verdict::Failed(_)));
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Verdict {
    fn of(result: Result<(), Stop>, in_ci: bool) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(Stop::Failed(reason)) => Self::Failed(reason),
            Err(stop @ Stop::Missing { .. }) if in_ci => Self::Failed(stop.to_string()),
            Err(stop @ Stop::Missing { .. }) => Self::Skipped(stop.to_string()),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "skipped",
        }
    }

    fn reason(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Failed(reason) | Self::Skipped(reason) => reason,
        }
    }
}

fn print_table(results: &[(&str, Duration, Verdict)], total: Duration) {
    println!("\n{:<20}{:<9}{:>9}", "step", "result", "time");
    for (name, time, verdict) in results {
        let line = format!(
            "{name:<20}{:<9}{:>9}  {}",
            verdict.word(),
            seconds(*time),
            verdict.reason()
        );
        println!("{}", line.trim_end());
    }
    let count = |word| {
        results
            .iter()
            .filter(|(_, _, verdict)| verdict.word() == word)
            .count()
    };
    let (passed, failed, skipped) = (count("passed"), count("FAILED"), count("skipped"));
    println!(
        "\n{passed} passed, {failed} failed, {skipped} skipped in {}",
        seconds(total)
    );
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Stop {
        Stop::Missing {
            what: "Chromium".into(),
            fix: "run apt-get install chromium".into(),
        }
    }

    #[test]
    fn what_cannot_run_is_skipped_here_and_fails_in_ci() {
        let reason = "Chromium is missing; run apt-get install chromium".to_owned();
        assert_eq!(
            Verdict::of(Err(missing()), false),
            Verdict::Skipped(reason.clone())
        );
        assert_eq!(Verdict::of(Err(missing()), true), Verdict::Failed(reason));
    }

    #[test]
    fn one_failed_step_fails_the_run_and_the_others_still_run() {
        let steps = [
            Step {
                name: "bad",
                about: "fails",
                run: |_| Err(Stop::Failed("as asked".into())),
            },
            Step {
                name: "good",
                about: "passes",
                run: |_| Ok(()),
            },
        ];
        assert_eq!(run_all(&steps, &Tools::default(), false), ExitCode::FAILURE);
        assert_eq!(
            run_all(&steps[1..], &Tools::default(), false),
            ExitCode::SUCCESS
        );
    }
}

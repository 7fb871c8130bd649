use serde::Serialize;

use super::millis;
use crate::check::report::{Report, Step};

#[derive(Serialize)]
struct Document<'a> {
    url: &'a str,
    verdict: &'static str,
    exit_code: u8,
    connected_ms: Option<f64>,
    ping: Option<Pings>,
    notes: &'a [String],
    steps: Vec<StepDocument<'a>>,
}

#[derive(Serialize)]
struct Pings {
    min_ms: f64,
    median_ms: f64,
    count: usize,
}

#[derive(Serialize)]
struct StepDocument<'a> {
    name: &'a str,
    status: &'static str,
    ms: f64,
    detail: &'a str,
    problem: Option<&'a str>,
    fix: Option<&'a str>,
}

pub(super) fn render(report: &Report) -> String {
    let verdict = report.verdict();
    let pings = report.pings.min().zip(report.pings.median());
    let document = Document {
        url: &report.url,
        verdict: verdict.name(),
        exit_code: verdict.exit_code(),
        connected_ms: report.connected().map(millis),
        ping: pings.map(|(min, median)| Pings {
            min_ms: millis(min),
            median_ms: millis(median),
            count: report.pings.len(),
        }),
        notes: &report.notes,
        steps: report.steps.iter().map(step).collect(),
    };
    let text = serde_json::to_string_pretty(&document);
    text.expect("no map has keys other than strings") + "\n"
}

fn step(step: &Step) -> StepDocument<'_> {
    StepDocument {
        name: step.name,
        status: step.status.name(),
        ms: millis(step.time),
        detail: &step.detail,
        problem: step.problem.as_deref(),
        fix: step.fix.as_deref(),
    }
}

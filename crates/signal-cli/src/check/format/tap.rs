use std::fmt::Write;

use super::millis;
use crate::check::report::{Report, Status, Step};

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = document(&mut out, report);
    out
}

fn document(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "TAP version 14")?;
    writeln!(out, "1..{}", report.steps.len())?;
    for (index, step) in report.steps.iter().enumerate() {
        point(out, index + 1, step)?;
    }
    writeln!(out, "# {}: {}", report.verdict().name(), report.url)
}

fn point(out: &mut String, number: usize, step: &Step) -> std::fmt::Result {
    match step.status {
        Status::Failed => writeln!(out, "not ok {number} - {}", step.name)?,
        Status::Passed | Status::Warned => writeln!(out, "ok {number} - {}", step.name)?,
        Status::Skipped => {
            return writeln!(out, "ok {number} - {} # SKIP {}", step.name, step.detail);
        }
    }
    writeln!(out, "  ---")?;
    writeln!(out, "  status: {}", step.status.name())?;
    writeln!(out, "  duration_ms: {}", millis(step.time))?;
    let texts = [
        ("detail", Some(&step.detail)),
        ("problem", step.problem.as_ref()),
        ("mend", step.mend.as_ref()),
    ];
    for (key, text) in texts {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            continue;
        };
        // A JSON string is a YAML string.
        writeln!(out, "  {key}: {}", serde_json::Value::from(text.as_str()))?;
    }
    writeln!(out, "  ...")
}

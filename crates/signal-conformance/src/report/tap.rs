//! The Test Anything Protocol, version 14.

use std::fmt::Write;

use super::{Grade, Report};

pub(super) fn render(report: &Report) -> String {
    let mut out = format!("TAP version 14\n1..{}\n", report.results.len());
    for (index, result) in report.results.iter().enumerate() {
        let (number, id, title) = (index + 1, &result.id, result.title.replace('#', "\\#"));
        match &result.grade {
            Grade::Passed => {
                let _ = writeln!(out, "ok {number} - {id}: {title}");
            }
            Grade::Skipped { reason } => {
                let _ = writeln!(out, "ok {number} - {id}: {title} # SKIP {reason}");
            }
            Grade::NotRun { reason } => {
                let _ = writeln!(
                    out,
                    "not ok {number} - {id}: {title}\n  ---\n  message: {}\n  ...",
                    quote(reason)
                );
            }
            Grade::Failed(failure) => {
                let _ = writeln!(out, "not ok {number} - {id}: {title}\n  ---");
                let requirements = result.requirements.join(", ");
                let fields = [
                    ("message", failure.headline()),
                    ("action", failure.action.clone()),
                    ("requirements", requirements),
                ];
                for (name, value) in fields {
                    let _ = writeln!(out, "  {name}: {}", quote(&value));
                }
                out.push_str("  wire:\n");
                for entry in &failure.log {
                    let _ = writeln!(out, "    - {}", quote(&entry.to_string()));
                }
                out.push_str("  ...\n");
            }
        }
    }
    out
}

/// A YAML string; JSON's are a subset.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

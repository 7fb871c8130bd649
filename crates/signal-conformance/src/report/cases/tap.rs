//! The Test Anything Protocol, version 14.

use std::fmt::{self, Write};

use super::{Case, Cases, Outcome};

pub(super) fn render(cases: &Cases) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = document(&mut out, cases);
    out
}

fn document(out: &mut String, cases: &Cases) -> fmt::Result {
    let all: Vec<_> = cases.groups.iter().flat_map(|group| &group.cases).collect();
    writeln!(out, "TAP version 14\n1..{}", all.len())?;
    for (index, case) in all.into_iter().enumerate() {
        point(out, index + 1, case)?;
    }
    writeln!(out, "# {}: {}", cases.verdict, cases.name)
}

fn point(out: &mut String, number: usize, case: &Case) -> fmt::Result {
    let description = if case.title.is_empty() {
        escape(&case.name)
    } else {
        escape(&format!("{}: {}", case.name, case.title))
    };
    let problem = match &case.outcome {
        Outcome::Skipped(reason) => {
            let reason = escape(reason);
            return writeln!(out, "ok {number} - {description} # SKIP {reason}");
        }
        Outcome::Passed => None,
        Outcome::Warned(problem) => Some(("warning", problem.as_str())),
        Outcome::Failed(problem) => Some(("message", problem.as_str())),
    };
    let ok = match &case.outcome {
        Outcome::Failed(_) => "not ok",
        Outcome::Passed | Outcome::Warned(_) | Outcome::Skipped(_) => "ok",
    };
    writeln!(out, "{ok} {number} - {description}")?;
    let facts: Vec<_> = problem.into_iter().chain(case.known_facts()).collect();
    if facts.is_empty() && case.log.is_empty() {
        return Ok(());
    }
    writeln!(out, "  ---")?;
    for (name, value) in facts {
        writeln!(out, "  {name}: {}", quote(value))?;
    }
    writeln!(out, "  duration_ms: {}", case.time.as_millis())?;
    if !case.log.is_empty() {
        writeln!(out, "  log:")?;
    }
    for line in &case.log {
        writeln!(out, "    - {}", quote(line))?;
    }
    writeln!(out, "  ...")
}

/// What TAP reads in a description: a hash begins a directive, and a line is a line.
fn escape(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('#', "\\#");
    escaped.replace(['\n', '\r'], " ")
}

/// A YAML string; JSON's are a subset.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

//! JUnit XML.

use std::fmt::{self, Write};
use std::time::Duration;

use super::{Case, Cases, Outcome};

pub(super) fn render(cases: &Cases) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = document(&mut out, cases);
    out
}

fn document(out: &mut String, cases: &Cases) -> fmt::Result {
    let all = cases.groups.iter().flat_map(|group| &group.cases);
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    let name = escape(&cases.name);
    writeln!(out, r#"<testsuites name="{name}" {}>"#, counts(all))?;
    for group in &cases.groups {
        let name = escape(&group.name);
        writeln!(
            out,
            r#"  <testsuite name="{name}" {}>"#,
            counts(&group.cases)
        )?;
        for case in &group.cases {
            render_case(out, &name, case)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn counts<'a>(cases: impl IntoIterator<Item = &'a Case>) -> String {
    let (mut tests, mut failures, mut skipped, mut time) = (0, 0, 0, Duration::ZERO);
    for case in cases {
        tests += 1;
        failures += usize::from(matches!(case.outcome, Outcome::Failed(_)));
        skipped += usize::from(matches!(case.outcome, Outcome::Skipped(_)));
        time += case.time;
    }
    format!(
        r#"tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}" time="{}""#,
        seconds(time)
    )
}

fn render_case(out: &mut String, group: &str, case: &Case) -> fmt::Result {
    let (name, time) = (escape(&case.name), seconds(case.time));
    writeln!(
        out,
        r#"    <testcase name="{name}" classname="{group}" time="{time}">"#
    )?;
    let facts = case
        .known_facts()
        .map(|(name, value)| format!("{name}: {value}"));
    let facts: Vec<_> = facts.chain(case.log.iter().cloned()).collect();
    match &case.outcome {
        Outcome::Skipped(reason) => {
            writeln!(out, r#"      <skipped message="{}"/>"#, escape(reason))?;
        }
        Outcome::Failed(problem) => {
            let title = Some(case.title.clone()).filter(|title| !title.is_empty());
            let lines: Vec<_> = title.into_iter().chain(facts).collect();
            writeln!(
                out,
                r#"      <failure message="{}">{}</failure>"#,
                escape(problem),
                escape(&lines.join("\n"))
            )?;
        }
        Outcome::Passed | Outcome::Warned(_) => {
            if !facts.is_empty() {
                let facts = escape(&facts.join("\n"));
                writeln!(out, "      <system-out>{facts}</system-out>")?;
            }
            if let Outcome::Warned(problem) = &case.outcome {
                let problem = escape(problem);
                writeln!(out, "      <system-err>warning: {problem}</system-err>")?;
            }
        }
    }
    writeln!(out, "    </testcase>")
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// Escapes markup; characters that XML 1.0 cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

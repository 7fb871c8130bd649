//! JUnit XML, as CI systems read it.

use std::fmt::Write;

use super::{Grade, Report, ScenarioResult};

pub(super) fn render(report: &Report) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (level, tally) in report.levels() {
        let results: Vec<_> = report
            .results
            .iter()
            .filter(|result| result.level == level)
            .collect();
        let millis: u64 = results.iter().map(|result| result.millis).sum();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{}\">",
            level.name(),
            results.len(),
            tally.failed,
            tally.skipped + tally.not_run,
            seconds(millis),
        );
        for result in results {
            render_case(&mut out, result);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn render_case(out: &mut String, result: &ScenarioResult) {
    let (id, level, time) = (
        escape(&result.id),
        result.level.name(),
        seconds(result.millis),
    );
    let _ = write!(
        out,
        "    <testcase name=\"{id}\" classname=\"{level}\" time=\"{time}\""
    );
    match &result.grade {
        Grade::Passed => out.push_str("/>\n"),
        Grade::Failed(failure) => {
            let log: Vec<_> = failure.log.iter().map(ToString::to_string).collect();
            let _ = writeln!(
                out,
                ">\n      <failure message=\"{}\">{}\n{}</failure>\n    </testcase>",
                escape(&failure.headline()),
                escape(&result.title),
                escape(&log.join("\n")),
            );
        }
        Grade::Skipped { reason } | Grade::NotRun { reason } => {
            let _ = writeln!(
                out,
                ">\n      <skipped message=\"{}\"/>\n    </testcase>",
                escape(reason)
            );
        }
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Escapes markup; characters XML 1.0 cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

use std::fmt::Write;

use crate::check::report::{Report, Status, Step};

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = document(&mut out, report);
    out
}

fn document(out: &mut String, report: &Report) -> std::fmt::Result {
    let counts = format!(
        r#"tests="{}" failures="{}" errors="0" skipped="{}" time="{:.6}""#,
        report.steps.len(),
        report.count(Status::Failed),
        report.count(Status::Skipped),
        report.time().as_secs_f64()
    );
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="signal check" {counts}>"#)?;
    writeln!(
        out,
        r#"  <testsuite name="{}" {counts}>"#,
        escape(&report.url)
    )?;
    for step in &report.steps {
        case(out, step)?;
    }
    writeln!(out, "  </testsuite>")?;
    writeln!(out, "</testsuites>")
}

fn case(out: &mut String, step: &Step) -> std::fmt::Result {
    let time = step.time.as_secs_f64();
    let attributes = format!(
        r#"classname="signal.check" name="{}" time="{time:.6}""#,
        step.name
    );
    let line = escape(&step.line());
    let mend = escape(step.mend.as_deref().unwrap_or_default());
    writeln!(out, "    <testcase {attributes}>")?;
    match step.status {
        Status::Passed => writeln!(out, "      <system-out>{line}</system-out>")?,
        // JUnit knows no warning; a verdict of `degraded` is told by the exit code.
        Status::Warned => writeln!(
            out,
            "      <system-err>warning: {line} → {mend}</system-err>"
        )?,
        Status::Failed => writeln!(out, r#"      <failure message="{line}">{mend}</failure>"#)?,
        Status::Skipped => writeln!(out, r#"      <skipped message="{line}"/>"#)?,
    }
    writeln!(out, "    </testcase>")
}

/// Escapes text for XML, and leaves out the control characters that XML cannot hold.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_holds_any_text() {
        assert_eq!(
            escape("<a b=\"1\">&\x1b[0m"),
            "&lt;a b=&quot;1&quot;&gt;&amp;\u{fffd}[0m"
        );
    }
}

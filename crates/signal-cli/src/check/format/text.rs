use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::check::report::{NOT_TRIED, Report, Status, Step, Verdict};
use crate::show;

const GOOD: Style = AnsiColor::Green.on_default();
const POOR: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// The verdict as the scripts of operators print it, then each step.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = verdict(&mut out, report);
    let _ = steps(&mut out, report);
    out
}

fn verdict(out: &mut String, report: &Report) -> std::fmt::Result {
    let (style, word) = match report.verdict() {
        Verdict::Working => (GOOD.bold(), "✅ WORKING"),
        Verdict::Degraded => (POOR.bold(), "⚠️  DEGRADED"),
        Verdict::Broken => (BAD.bold(), "❌ BROKEN"),
    };
    writeln!(out, "{style}{word}:{style:#} {BOLD}{}{BOLD:#}", report.url)?;
    if let Some(connected) = report.connected() {
        writeln!(out, "   Connected: {}", show::time(connected))?;
    }
    if let Some(median) = report.pings.median() {
        writeln!(out, "   Ping/Pong: {}", show::time(median))?;
    }
    // What broke it comes before what could be better.
    let worst_first = [
        Status::Failed,
        Status::Warned,
        Status::Passed,
        Status::Skipped,
    ];
    let all = worst_first.iter().flat_map(|status| {
        let steps = report.steps.iter();
        steps.filter(move |step| step.status == *status)
    });
    for step in all {
        let Some(problem) = &step.problem else {
            continue;
        };
        writeln!(out, "   {}: {problem}", step.name)?;
        if let Some(fix) = &step.fix {
            writeln!(out, "   {BOLD}→ {fix}{BOLD:#}")?;
        }
    }
    for note in &report.notes {
        writeln!(out, "   {DIM}note: {note}{DIM:#}")?;
    }
    Ok(())
}

fn steps(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out)?;
    let width = report
        .steps
        .iter()
        .map(|step| step.name.len())
        .max()
        .unwrap_or_default();
    let is_in_vain = |step: &Step| step.status == Status::Skipped && step.detail == NOT_TRIED;
    for step in report.steps.iter().filter(|step| !is_in_vain(step)) {
        let (style, mark) = match step.status {
            Status::Passed => (GOOD, "✓"),
            Status::Warned => (POOR, "!"),
            Status::Failed => (BAD, "✗"),
            Status::Skipped => (DIM, "-"),
        };
        let time = match step.status {
            Status::Skipped => String::new(),
            Status::Passed | Status::Warned | Status::Failed => show::time(step.time),
        };
        let dim = if step.status == Status::Skipped {
            DIM
        } else {
            Style::new()
        };
        writeln!(
            out,
            "   {style}{mark}{style:#} {dim}{:<width$}  {time:>8}  {}{dim:#}",
            step.name,
            step.line()
        )?;
    }
    let in_vain = report.steps.iter().filter(|step| is_in_vain(step));
    let in_vain: Vec<_> = in_vain.map(|step| step.name).collect();
    if !in_vain.is_empty() {
        writeln!(out, "   {DIM}- {NOT_TRIED}: {}{DIM:#}", in_vain.join(", "))?;
    }
    Ok(())
}

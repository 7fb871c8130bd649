//! The report for people.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use signal_bench::{
    Bar, ClusterReport, Latency, NodeReport, ProcessReport, Report, Scenario, SlowReport,
};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The widest bar of the histogram, in characters: a line has 80 columns at most.
const BAR: usize = 44;

/// The report, with colours. `verdict` says why the run failed.
pub(crate) fn render(report: &Report, verdict: &[String]) -> String {
    let nodes = report.cluster.as_ref().map(|cluster| cluster.nodes.len());
    let nodes = nodes.map_or(String::new(), |nodes| format!("{nodes} nodes, "));
    let mut out = format!(
        "{nodes}{BOLD}{}{BOLD:#}: {}\n\n",
        report.server, report.plan
    );
    line(&mut out, "throughput", &throughput(report));
    line(&mut out, "latency", &latency(&report.latency));
    if let Some(cluster) = &report.cluster {
        line(&mut out, "crossed", &crossed(cluster));
    }
    out.push('\n');
    histogram(&mut out, &report.latency.histogram);
    out.push('\n');
    line(&mut out, "deliveries", &deliveries(report));
    let generator = &report.generator;
    let own = format!(
        "idle {:.0} % of the time, without a processor {:.0} %, {:.2} µs for each delivery",
        generator.idle * 100.0,
        generator.starved * 100.0,
        generator.cpu_us_per_delivery
    );
    line(&mut out, "generator", &own);
    if generator.lag_p99_ms > 0.0 {
        let late = format!(
            "one in a hundred was sent late by {}",
            millis(generator.lag_p99_ms)
        );
        line(&mut out, "", &late);
    }
    if let Some(slow) = &report.slow {
        line(&mut out, "slow", &slow_readers(slow));
    }
    if let Some(process) = &report.process {
        line(&mut out, "server", &server(process));
        line(&mut out, "memory", &memory(process));
    }
    if let Some(cluster) = &report.cluster {
        for node in &cluster.nodes {
            line(&mut out, "node", &node_of(node));
        }
        if let Some(bus) = &cluster.bus {
            line(&mut out, "bus", &part(bus));
        }
    }
    if report.pings_answered > 0 {
        let pings = format!("{} of the server were answered", report.pings_answered);
        line(&mut out, "pings", &pings);
    }
    if report.rates.messages_per_second > 0 {
        let rates = format!(
            "the busiest sender needs --messages-per-second {} --fan-out-per-second {} \
             --bytes-per-second {} --fan-out-bytes-per-second {}",
            report.rates.messages_per_second,
            report.rates.fan_out_per_second,
            report.rates.bytes_per_second,
            report.rates.fan_out_bytes_per_second
        );
        line(&mut out, "rates", &rates);
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "\n{DOUBTFUL}warning:{DOUBTFUL:#} {warning}");
    }
    for failure in verdict {
        let _ = writeln!(out, "\n{BAD}{failure}{BAD:#}");
    }
    out
}

fn line(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "   {name:<12}{text}");
}

fn throughput(report: &Report) -> String {
    if report.plan.scenario == Scenario::Idle {
        let answered = thousands(report.deliveries as f64);
        return format!(
            "{BOLD}{answered}{BOLD:#} pings of the clients answered in {:.1} s",
            report.seconds
        );
    }
    format!(
        "{BOLD}{}{BOLD:#} deliveries/s ({} deliveries of {} messages in {:.1} s)",
        thousands(report.deliveries_per_second),
        thousands(report.deliveries as f64),
        thousands(report.publishes as f64),
        report.seconds
    )
}

fn latency(latency: &Latency) -> String {
    format!(
        "p50 {BOLD}{}{BOLD:#}   p99 {BOLD}{}{BOLD:#}   p99.9 {}   max {}",
        millis(latency.p50_ms),
        millis(latency.p99_ms),
        millis(latency.p99_9_ms),
        millis(latency.max_ms)
    )
}

/// What went from node to node.
fn crossed(cluster: &ClusterReport) -> String {
    let crossed = &cluster.crossed;
    let share = crossed.share * 100.0;
    let mut text =
        format!("{BOLD}{share:.1} %{BOLD:#} of the deliveries went from one node to another");
    if crossed.deliveries > 0 {
        let _ = write!(text, ": {}", latency(&crossed.latency));
    }
    text
}

/// One node of several.
fn node_of(node: &NodeReport) -> String {
    let process = node.process.as_ref();
    let process = process.map_or(String::new(), |process| format!(", {}", part(process)));
    format!("{}: {} connections{process}", node.server, node.connections)
}

/// What a part of a service takes.
fn part(process: &ProcessReport) -> String {
    format!(
        "{BOLD}{:.2} µs{BOLD:#} for each delivery, {:.2} cores, {} MiB idle, {} MiB loaded",
        process.cpu_us_per_delivery,
        process.cores,
        thousands(process.memory_idle as f64 / 1_048_576.0),
        thousands(process.memory_loaded as f64 / 1_048_576.0)
    )
}

fn histogram(out: &mut String, bars: &[Bar]) {
    let all: u64 = bars.iter().map(|bar| bar.deliveries).sum();
    let most = bars.iter().map(|bar| bar.deliveries).max().unwrap_or(0);
    for bar in bars {
        let range = format!("{} to {}", millis(bar.above_ms), millis(bar.up_to_ms));
        let share = bar.deliveries as f64 / all as f64 * 100.0;
        let _ = writeln!(
            out,
            "   {range:>20} {} {DIM}{share:.2} %{DIM:#}",
            blocks(bar.deliveries, most)
        );
    }
}

/// A bar in eighths of a character, so that what is there is seen.
fn blocks(count: u64, most: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let exact = count as f64 / most.max(1) as f64 * (BAR * 8) as f64;
    let eighths = (exact.round() as usize).max(usize::from(count > 0));
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn deliveries(report: &Report) -> String {
    let faults = report.faults;
    if faults.is_none() {
        return format!("{GOOD}all{GOOD:#} arrived, once and in order");
    }
    format!(
        "{BAD}{} lost, {} duplicated, {} out of order, {} foreign{BAD:#}",
        thousands(faults.lost as f64),
        thousands(faults.duplicated as f64),
        thousands(faults.reordered as f64),
        thousands(faults.foreign as f64)
    )
}

fn slow_readers(slow: &SlowReport) -> String {
    let after = slow.first_ended_after_seconds;
    let after = after.map_or(String::new(), |seconds| {
        format!(", the first after {seconds:.1} s")
    });
    format!(
        "the server ended {} of {} that never read{after}",
        slow.ended, slow.readers
    )
}

fn server(process: &ProcessReport) -> String {
    format!(
        "{BOLD}{:.2} µs{BOLD:#} for each delivery ({} deliveries in a second of processor time), {:.2} cores, {} waits, {} \
         preemptions",
        process.cpu_us_per_delivery,
        thousands(process.deliveries_per_cpu_second),
        process.cores,
        thousands(process.waits as f64),
        thousands(process.preemptions as f64)
    )
}

fn memory(process: &ProcessReport) -> String {
    let each = process.memory_per_connection.map(thousands);
    let each = each.map_or(String::new(), |bytes| {
        format!("{BOLD}{bytes}{BOLD:#} bytes for each idle connection; ")
    });
    format!(
        "{each}{} MiB idle, {} MiB loaded",
        thousands(process.memory_idle as f64 / 1_048_576.0),
        thousands(process.memory_loaded as f64 / 1_048_576.0)
    )
}

/// A time in milliseconds, with the digits that matter.
fn millis(millis: f64) -> String {
    match millis {
        _ if millis >= 10_000.0 => format!("{:.1} s", millis / 1_000.0),
        _ if millis >= 100.0 => format!("{millis:.0} ms"),
        _ if millis >= 10.0 => format!("{millis:.1} ms"),
        _ if millis >= 1.0 => format!("{millis:.2} ms"),
        _ => format!("{:.0} µs", millis * 1_000.0),
    }
}

/// A whole number with commas.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(thousands(0.4), "0");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
        assert_eq!(millis(0.256), "256 µs");
        assert_eq!(millis(1.5), "1.50 ms");
        assert_eq!(millis(12_000.0), "12.0 s");
    }

    #[test]
    fn the_smallest_bar_is_seen() {
        assert_eq!(blocks(1, 1_000_000), "▏");
        assert_eq!(blocks(0, 10), "");
        assert_eq!(blocks(10, 10), "█".repeat(BAR));
        assert_eq!(blocks(5, 10), "█".repeat(BAR / 2));
    }
}

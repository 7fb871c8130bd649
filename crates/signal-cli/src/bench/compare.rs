//! Several servers under the same load.

use std::fmt::Write;
use std::str::FromStr;

use anstyle::Style;
use signal_bench::{Compared, Comparison, Figure};

use crate::bench::text::thousands;
use crate::check::Target;

const BOLD: Style = Style::new().bold();

/// A server to compare, as written: `NAME=URL` or `NAME=URL,PID`.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) pid: Option<u32>,
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text
            .split_once('=')
            .ok_or("write it as NAME=URL, or NAME=URL,PID")?;
        let (url, pid) = match rest.rsplit_once(',') {
            Some((url, pid)) => {
                let number = pid.parse();
                let number =
                    number.map_err(|_| format!("{pid:?} is not the number of a process"))?;
                (url, Some(number))
            }
            None => (rest, None),
        };
        Ok(Self {
            name: name.to_owned(),
            target: url.parse()?,
            pid,
        })
    }
}

/// The table of a comparison.
pub(crate) fn render(comparison: &Comparison) -> String {
    let rounds = comparison.servers.first();
    let rounds = rounds.map_or(0, |server| server.reports.len());
    let mut out = format!(
        "{}, {rounds} rounds in turn; medians, and the least and the most of all rounds\n",
        comparison.plan
    );
    figure(&mut out, comparison, "deliveries/s", 0, |server| {
        Some(server.deliveries_per_second)
    });
    figure(
        &mut out,
        comparison,
        "deliveries for each second of the server's processor time",
        0,
        |server| server.deliveries_per_cpu_second,
    );
    figure(&mut out, comparison, "latency p50, ms", 3, |server| {
        Some(server.p50_ms)
    });
    figure(&mut out, comparison, "latency p99, ms", 3, |server| {
        Some(server.p99_ms)
    });
    figure(
        &mut out,
        comparison,
        "memory for each idle connection, bytes",
        0,
        |server| server.memory_per_connection,
    );
    for server in &comparison.servers {
        for (round, report) in server.reports.iter().enumerate() {
            let place = format!("{}, round {}", server.name, round + 1);
            for warning in &report.warnings {
                let _ = writeln!(out, "\nwarning: {place}: {warning}");
            }
        }
    }
    out
}

fn figure(
    out: &mut String,
    comparison: &Comparison,
    name: &str,
    digits: usize,
    of: fn(&Compared) -> Option<Figure>,
) {
    let figures = comparison.servers.iter();
    let figures: Vec<(&str, Figure)> = figures
        .filter_map(|server| Some((server.name.as_str(), of(server)?)))
        .collect();
    let Some((first, _)) = figures.first() else {
        return;
    };
    let _ = writeln!(out, "\n{name}");
    let widest = figures.iter().map(|(name, _)| name.len()).max();
    let width = widest.unwrap_or(0);
    for (name, figure) in &figures {
        let show = |number: f64| match digits {
            0 => thousands(number),
            _ => format!("{number:.digits$}"),
        };
        let spread = figure.spread;
        let _ = write!(
            out,
            "   {name:<width$} {BOLD}{:>12}{BOLD:#}  ({} to {})",
            show(spread.median),
            show(spread.min),
            show(spread.max)
        );
        if let Some(ratio) = figure.first_is_better_by {
            let _ = write!(
                out,
                "  {first} is {BOLD}{:.2} ×{BOLD:#} as good ({:.2} to {:.2})",
                ratio.median, ratio.min, ratio.max
            );
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_a_name_an_address_and_perhaps_a_process() {
        let entry: Entry = "ours=ws://127.0.0.1:1/?a=b,12".parse().unwrap();
        assert_eq!((entry.name.as_str(), entry.pid), ("ours", Some(12)));
        assert_eq!(entry.target.to_string(), "ws://127.0.0.1:1/?a=b");
        let entry: Entry = "theirs=localhost:2".parse().unwrap();
        assert_eq!(entry.pid, None);
        for text in ["ws://a", "a=ws://b:1,x", "a=ftp://b"] {
            assert!(text.parse::<Entry>().is_err(), "{text}");
        }
    }
}

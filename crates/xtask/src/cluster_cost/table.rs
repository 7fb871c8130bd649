//! The tables, in Markdown.

use std::fmt::Write as _;
use std::path::Path;

use super::loads::Load;
use super::service::Measurement;
use super::{NODES, Results};
use crate::command::{command, output};

pub(crate) fn heading(nats: &Path, rounds: u32) -> String {
    let date = output(&mut command("date", ["-u", "+%F %H:%M UTC"])).unwrap_or_default();
    let commit = output(&mut command("git", ["rev-parse", "--short", "HEAD"])).unwrap_or_default();
    let nats = output(&mut command(nats, ["--version"])).unwrap_or_default();
    format!("{date}, signal {commit}, {nats}; medians of {rounds} interleaved rounds.\n")
}

pub(crate) fn load_average() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("\nLoad average at the end: {load} (2 is this alone).\n")
}

/// A node without others beside a relay that is none.
pub(crate) fn alone(loads: &[Load], results: &Results) -> String {
    let mut text = String::from(
        "\n| load | no cluster | a node alone | ratio | of the rounds |\n|---|---|---|---|---|\n",
    );
    for (load, results) in loads.iter().zip(results) {
        let [off, on] = [0, 1].map(|service| column(&results[service], |one| one.cpu));
        let ratios: Vec<f64> = off.iter().zip(&on).map(|(off, on)| on / off).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | **{:.3}** | {:.2} to {:.2} |",
            load.name,
            micros(median(&off)),
            micros(median(&on)),
            median(&ratios),
            ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratios.iter().copied().fold(0.0, f64::max),
        );
    }
    text
}

/// Two nodes beside one relay.
pub(crate) fn across(loads: &[Load], results: &Results) -> String {
    let mut text = String::from(
        "\n| load | crossed | one relay | two nodes | ratio | NATS | p50, one relay | p50 of what crossed |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (load, results) in loads.iter().zip(results) {
        let [one, two] = [&results[0], &results[1]];
        let [off, on] = [one, two].map(|service| column(service, |one| one.cpu));
        let ratios: Vec<f64> = off.iter().zip(&on).map(|(off, on)| on / off).collect();
        let of = |column: fn(&Measurement) -> f64| median(&self::column(two, column));
        let _ = writeln!(
            text,
            "| {} | {:.0} % | {} | {} | **{:.2}** | {} | {} | {} |",
            load.name,
            of(|one| one.crossed) * 100.0,
            micros(median(&off)),
            micros(median(&on)),
            median(&ratios),
            micros(of(|one| one.bus_cpu)),
            millis(median(&column(one, |one| one.p50))),
            millis(of(|one| one.crossed_p50)),
        );
    }
    text
}

/// More and more nodes.
pub(crate) fn growth(loads: &[Load], results: &Results) -> String {
    let mut text = String::from(
        "\n| load | nodes | crossed | relays | NATS | p50 | p50 of what crossed | p99 of what crossed |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (load, results) in loads.iter().zip(results) {
        for (nodes, results) in std::iter::once(1).chain(NODES).zip(results) {
            let of = |column: fn(&Measurement) -> f64| median(&self::column(results, column));
            let _ = writeln!(
                text,
                "| {} | {nodes} | {} | {} | {} | {} | {} | {} |",
                load.name,
                shown(of(|one| one.crossed) * 100.0, 0, "%"),
                micros(of(|one| one.cpu)),
                micros(of(|one| one.bus_cpu)),
                millis(of(|one| one.p50)),
                millis(of(|one| one.crossed_p50)),
                millis(of(|one| one.crossed_p99)),
            );
        }
    }
    text
}

/// Topics on three nodes beside those of one relay.
pub(crate) fn memory(loads: &[Load], results: &[[Measurement; 2]]) -> String {
    let mut text = String::from(
        "\n| topics | a connection, one relay | a connection, three nodes | a topic takes more, all nodes together |\n\
         |---|---|---|---|\n",
    );
    for (load, [one, three]) in loads.iter().zip(results) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | **{}** |",
            load.name,
            shown(one.memory, 0, "B"),
            shown(three.memory, 0, "B"),
            shown((three.memory - one.memory) * load.members, 0, "B"),
        );
    }
    text
}

fn column(rounds: &[Measurement], of: impl Fn(&Measurement) -> f64) -> Vec<f64> {
    rounds.iter().map(of).collect()
}

fn micros(value: f64) -> String {
    shown(value, if value < 10.0 { 2 } else { 1 }, "µs")
}

fn millis(value: f64) -> String {
    shown(value, 2, "ms")
}

fn shown(value: f64, digits: usize, unit: &str) -> String {
    if value.is_nan() {
        "–".to_owned()
    } else {
        format!("{value:.digits$} {unit}")
    }
}

/// The median; not a number without numbers.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => f64::NAN,
        1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_not_measured_is_a_dash() {
        assert_eq!(shown(f64::NAN, 0, "%"), "–");
        assert_eq!(micros(median(&[3.0, 1.0])), "2.00 µs");
        assert_eq!(micros(median(&[])), "–");
    }
}

//! The table of ratios, in Markdown.

use std::fmt::Write as _;
use std::fs;

use super::results::Results;
use super::scenarios::{Goal, Scenario};
use super::server::{Kind, Servers};
use crate::command::{command, output};

/// Writes the table, and how it was measured.
pub(crate) fn render(results: &Results, scenarios: &[&Scenario], servers: &Servers) -> String {
    let mut text = heading(servers, results.rounds());
    text.push_str(
        "\n| scenario | what | signal | y-webrtc's server | Bun | tokio-tungstenite | noise |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|\n");
    for scenario in scenarios {
        for goal in scenario.goals {
            text.push_str(&row(results, scenario, goal));
        }
    }
    text
}

fn heading(servers: &Servers, rounds: u32) -> String {
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let date = output(&mut command("date", ["-u", "+%F %H:%M UTC"])).unwrap_or_default();
    let kernel = output(&mut command("uname", ["-sr"])).unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = first_line(load);
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{date}, {cores} cores of {model}, {kernel}; {}. Server on one core, load from another; medians of {rounds} interleaved \
         rounds; load average at the end {load} (2 is this alone).\n",
        servers.versions()
    )
}

/// One goal: our number, and for each other server its number, how many times ours that is, and
/// whether it is enough.
fn row(results: &Results, scenario: &Scenario, goal: &Goal) -> String {
    let [ours, others @ ..] = Kind::ALL.map(|kind| values(results, scenario, goal, kind));
    let mut row = format!(
        "| {} | {} | {} |",
        scenario.name,
        goal.what,
        number(median(ours.iter().flatten().copied()), goal.unit)
    );
    let mut noise = spread(ours.iter().flatten().copied());
    for (theirs, at_least) in others.iter().zip(goal.at_least) {
        // Of the same round, so that what disturbs both disturbs the ratio less.
        let ratios = ours
            .iter()
            .zip(theirs)
            .filter_map(|(ours, theirs)| Some((*theirs)? / (*ours)?));
        let value = median(theirs.iter().flatten().copied());
        let _ = write!(
            row,
            " {}, {} |",
            number(value, goal.unit),
            verdict(median(ratios), at_least)
        );
        noise = noise.max(spread(theirs.iter().flatten().copied()));
    }
    let _ = writeln!(row, " ±{:.0} % |", noise * 50.0);
    row
}

/// One value for each round, if it was measured.
fn values(results: &Results, scenario: &Scenario, goal: &Goal, kind: Kind) -> Vec<Option<f64>> {
    (1..=results.rounds())
        .map(|round| results.of(scenario.name, kind, round))
        .map(|found| {
            found
                .map(|measurement| (goal.value)(&measurement))
                .filter(|value| value.is_finite() && *value > 0.0)
        })
        .collect()
}

fn number(value: Option<f64>, unit: &str) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0} {unit}"),
        Some(value) if value >= 10.0 => format!("{value:.1} {unit}"),
        Some(value) => format!("{value:.2} {unit}"),
    }
}

fn verdict(ratio: Option<f64>, at_least: Option<f64>) -> String {
    match (ratio, at_least) {
        (None, _) => "–".to_owned(),
        (Some(ratio), None) => format!("{ratio:.1} ×"),
        (Some(ratio), Some(at_least)) if ratio >= at_least => {
            format!("**{ratio:.2} ×** (≥ {at_least} ✓)")
        }
        (Some(ratio), Some(at_least)) => format!("**{ratio:.2} ×** (< {at_least} ✗)"),
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted[middle - 1] + upper) / 2.0)
}

/// How far the largest lies from the smallest, as a share of the median.
fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let (largest, smallest) = values
        .iter()
        .fold((f64::MIN, f64::MAX), |(largest, smallest), value| {
            (value.max(largest), value.min(smallest))
        });
    median(values.into_iter()).map_or(0.0, |median| (largest - smallest) / median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0].into_iter()), Some(2.5));
        assert_eq!(median([].into_iter()), None);
    }

    #[test]
    fn noise_is_the_distance_of_the_extremes() {
        assert_eq!(spread([90.0, 100.0, 120.0].into_iter()), 0.3);
        assert_eq!(spread([5.0].into_iter()), 0.0);
    }

    #[test]
    fn a_goal_is_met_or_not() {
        assert_eq!(verdict(Some(2.0), Some(2.0)), "**2.00 ×** (≥ 2 ✓)");
        assert_eq!(verdict(Some(1.99), Some(2.0)), "**1.99 ×** (< 2 ✗)");
        assert_eq!(verdict(Some(3.0), None), "3.0 ×");
        assert_eq!(verdict(None, Some(2.0)), "–");
    }
}

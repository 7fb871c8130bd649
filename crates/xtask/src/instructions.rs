//! The gate on instruction counts: `benches/instructions` counted by callgrind and compared with a
//! committed baseline.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use crate::command::{cargo, command, output};
use crate::install::{program, programs};
use crate::packages;
use crate::stop::Stop;
use crate::tools::Tools;
use crate::workspace;

/// What a benchmark may take more than its baseline, in percent.
const TOLERANCE: u64 = 5;
/// The same with another compiler or C library than the baseline's, which moves every count by some
/// percent.
const TOLERANCE_ELSEWHERE: u64 = 20;

const USAGE: &str = "cargo xtask instructions [--accept]   (--accept writes the baseline)";

/// `cargo xtask instructions`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Stop> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => check(&Tools::default()),
        ["--accept"] => accept(),
        _ => Err(Stop::Failed(format!("usage: {USAGE}"))),
    }
}

/// Fails if a benchmark takes more instructions than its baseline allows.
pub(crate) fn check(_: &Tools) -> Result<(), Stop> {
    let baseline = Counts::parse(&workspace::read(&baseline_file())?);
    let counts = count()?;
    let tolerance = if counts.environment == baseline.environment {
        TOLERANCE
    } else {
        println!(
            "the baseline is of {}, this is {}: {TOLERANCE_ELSEWHERE} % more is allowed instead of {TOLERANCE} %",
            baseline.environment, counts.environment
        );
        TOLERANCE_ELSEWHERE
    };
    let comparison = Comparison::of(&baseline, &counts, tolerance);
    print!("\n{}", comparison.table);
    if comparison.mistakes.is_empty() {
        return Ok(());
    }
    Err(Stop::Failed(format!(
        "{}; if that is intended, accept it with `cargo xtask instructions --accept`",
        comparison.mistakes.join("; ")
    )))
}

fn accept() -> Result<(), Stop> {
    let file = baseline_file();
    fs::write(&file, count()?.to_text())
        .map_err(|error| Stop::Failed(format!("cannot write {}: {error}", file.display())))?;
    println!("written: {}", file.display());
    Ok(())
}

fn baseline_file() -> PathBuf {
    workspace::root().join("benches/instructions/baseline.txt")
}

/// Runs all benchmarks.
fn count() -> Result<Counts, Stop> {
    let runner = install()?;
    let mut bench = cargo(["bench", "--package", "benches", "--bench", "instructions"]);
    bench.args(["--features", "instructions"]);
    // Read by the benchmark when it is built, and when it runs.
    bench.env("GUNGRAUN_RUNNER", runner);
    bench.env("GUNGRAUN_COLOR", "never");
    let result = bench
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Stop::Failed(format!("cargo bench did not start: {error}")))?;
    let text = String::from_utf8_lossy(&result.stdout);
    if !result.status.success() {
        print!("{text}");
        return Err(Stop::Failed("the benchmarks did not run".to_owned()));
    }
    Ok(Counts {
        environment: environment(),
        benchmarks: parse_report(&text),
    })
}

/// Installs valgrind and what starts it and reads what it writes; returns the second.
pub(crate) fn install() -> Result<PathBuf, Stop> {
    if !cfg!(target_os = "linux") {
        return Err(Stop::Missing {
            what: "Linux, on which callgrind counts".to_owned(),
            fix: "run it there".to_owned(),
        });
    }
    program(&["valgrind"], packages::VALGRIND)?;
    Ok(programs("gungraun", packages::GUNGRAUN_RUNNER)?.join("gungraun-runner"))
}

/// What the counts depend on besides our code: the compiler, and the C library, whose `malloc` and
/// `memcpy` are counted too.
fn environment() -> String {
    let rustc = output(&mut command("rustc", ["--version"])).unwrap_or_default();
    let libc = output(&mut command("getconf", ["GNU_LIBC_VERSION"])).unwrap_or_default();
    format!("{rustc}, {libc}, {}", std::env::consts::ARCH)
}

/// Takes the names and counts out of what gungraun prints: a line with the name of a benchmark and
/// its arguments, then one `  Instructions:   COUNT|…`.
fn parse_report(text: &str) -> Vec<(String, u64)> {
    let mut benchmarks = Vec::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("instructions::counted::") {
            name = rest.split(":(").next().unwrap_or(rest).to_owned();
        } else if let Some(rest) = line.trim_start().strip_prefix("Instructions:") {
            let digits = rest.trim().split('|').next().unwrap_or_default();
            if let Ok(count) = digits.parse() {
                benchmarks.push((std::mem::take(&mut name), count));
            }
        }
    }
    benchmarks
}

/// Instructions by benchmark, in the order in which they run.
#[derive(Debug, Eq, PartialEq)]
struct Counts {
    environment: String,
    benchmarks: Vec<(String, u64)>,
}

impl Counts {
    fn parse(text: &str) -> Self {
        let mut counts = Self {
            environment: String::new(),
            benchmarks: Vec::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(environment) = line.strip_prefix("environment: ") {
                counts.environment = environment.to_owned();
            } else if let Some((name, count)) = line.rsplit_once(' ') {
                let count = count.parse().unwrap_or_default();
                counts.benchmarks.push((name.trim_end().to_owned(), count));
            }
        }
        counts
    }

    fn to_text(&self) -> String {
        let mut text = "# Instructions of each benchmark in benches/instructions/counted.rs, counted by callgrind.\n\
             # Written by `cargo xtask instructions --accept`, compared by `cargo xtask test instructions`.\n"
            .to_owned();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "environment: {}", self.environment);
        for (name, count) in &self.benchmarks {
            let _ = writeln!(text, "{name:<40} {count:>12}");
        }
        text
    }

    fn of(&self, name: &str) -> Option<u64> {
        let found = self.benchmarks.iter().find(|(known, _)| known == name);
        found.map(|(_, count)| *count)
    }
}

/// The counts beside their baseline.
struct Comparison {
    table: String,
    mistakes: Vec<String>,
}

impl Comparison {
    fn of(baseline: &Counts, counts: &Counts, tolerance: u64) -> Self {
        let mut table = format!(
            "{:<40} {:>12} {:>12} {:>8}\n",
            "benchmark", "baseline", "now", "change"
        );
        let mut mistakes = Vec::new();
        for (name, now) in &counts.benchmarks {
            let Some(before) = baseline.of(name) else {
                mistakes.push(format!("`{name}` has no baseline"));
                continue;
            };
            let change = (*now as f64 / before as f64 - 1.0) * 100.0;
            let _ = writeln!(table, "{name:<40} {before:>12} {now:>12} {change:>+7.1}%");
            if now * 100 > before * (100 + tolerance) {
                mistakes.push(format!("`{name}` takes {change:.1} % more instructions"));
            }
        }
        for (name, _) in &baseline.benchmarks {
            if counts.of(name).is_none() {
                mistakes.push(format!("`{name}` was not counted"));
            }
        }
        if counts.benchmarks.is_empty() {
            mistakes.push("nothing was counted".to_owned());
        }
        Self { table, mistakes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
instructions::counted::core::decode ping:(a_peer(r#\"{\"type\":\"ping\"}\"#))
  Instructions:                                      75482|N/A                  (*********)
instructions::counted::relay::exchange window_1:(pipes(10, 1, 168))
  Instructions:                                    1279224|1279000              (+0.01751%)

Gungraun result: Ok. 2 without regressions; 0 regressed; 0 filtered; 2 benchmarks finished in 2.9857s
";

    fn counts(benchmarks: &[(&str, u64)]) -> Counts {
        Counts {
            environment: "rustc 1.0".to_owned(),
            benchmarks: benchmarks
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
        }
    }

    fn mistakes(before: &[(&str, u64)], now: &[(&str, u64)]) -> Vec<String> {
        Comparison::of(&counts(before), &counts(now), TOLERANCE).mistakes
    }

    #[test]
    fn a_report_is_read_and_its_baseline_reads_back() {
        let expected = counts(&[
            ("core::decode ping", 75_482),
            ("relay::exchange window_1", 1_279_224),
        ]);
        assert_eq!(parse_report(REPORT), expected.benchmarks);
        assert_eq!(Counts::parse(&expected.to_text()), expected);
    }

    #[test]
    fn five_percent_more_pass_and_one_instruction_further_does_not() {
        assert_eq!(mistakes(&[("a", 1_000)], &[("a", 1_050)]), [""; 0]);
        assert_eq!(mistakes(&[("a", 1_000)], &[("a", 500)]), [""; 0]);
        assert_eq!(
            mistakes(&[("a", 1_000)], &[("a", 1_051)]),
            ["`a` takes 5.1 % more instructions"]
        );
    }

    #[test]
    fn a_benchmark_without_its_other_half_is_a_mistake() {
        assert_eq!(
            mistakes(&[("old", 1), ("same", 1)], &[("new", 1), ("same", 1)]),
            ["`new` has no baseline", "`old` was not counted"]
        );
        assert_eq!(mistakes(&[], &[]), ["nothing was counted"]);
    }
}

//! `cargo xtask compare`: this relay beside other servers, under the same load, in turn.
//!
//! Each measurement starts a fresh server on one core and puts it under load from another, with
//! `signal bench`. Servers take turns within a scenario, and scenarios within a round, so what else
//! the machine does falls on all of them alike. Every result is written down at once: an
//! interrupted run goes on with `--resume`.

mod results;
mod scenarios;
mod server;
mod table;

use std::process::Stdio;
use std::time::Instant;

use crate::command::command;
use crate::install::on_path;
use crate::stop::Stop;
use crate::tools::Tools;
use results::{Measurement, Results};
use scenarios::{SCENARIOS, Scenario};
use server::{Kind, Servers};

pub(crate) use server::RATES;

const USAGE: &str = "\
usage: cargo xtask compare [--quick] [--rounds N] [--only TEXT] [--resume] [--no-build]

  --quick     One round of one second each, and fewer idle connections: about two minutes, and no numbers to publish
  --rounds N  How often each server has its turn in each scenario [default: 3]
  --only TEXT Only the scenarios with this in their name
  --resume    Go on where the last run was interrupted
  --no-build  Measure the relay that target/release has, as it is";

/// The core that the server runs on, and the one that the load comes from.
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

struct Options {
    is_quick: bool,
    rounds: u32,
    only: String,
    resumes: bool,
    builds: bool,
}

pub(crate) fn main(arguments: &[String]) -> Result<(), Stop> {
    let options = parse(arguments).ok_or_else(|| Stop::Failed(USAGE.to_owned()))?;
    if !cfg!(target_os = "linux") || on_path(&["taskset"]).is_none() {
        return Err(Stop::Missing {
            what: "Linux with taskset".to_owned(),
            fix: "run it there".to_owned(),
        });
    }
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Err(Stop::Failed(
            "one core for the server and one for the load are needed".to_owned(),
        ));
    }
    let servers = Servers::install(&Tools::default(), options.builds)?;
    let mut results = Results::open(options.resumes)?;
    let start = Instant::now();
    for round in 1..=options.rounds {
        for scenario in chosen(&options) {
            if round > 1 && scenario.is_steady {
                continue;
            }
            for kind in Kind::ALL {
                if results.has(scenario.name, kind, round) {
                    continue;
                }
                let outcome = measure(&servers, kind, scenario, options.is_quick);
                let text = match &outcome {
                    Ok(measurement) => measurement.to_string(),
                    Err(stop) => format!("not measured: {stop}"),
                };
                println!("{round} {:<26} {:<12} {text}", scenario.name, kind.name());
                if let Ok(measurement) = outcome {
                    results.add(scenario.name, kind, round, measurement)?;
                }
            }
        }
    }
    println!("\nmeasured in {} s", start.elapsed().as_secs());
    let table = table::render(&results, &chosen(&options).collect::<Vec<_>>(), &servers);
    print!("\n{table}");
    results.write_table(&table)
}

fn chosen(options: &Options) -> impl Iterator<Item = &'static Scenario> {
    SCENARIOS
        .iter()
        .filter(|scenario| scenario.name.contains(&options.only))
}

fn parse(arguments: &[String]) -> Option<Options> {
    let mut options = Options {
        is_quick: false,
        rounds: 3,
        only: String::new(),
        resumes: false,
        builds: true,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => (options.is_quick, options.rounds) = (true, 1),
            "--rounds" => options.rounds = arguments.next()?.parse().ok().filter(|n| *n > 0)?,
            "--only" => options.only = arguments.next()?.clone(),
            "--resume" => options.resumes = true,
            "--no-build" => options.builds = false,
            _ => return None,
        }
    }
    Some(options)
}

/// Starts a server, puts it under one load, and ends it.
fn measure(
    servers: &Servers,
    kind: Kind,
    scenario: &Scenario,
    is_quick: bool,
) -> Result<Measurement, Stop> {
    let server = servers.start(kind, SERVER_CORE)?;
    let (warmup, duration) = if is_quick {
        ("300ms", "1s")
    } else {
        ("700ms", "2500ms")
    };
    let url = format!("ws://127.0.0.1:{}", server.port());
    let mut bench = command("taskset", ["--cpu-list", LOAD_CORE]);
    bench
        .arg(servers.signal())
        .args(["bench", &url, "--csv", "--quiet"]);
    bench.args(["--warmup", warmup, "--duration", duration]);
    bench.args(["--pid", &server.pid().to_string()]);
    let quick = scenario.quick.filter(|_| is_quick);
    bench.args(quick.unwrap_or(scenario.load));
    let output = bench
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| Stop::Failed(format!("signal bench did not start: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    Measurement::parse(&text).ok_or_else(|| {
        let line = complaint.lines().next().unwrap_or("no report");
        Stop::Failed(format!("signal bench: {line}"))
    })
}

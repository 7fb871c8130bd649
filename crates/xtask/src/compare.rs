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

use std::time::Instant;

use crate::measuring::{Options, bench, measure};
use crate::stop::Stop;
use crate::tools::Tools;
use results::{Measurement, Results};
use scenarios::{SCENARIOS, Scenario};
use server::{Kind, Servers};

const USAGE: &str = "\
usage: cargo xtask compare [--quick] [--rounds N] [--only TEXT] [--resume] [--no-build]

  --quick     One round of one second each, and fewer idle connections: about two minutes, and no numbers to publish
  --rounds N  How often each server has its turn in each scenario [default: 3]
  --only TEXT Only the scenarios with this in their name
  --resume    Go on where the last run was interrupted
  --no-build  Measure the relay that target/release has, as it is";

pub(crate) fn main(arguments: &[String]) -> Result<(), Stop> {
    let options = Options::read(arguments, 3, USAGE)?;
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
                let outcome = measure_one(&servers, kind, scenario, &options);
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

/// Starts a server, puts it under one load, and ends it.
fn measure_one(
    servers: &Servers,
    kind: Kind,
    scenario: &Scenario,
    options: &Options,
) -> Result<Measurement, Stop> {
    let server = servers.start(kind)?;
    let warmup = if options.is_quick { "300ms" } else { "700ms" };
    let mut bench = bench(servers.signal());
    bench.args([&server.url(), "--pid", &server.pid().to_string()]);
    bench.args(["--warmup", warmup, "--duration", options.duration()]);
    let quick = scenario.quick.filter(|_| options.is_quick);
    bench.args(quick.unwrap_or(scenario.load));
    measure(&mut bench, |report, _| Measurement::of(report))
}

//! `cargo xtask cluster-cost`: what a cluster takes beside one relay, in processor time, memory and
//! delay.
//!
//! Services stand side by side and are put under load in turn, round after round, so that what else
//! the machine does falls on all of them alike. Relays and NATS server have one core, the load has
//! another.

mod loads;
mod service;
mod table;

use std::path::{Path, PathBuf};

use crate::clients;
use crate::measuring::Options;
use crate::stop::Stop;
use crate::tools::Tools;
use crate::workspace;
use loads::{ACROSS, ALONE, GROWTH, Load, MEMORY};
use service::{Measurement, Service};

const USAGE: &str = "\
usage: cargo xtask cluster-cost [--quick] [--rounds N] [--only alone|across|growth|memory] [--no-build]

  --quick     One round of a second each: no numbers to publish
  --rounds N  How often each service has its turn in each load [default: 5]
  --only PART One part of it
  --no-build  Measure the relay that target/release has, as it is";

/// How many nodes a service has in the part about growth.
const NODES: [usize; 4] = [2, 3, 5, 9];
/// How many there are where memory is measured.
const MEMORY_NODES: usize = 3;

/// Where the programs are.
struct Programs {
    signal: PathBuf,
    nats: PathBuf,
}

pub(crate) fn main(arguments: &[String]) -> Result<(), Stop> {
    let options = Options::read(arguments, 5, USAGE)?;
    let tools = Tools::default();
    if options.builds {
        clients::build_signal(&tools)?;
    }
    let programs = Programs {
        signal: clients::built_signal()?,
        nats: tools.nats_server()?,
    };
    let mut text = table::heading(&programs.nats, options.rounds);
    type Part = fn(&Programs, &Options) -> Result<String, Stop>;
    let parts: [(&str, Part); 4] = [
        ("alone", alone),
        ("across", across),
        ("growth", growth),
        ("memory", memory),
    ];
    for (name, part) in parts {
        if name.contains(&options.only) {
            text.push_str(&part(&programs, &options)?);
        }
    }
    text.push_str(&table::load_average());
    print!("\n{text}");
    let file = workspace::tools().join("cluster-cost.md");
    std::fs::write(&file, &text)
        .map_err(|error| Stop::Failed(format!("cannot write {}: {error}", file.display())))?;
    println!("\nwritten: {}", file.display());
    Ok(())
}

/// A node without others, beside a relay that is none.
fn alone(programs: &Programs, options: &Options) -> Result<String, Stop> {
    let services = [
        Service::single(&programs.signal)?,
        Service::cluster(&programs.signal, &programs.nats, 1)?,
    ];
    let results = in_turn(&programs.signal, &services, ALONE, options)?;
    Ok(table::alone(ALONE, &results))
}

/// Two nodes beside one relay.
fn across(programs: &Programs, options: &Options) -> Result<String, Stop> {
    let services = [
        Service::single(&programs.signal)?,
        Service::cluster(&programs.signal, &programs.nats, 2)?,
    ];
    let results = in_turn(&programs.signal, &services, ACROSS, options)?;
    Ok(table::across(ACROSS, &results))
}

/// More and more nodes.
fn growth(programs: &Programs, options: &Options) -> Result<String, Stop> {
    let mut services = vec![Service::single(&programs.signal)?];
    for nodes in NODES {
        services.push(Service::cluster(&programs.signal, &programs.nats, nodes)?);
    }
    let results = in_turn(&programs.signal, &services, GROWTH, options)?;
    Ok(table::growth(GROWTH, &results))
}

/// Topics on three nodes beside those of one relay, each time on relays that were just started.
fn memory(programs: &Programs, options: &Options) -> Result<String, Stop> {
    let mut results = Vec::new();
    for load in MEMORY {
        let single = Service::single(&programs.signal)?;
        let alone = single.measure(&programs.signal, load, options.duration())?;
        drop(single);
        let cluster = Service::cluster(&programs.signal, &programs.nats, MEMORY_NODES)?;
        let nodes = cluster.measure(&programs.signal, load, options.duration())?;
        results.push([alone, nodes]);
    }
    Ok(table::memory(MEMORY, &results))
}

/// Results by load, service and round.
type Results = Vec<Vec<Vec<Measurement>>>;

fn in_turn(
    signal: &Path,
    services: &[Service],
    loads: &[Load],
    options: &Options,
) -> Result<Results, Stop> {
    let mut results = vec![vec![Vec::new(); services.len()]; loads.len()];
    for round in 1..=options.rounds {
        for (load, results) in loads.iter().zip(&mut results) {
            for (service, results) in services.iter().zip(results) {
                let measurement = service.measure(signal, load, options.duration())?;
                println!("{round} {:<28} {service:<8} {measurement}", load.name);
                results.push(measurement);
            }
        }
    }
    Ok(results)
}

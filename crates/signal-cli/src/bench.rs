//! `signal bench`: what does that server cost, and how fast is it?

mod args;
mod compare;
mod csv;
mod progress;
mod text;

pub(crate) use args::BenchArgs;

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;

use signal_bench::{BenchError, Cluster, Contestant, Node, Plan, Progress, Report, Server};

use crate::bench::args::Format;
use crate::bench::progress::Display;
use crate::check::Target;
use crate::failure::Failure;
use crate::lines;

/// The exit code for a command line that makes no sense.
const USAGE: u8 = 2;

/// What to print, and how to end.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) exit_code: ExitCode,
}

impl Outcome {
    fn new(text: String, is_good: bool) -> Self {
        Self {
            text,
            exit_code: if is_good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            },
        }
    }
}

/// Puts a server under load.
///
/// # Errors
///
/// The arguments make no sense together, or the load could not be run.
pub(crate) fn run(args: &BenchArgs) -> Result<Outcome, Failure> {
    let plan = args.plan().map_err(usage)?;
    let mut display = Display::new(args.quiet, &plan);
    let mut observer = |progress: &Progress| display.show("", progress);
    let report = match &args.urls[..] {
        [] => return compare(args, &plan),
        [url] => {
            let server = server(&args.with_token(url), args)?;
            signal_bench::run(&server, &plan, &mut observer)
        }
        urls => signal_bench::run_cluster(&cluster(urls, args)?, &plan, &mut observer),
    };
    display.clear();
    let report = report.map_err(failure)?;
    let verdict = verdict(&report, args);
    let text = match args.format() {
        Format::Text => lines::for_stdout(&text::render(&report, &verdict)).into_owned(),
        Format::Json => format!("{}\n", json(&report)?),
        Format::Csv => csv::render(&report),
    };
    if args.format() != Format::Text {
        for line in &verdict {
            anstream::eprintln!("{line}");
        }
    }
    Ok(Outcome::new(text, verdict.is_empty()))
}

/// Several addresses as one service.
fn cluster(urls: &[Target], args: &BenchArgs) -> Result<Cluster, Failure> {
    if urls.iter().any(|url| url.token() != urls[0].token()) {
        return Err(usage((
            "the addresses have different tokens, and members of a room must have the same rights"
                .to_owned(),
            "use one for all: --token".to_owned(),
        )));
    }
    let nodes = urls.iter().enumerate().map(|(index, url)| {
        let mut node = Node::new(server(&args.with_token(url), args)?);
        node.pid = args.pids().get(index).copied();
        Ok(node)
    });
    let mut cluster = Cluster::new(nodes.collect::<Result<_, Failure>>()?);
    cluster.bus_pids = args.bus_pids().to_vec();
    cluster
        .check()
        .map_err(|error| usage((error.what, error.fix)))?;
    Ok(cluster)
}

/// Puts several servers under the same load.
fn compare(args: &BenchArgs, plan: &Plan) -> Result<Outcome, Failure> {
    let contestants = args.compare.iter().map(|entry| {
        let server = server(&args.with_token(&entry.target), args)?;
        let mut contestant = Contestant::new(&entry.name, server);
        contestant.pid = entry.pid;
        Ok(contestant)
    });
    let contestants = contestants.collect::<Result<Vec<_>, Failure>>()?;
    let mut display = Display::new(args.quiet, plan);
    let rounds = args.rounds;
    let comparison = signal_bench::compare(
        &contestants,
        plan,
        rounds.into(),
        &mut |contestant, round, progress| {
            let place = format!("{}, round {} of {rounds}: ", contestant.name, round + 1);
            display.show(&place, progress);
        },
    );
    display.clear();
    let comparison = comparison.map_err(failure)?;
    let is_sound = comparison.is_sound();
    let text = if args.format() == Format::Json {
        format!("{}\n", json(&comparison)?)
    } else {
        compare::render(&comparison)
    };
    if !is_sound {
        for server in &comparison.servers {
            for (round, report) in server.reports.iter().enumerate() {
                for line in verdict(report, args) {
                    anstream::eprintln!("{}, round {}: {line}", server.name, round + 1);
                }
            }
        }
    }
    Ok(Outcome::new(text, is_sound))
}

fn json(report: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(report)
        .map_err(|error| Failure::other(error, "this should not happen, please report it"))
}

/// Why the run failed; nothing if it did not.
fn verdict(report: &Report, args: &BenchArgs) -> Vec<String> {
    let broken = args
        .fail_if
        .iter()
        .filter_map(|threshold| threshold.broken_by(report));
    let mut verdict: Vec<String> = broken.map(|line| format!("failed: {line}")).collect();
    if !report.is_sound() {
        let faults = report.faults;
        verdict.push(format!(
            "failed: of {} deliveries, {} were lost, {} duplicated, {} out of order, {} foreign",
            report.deliveries, faults.lost, faults.duplicated, faults.reordered, faults.foreign
        ));
    }
    verdict
}

/// The server to load, looked up and found to listen.
fn server(target: &Target, args: &BenchArgs) -> Result<Server, Failure> {
    if target.secure {
        return Err(usage((
            format!("{target} has TLS, which would be measured, too"),
            "measure the server without the TLS before it: ws://".to_owned(),
        )));
    }
    if !target.is_loopback() && !args.i_own_this_server {
        return Err(usage((
            format!(
                "a load can end {target} for everyone who uses it, and it is not on this machine"
            ),
            "if it is yours, and nobody needs it now, add --i-own-this-server".to_owned(),
        )));
    }
    let mut server = Server::at(address(target)?);
    server.host = target.authority();
    server.path.clone_from(&target.path);
    server.name = target.to_string();
    server.headers = args.headers();
    Ok(server)
}

/// The first address of the server that answers.
fn address(target: &Target) -> Result<SocketAddr, Failure> {
    let addresses = (target.host.as_str(), target.port).to_socket_addrs();
    let addresses = addresses.map_err(|error| {
        Failure::other(
            format!("the name {} cannot be resolved: {error}", target.host),
            "check the spelling",
        )
    })?;
    let mut refusal = None;
    for address in addresses {
        match TcpStream::connect(address) {
            Ok(_) => return Ok(address),
            Err(error) => refusal = Some((address, error)),
        }
    }
    Err(match refusal {
        Some((address, error)) => Failure::other(
            format!("no connection to {address}: {error}"),
            format!(
                "is the server running? start one: signal serve --listen {}:{}",
                target.host_in_url(),
                target.port
            ),
        ),
        None => Failure::other(
            format!("the name {} has no address", target.host),
            "check the spelling",
        ),
    })
}

fn failure(error: BenchError) -> Failure {
    Failure::other(&error.what, error.fix)
}

fn usage((what, fix): (String, String)) -> Failure {
    Failure::Usage {
        what,
        fix,
        code: USAGE,
    }
}

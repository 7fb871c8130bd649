//! `signal bench`: what does that server cost, and how fast is it?

mod args;
mod csv;
mod progress;
mod text;

pub(crate) use args::BenchArgs;

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;

use signal_bench::{Report, Server};

use crate::bench::args::Format;
use crate::bench::progress::Display;
use crate::check::Target;
use crate::failure::Failure;

/// The exit code for a command line that makes no sense.
const USAGE: u8 = 2;

/// What to print, and how to end.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) exit_code: ExitCode,
}

/// Puts a server under load.
///
/// # Errors
///
/// The arguments make no sense together, or the load could not be run.
pub(crate) fn run(args: &BenchArgs) -> Result<Outcome, Failure> {
    let target = args.target();
    let plan = args.plan().map_err(usage)?;
    let server = server(&target, args)?;
    let mut display = Display::new(args.quiet, &plan);
    let report = signal_bench::run(&server, &plan, &mut |progress| display.show(progress));
    display.clear();
    let report = report.map_err(|error| Failure::other(&error.what, error.mend))?;
    let verdict = verdict(&report, args);
    let text = match args.format() {
        Format::Text => text::render(&report, &verdict),
        Format::Json => format!("{}\n", json(&report)?),
        Format::Csv => csv::render(&report),
    };
    if args.format() != Format::Text {
        for line in &verdict {
            anstream::eprintln!("{line}");
        }
    }
    let exit_code = if verdict.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    Ok(Outcome { text, exit_code })
}

fn json(report: &Report) -> Result<String, Failure> {
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
                "a load can end {target} for everybody who uses it, and it is not on this machine"
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
                "is the server running? start one: signal serve --listen {}",
                target.authority()
            ),
        ),
        None => Failure::other(
            format!("the name {} has no address", target.host),
            "check the spelling",
        ),
    })
}

fn usage((what, mend): (String, String)) -> Failure {
    Failure::Usage {
        what,
        mend,
        code: USAGE,
    }
}

//! `signal check`: is that server right?

mod access;
mod answer;
mod args;
pub(crate) mod certificate;
mod client;
mod conformance;
mod connect;
mod declared;
mod explain;
mod format;
mod gatekeepers;
mod options;
mod progress;
mod recorder;
mod refusals;
mod report;
mod server;
mod status;
mod stream;
mod target;
mod turn;
mod walk;
mod way;

pub(crate) use args::{CheckArgs, header, timeout};
pub(crate) use target::Target;

use crate::check::options::Options;
use crate::check::server::Server;
use crate::failure::Failure;

/// The flags that run the suite.
const SUITE: &str = "suite";

/// The heading in `--help` of what concerns the suite.
const CONFORMANCE: &str = "Conformance";

/// The exit code for a command line that makes no sense: 2 means that the server is broken.
pub(crate) const USAGE: u8 = 64;

/// What to print, and how to end.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) exit_code: u8,
}

/// Checks a server.
///
/// # Errors
///
/// The arguments make no sense together. That a server is broken is not an error but an outcome.
pub(crate) fn run(args: &CheckArgs) -> Result<Outcome, Failure> {
    if args.list || args.export {
        return conformance::describe(args);
    }
    let targets = args.targets();
    let Some(target) = targets.first() else {
        return Err(usage(
            "there is nothing to check",
            "name a server: signal check ws://localhost:4444",
        ));
    };
    if args.is_choosing() && !args.is_conformance() {
        return Err(usage(
            "--level, --scenario and --limit choose from the suite",
            "add --conformance",
        ));
    }
    if args.is_conformance() {
        // Before anything is sent: a name may be misspelt.
        conformance::choose(args)?;
    }
    let foreign = targets.iter().find(|target| !target.is_loopback());
    if let Some(target) = foreign.filter(|_| args.hostile && !args.i_own_this_server) {
        return Err(usage(
            format!(
                "--hostile can end {target} for everyone who uses it, and it is not on this machine"
            ),
            "if it is yours, and nobody needs it now, add --i-own-this-server",
        ));
    }
    let options = args.options(target).map_err(|problem| {
        usage(
            problem,
            "correct the variable, or name the server in NO_PROXY",
        )
    })?;
    // Two threads, so that pings are answered while messages are compared.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime
        .map_err(|error| Failure::other(error, "this should not happen, please report it"))?;
    runtime.block_on(async {
        tokio::select! {
            outcome = check(args, &targets, &options) => outcome,
            // Not left to the system, so that a server started by us ends, too.
            _ = tokio::signal::ctrl_c() => Err(Failure::other("interrupted", "nothing was left running")),
        }
    })
}

async fn check(
    args: &CheckArgs,
    targets: &[Target],
    options: &Options,
) -> Result<Outcome, Failure> {
    let target = &targets[0];
    let issuer = args.access.issuer()?;
    let server = args
        .start
        .as_deref()
        .map(|command| Server::new(command, target));
    if let Some(server) = &server {
        server
            .restart()
            .await
            .map_err(|problem| usage(problem, "try the command in a shell"))?;
    }
    let mut reports = Vec::new();
    for target in targets {
        let shown = access::with_token(target, issuer.as_ref());
        reports.push(walk::check(&shown, options).await);
    }
    // Of a node that lets nobody in there is more to say than that scenarios fail.
    let unreachable = reports.iter().find(|report| report.connected().is_none());
    if args.is_conformance() && unreachable.is_none() {
        return conformance::run(args, targets, options, server, issuer).await;
    }
    let report = unreachable.unwrap_or(&reports[0]);
    let exit_code = report.verdict().exit_code();
    Ok(Outcome {
        text: args.format.render(report),
        exit_code,
    })
}

fn usage(what: impl Into<String>, fix: impl Into<String>) -> Failure {
    Failure::Usage {
        what: what.into(),
        fix: fix.into(),
        code: USAGE,
    }
}

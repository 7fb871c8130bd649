//! `signal check --conformance`: the whole suite against one address.

use std::io::IsTerminal;

use http::header::ORIGIN;
use signal_conformance::{Declared, Grade, Issuer, Level, Report, RunOptions, Suite, UrlBackend};

use crate::check::format::Format;
use crate::check::report::Verdict;
use crate::check::server::{Server, Started};
use crate::check::target::Target;
use crate::check::{CheckArgs, Outcome, declared, usage};
use crate::failure::Failure;
use crate::show;

/// Scenarios that run at the same time: they mostly wait.
const CONCURRENCY: usize = 8;

/// Runs the suite and reports each level apart.
pub(crate) async fn run(
    args: &CheckArgs,
    target: &Target,
    server: Option<Server>,
    issuer: Option<Issuer>,
) -> Result<Outcome, Failure> {
    let suite = choose(args)?;
    let options = args.options();
    let told = declared::ask(target, &options.credentials).await;
    let is_ours = told.is_some();
    let told = told.unwrap_or_default();
    let limits = told.limits.into_iter().chain(args.limits.iter().cloned());

    let backend = UrlBackend::new(&target.url())
        .map_err(|error| usage(error.to_string(), "write ws:// or wss:// and a host"))?;
    let backend = limits.fold(backend, |backend, (name, value)| {
        backend.declare(|declared| declared.limit(name, value))
    });
    let headers = options.credentials.headers.into_iter();
    let origin = options.credentials.origin.map(|origin| (ORIGIN, origin));
    let backend = headers
        .chain(origin)
        .fold(backend, |backend, (name, value)| {
            backend.header(name, value)
        });
    let backend = backend.declare(|mut declared| {
        declared
            .capabilities
            .retain(|capability| !told.without.contains(capability));
        declare(declared, args, target, is_ours)
    });
    let backend = args.access.declare(backend, issuer);
    let backend = if args.patient {
        backend.patient()
    } else {
        backend
    };

    let count = show::count(suite.scenarios.len(), "scenario");
    if args.format == Format::Text && std::io::stderr().is_terminal() {
        anstream::eprintln!("running {count} against {target} …");
    }
    let mut run = RunOptions::default();
    run.concurrency = CONCURRENCY;
    run.patience = options.timeout;
    let report = match server {
        Some(server) => suite.run(&Started::new(backend, server), &run).await,
        None => suite.run(&backend, &run).await,
    };
    let text = match args.format {
        Format::Text => text(&report, args, is_ours),
        Format::Json => report.to_json() + "\n",
        Format::Junit => report.to_junit(),
        Format::Tap => report.to_tap(),
    };
    Ok(Outcome {
        text,
        exit_code: verdict(&report).exit_code(),
    })
}

/// Lists or exports the scenarios.
pub(crate) fn describe(args: &CheckArgs) -> Result<Outcome, Failure> {
    let suite = if args.scenarios.is_empty() && args.levels.is_empty() {
        Suite::all()
    } else {
        choose(args)?
    };
    let text = if args.export {
        suite.export() + "\n"
    } else {
        let width = suite
            .scenarios
            .iter()
            .map(|scenario| scenario.id.len())
            .max()
            .unwrap_or_default();
        let line = |scenario: &signal_conformance::Scenario| {
            format!(
                "{:<10} {:<width$}  {}\n",
                scenario.level.name(),
                scenario.id,
                scenario.title
            )
        };
        suite.scenarios.iter().map(line).collect()
    };
    Ok(Outcome { text, exit_code: 0 })
}

/// The scenarios asked for.
fn choose(args: &CheckArgs) -> Result<Suite, Failure> {
    let mut suite = Suite::all();
    if !args.levels.is_empty() {
        suite = suite.levels(args.levels.iter().copied());
    }
    if !args.scenarios.is_empty() {
        let ids: Vec<_> = args.scenarios.iter().map(String::as_str).collect();
        suite = suite.matching(&ids);
    }
    if suite.scenarios.is_empty() {
        return Err(usage(
            "no scenario is of that name and level",
            "signal check --list shows all",
        ));
    }
    if !args.hostile && !args.list && !args.export {
        suite = suite.without_destructive();
        if suite.scenarios.is_empty() {
            return Err(usage(
                "these scenarios send what kills fragile servers",
                "add --hostile, if nobody needs the server now",
            ));
        }
    }
    Ok(suite)
}

/// What is expected of the server. Of a stranger only what y-webrtc's own server does.
fn declare(mut declared: Declared, args: &CheckArgs, target: &Target, is_ours: bool) -> Declared {
    declared.name = target.to_string();
    if is_ours || !args.limits.is_empty() {
        declared = declared.levels([Level::Limits]);
    }
    if is_ours {
        declared = declared.levels([Level::Lifecycle]);
    }
    declared.levels(args.levels.iter().copied())
}

fn text(report: &Report, args: &CheckArgs, is_ours: bool) -> String {
    let mut text = report.to_text();
    if is_ours && !args.patient {
        text.push_str(
            "\nScenarios that wait for a timer of the server were left out; --patient runs them.\n",
        );
    }
    if is_ours && !args.hostile {
        text.push_str("\nWhat kills fragile servers was not sent; --hostile sends it.\n");
    }
    if is_ours && args.access.is_empty() {
        text.push_str(
            "\nWhom the server lets in was not checked; --token-key-file FILE signs tokens for it.\n",
        );
    }
    if !is_ours {
        text.push_str(
            "\nThe server tells no limits, so those were not checked; --limit NAME=NUMBER names one.\n",
        );
    }
    text
}

/// A server that fails at what apps need is broken; one that fails at anything else works, but not
/// as it should.
fn verdict(report: &Report) -> Verdict {
    let failed = report
        .results
        .iter()
        .filter(|result| !is_fine(&result.grade));
    let worst = failed.map(|result| {
        if result.level == Level::Stock {
            Verdict::Broken
        } else {
            Verdict::Degraded
        }
    });
    worst.max().unwrap_or(Verdict::Working)
}

fn is_fine(grade: &Grade) -> bool {
    matches!(grade, Grade::Passed | Grade::Skipped { .. })
}

//! `signal check --conformance`: the whole suite against one address.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::ORIGIN;
use signal_conformance::{
    Backend, Capability, Declared, EndedEarly, Grade, Issuer, Level, Report, RunOptions, Suite,
    UrlBackend,
};

use crate::check::format::Format;
use crate::check::options::Options;
use crate::check::progress::Display;
use crate::check::report::Verdict;
use crate::check::server::{Server, Started};
use crate::check::target::Target;
use crate::check::{CheckArgs, Outcome, declared, usage};
use crate::failure::Failure;
use crate::lines;

/// Scenarios that run at the same time: they mostly wait.
const CONCURRENCY: usize = 8;
/// The same where they wait until all nodes have heard of what was done on one.
const CLUSTER_CONCURRENCY: usize = 40;
/// How long one of these may take.
const CLUSTER_DEADLINE: Duration = Duration::from_secs(300);
/// How long a run may take: a sound server needs some seconds, a server whose every second scenario
/// is waited for in vain some minutes, and `--patient` a minute for each timer. Over several nodes
/// each scenario of `robust` takes some seconds: they run one after the other, and each waits until
/// all nodes have heard of it.
const TIME_MAX: Duration = Duration::from_secs(600);
const CLUSTER_TIME_MAX: Duration = Duration::from_secs(1_800);
const PATIENT_TIME_MAX: Duration = Duration::from_secs(3_600);
/// How often the progress is shown though nothing has ended.
const TICK: Duration = Duration::from_secs(1);

/// Runs the suite and reports each level apart.
pub(crate) async fn run(
    args: &CheckArgs,
    targets: &[Target],
    options: &Options,
    server: Option<Server>,
    issuer: Option<Issuer>,
) -> Result<Outcome, Failure> {
    let target = &targets[0];
    let suite = choose(args)?;
    let told = declared::ask(target, &options.credentials).await;
    let is_ours = told.is_some();
    let told = told.unwrap_or_default();
    let limits = told.limits.into_iter().chain(args.limits.iter().cloned());

    let urls: Vec<_> = targets.iter().map(Target::url).collect();
    let urls: Vec<_> = urls.iter().map(AsRef::as_ref).collect();
    let backend = UrlBackend::cluster(&urls)
        .map_err(|error| usage(error.to_string(), "write ws:// or wss:// and a host"))?;
    let backend = limits.fold(backend, |backend, (name, value)| {
        backend.declare(|declared| declared.limit(name, value))
    });
    let headers = options.credentials.headers.iter().cloned();
    let origin = options.credentials.origin.clone();
    let origin = origin.map(|origin| (ORIGIN, origin));
    let backend = headers
        .chain(origin)
        .fold(backend, |backend, (name, value)| {
            backend.header(name, value)
        });
    let backend = backend.declare(|declared| {
        let mut declared = declare(declared, args, targets, is_ours);
        declared
            .capabilities
            .retain(|capability| !told.without.contains(capability));
        declared
    });
    let backend = args.access.declare(backend, issuer);
    let backend = if args.patient {
        backend.patient()
    } else {
        backend
    };

    if !args.quiet {
        let targets = shown(targets);
        lines::tell(&format!("running the suite against {targets} …\n"));
    }
    let mut run = RunOptions::default();
    let seed = args.seed.unwrap_or_else(random);
    run.concurrency = CONCURRENCY;
    if targets.len() > 1 {
        run.spread = Some(seed);
        run.concurrency = CLUSTER_CONCURRENCY;
        run.deadline = CLUSTER_DEADLINE;
    }
    run.patience = options.timeout;
    run.fail_fast = args.fail_fast;
    run.keep_going = args.keep_going;
    run.time_max = match args.max_seconds {
        Some(seconds) => Duration::from_secs(seconds),
        None if args.patient => PATIENT_TIME_MAX,
        None if targets.len() > 1 => CLUSTER_TIME_MAX,
        None => TIME_MAX,
    };
    let report = match server {
        Some(server) => watched(&suite, &Started::new(backend, server), &run, args.quiet).await,
        None => watched(&suite, &backend, &run, args.quiet).await,
    };
    let text = match args.format {
        Format::Text => {
            let placed = (targets.len() > 1).then_some(seed);
            lines::for_stdout(&text(&report, args, is_ours, placed)).into_owned()
        }
        Format::Json => report.to_json() + "\n",
        Format::Junit => report.to_junit(),
        Format::Tap => report.to_tap(),
    };
    Ok(Outcome {
        text,
        exit_code: verdict(&report).exit_code(),
    })
}

/// A number that can be typed again.
fn random() -> u64 {
    RandomState::new().hash_one(0) % 1_000_000
}

/// Runs the suite and shows how far it has come.
async fn watched(
    suite: &Suite,
    backend: &dyn Backend,
    options: &RunOptions,
    is_quiet: bool,
) -> Report {
    let display = Mutex::new(Display::new(is_quiet, suite.scenarios.len()));
    let show = |change: &dyn Fn(&mut Display)| {
        change(&mut display.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let mut watch = |progress: &signal_conformance::Progress<'_>| {
        show(&|display| display.show(progress));
    };
    let mut running = pin!(suite.run_watched(backend, options, &mut watch));
    let mut ticks = tokio::time::interval(TICK);
    let report = loop {
        tokio::select! {
            report = &mut running => break report,
            _ = ticks.tick() => show(&Display::tick),
        }
    };
    show(&Display::clear);
    report
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
pub(crate) fn choose(args: &CheckArgs) -> Result<Suite, Failure> {
    let mut suite = Suite::all();
    if !args.cluster.is_empty() && args.levels.is_empty() && args.scenarios.is_empty() {
        suite = suite.levels([Level::Stock, Level::Cluster, Level::Robust]);
    }
    if !args.scenarios.is_empty() {
        let ids: Vec<_> = args.scenarios.iter().map(String::as_str).collect();
        if let Some(unknown) = ids
            .iter()
            .find(|id| suite.clone().matching(&[id]).scenarios.is_empty())
        {
            return Err(unknown_scenario(unknown, &suite));
        }
        suite = suite.matching(&ids);
    }
    if !args.levels.is_empty() {
        suite = suite.levels(args.levels.iter().copied());
    }
    if suite.scenarios.is_empty() {
        return Err(usage(
            "no scenario of that name is of that level",
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

/// Names what was not found, and what may have been meant: a scenario, or what the names of some
/// begin with.
fn unknown_scenario(unknown: &str, suite: &Suite) -> Failure {
    let ids = suite.scenarios.iter().map(|scenario| scenario.id.as_str());
    let names: BTreeSet<_> = ids
        .flat_map(|id| id.match_indices('.').map(|(at, _)| &id[..at]).chain([id]))
        .collect();
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(unknown, name);
    let nearest = names
        .into_iter()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let nearest = nearest.filter(|name| likeness(name) > 0.5);
    let fix = match nearest {
        Some(name) => format!("did you mean {name}? signal check --list shows all"),
        None => "signal check --list shows all".to_owned(),
    };
    usage(format!("there is no scenario {unknown}"), fix)
}

fn shown(targets: &[Target]) -> String {
    let targets: Vec<_> = targets.iter().map(Target::to_string).collect();
    targets.join(" ")
}

/// What is expected of the server. Of a stranger only what y-webrtc's own server does.
fn declare(
    mut declared: Declared,
    args: &CheckArgs,
    targets: &[Target],
    is_ours: bool,
) -> Declared {
    declared.name = shown(targets);
    if targets.len() > 1 {
        declared = declared.capabilities([Capability::CountAll]);
    }
    if is_ours || !args.limits.is_empty() {
        declared = declared.levels([Level::Limits]);
    }
    if is_ours {
        declared = declared.levels([Level::Lifecycle]);
        declared = declared.capabilities([Capability::ClientsMax]);
    }
    declared.levels(args.levels.iter().copied())
}

fn text(report: &Report, args: &CheckArgs, is_ours: bool, placed: Option<u64>) -> String {
    let mut text = report.to_text();
    if let Some(seed) = placed {
        let nodes = report.backend.nodes;
        text.push_str(&format!(
            "\nPeers were placed on {nodes} nodes at random; --seed {seed} places them so again.\n"
        ));
    }
    if is_ours && !args.patient {
        text.push_str(
            "\nScenarios that wait for a timer of the server were left out; --patient runs them.\n",
        );
    }
    if !args.hostile {
        text.push_str("\nWhat kills fragile servers was not sent; --hostile sends it.\n");
    }
    if is_ours && args.access.is_empty() {
        text.push_str(
            "\nWhom the server lets in was not checked; --token-key-file FILE signs tokens for it.\n",
        );
    }
    if !is_ours && args.limits.is_empty() {
        text.push_str(
            "\nThe server does not report limits, so those were not checked; --limit NAME=NUMBER names one.\n",
        );
    }
    if let Some(EndedEarly::TimeOver { .. }) = report.ended_early {
        text.push_str("\nThe run was not complete; --max-seconds gives it more time.\n");
    }
    text
}

/// A server that fails at what apps need is broken; one that fails at anything else works, but not
/// as it should.
fn verdict(report: &Report) -> Verdict {
    let verdicts = report.results.iter().map(|result| match result.grade {
        Grade::Passed | Grade::Skipped { .. } => Verdict::Working,
        Grade::Failed(_) if result.level == Level::Stock => Verdict::Broken,
        Grade::Failed(_) | Grade::Warned(_) | Grade::NotRun { .. } | _ => Verdict::Degraded,
    });
    verdicts.max().unwrap_or(Verdict::Working)
}

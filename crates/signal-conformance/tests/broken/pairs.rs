//! Servers with two faults: the report names both, and nothing else.

use std::collections::BTreeSet;

use signal_conformance::{Level, Report, RunOptions, Suite};

use crate::backend::RelayBackend;
use crate::fault::Fault::{self, *};
use crate::fault::Faults;
use crate::{WIDE, is_caught};

/// Faults of every kind, those first that nearly all scenarios meet.
const FAULTS: [Fault; 15] = [
    PingIgnored,
    PongTwice,
    EchoSuppressed,
    ClientsMissing,
    CountsOthersOnly,
    CountStaleAfterClose,
    SubscribeAnswered,
    SubscribeAnnounced,
    SubscribedTwiceCountsTwice,
    UnsubscribeIgnored,
    UnknownMembersDropped,
    StringsMadeAscii,
    LongStringsCut,
    NewestFirst,
    BinaryIgnored,
];

/// How many scenarios may fail for two faults.
const FAILURES_MAX: usize = 12;

/// Pairs of which the first hides the second: it is of the same member, or nothing comes of what
/// the second concerns.
const HIDDEN: &[(Fault, Fault)] = &[
    (ClientsMissing, CountsOthersOnly),
    (ClientsMissing, CountStaleAfterClose),
    (CountsOthersOnly, CountStaleAfterClose),
];

#[tokio::test]
async fn a_report_on_two_faults_names_those_two() {
    // Wherever a fault shows, whatever else fails before.
    let mut shows = Vec::new();
    for fault in FAULTS {
        shows.push(failed(&run([Some(fault), None], true).await));
    }
    let mut wrong = Vec::new();
    for (at, (one, of_one)) in FAULTS.iter().zip(&shows).enumerate() {
        for (other, of_other) in FAULTS.iter().zip(&shows).skip(at + 1) {
            if HIDDEN.contains(&(*one, *other)) {
                continue;
            }
            let found = failed(&run([Some(*one), Some(*other)], false).await);
            let more: Vec<_> = found
                .iter()
                .filter(|id| !of_one.contains(*id) && !of_other.contains(*id))
                .collect();
            let names = |of: &BTreeSet<String>| !found.is_disjoint(of);
            let names_both = names(of_one) && names(of_other) && found.len() > 1;
            if !names_both || !more.is_empty() || found.len() > FAILURES_MAX {
                wrong.push(format!(
                    "{one:?} and {other:?}: {found:?}, of neither: {more:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn run(faults: [Option<Fault>; 2], keep_going: bool) -> Report {
    let backend = RelayBackend::new(Faults(faults), WIDE);
    let suite = Suite::all().level(Level::Stock);
    let mut options = RunOptions::default();
    options.keep_going = keep_going;
    suite.run(&backend, &options).await
}

fn failed(report: &Report) -> BTreeSet<String> {
    let failed = report.results.iter();
    let failed = failed.filter(|result| is_caught(&result.grade));
    failed.map(|result| result.id.clone()).collect()
}

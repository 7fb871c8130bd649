//! The whole suite, awake and with a sleep between any two steps.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use signal_access::{Algorithm, NewKey};
use signal_conformance::{
    Amount, Capability, Issuer, Level, Report, RunOptions, Scenario, Step, Suite,
};

use crate::backend::WorkerBackend;
use crate::server::Workerd;
use crate::workerd;

/// A `repeat` of more rounds than this runs without sleeps inside: the floods are about numbers.
const ROUNDS_MAX: u64 = 12;
/// The page whose clients may connect, where not all may.
const ORIGIN: &str = "https://app.example";

/// With more messages of clients with a grant, a scenario has only two sleeps.
const JUDGED_MESSAGES_MAX: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awake_one_object_for_all_passes_the_suite() {
    let Some(server) = workerd("suite-global", &[]).await else {
        return;
    };
    run(&server, "/", "global", Suite::all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awake_an_object_for_each_room_passes_the_suite() {
    let Some(server) = workerd("suite-by-name", &[("SIGNAL_ROOMS", "by-name")]).await else {
        return;
    };
    run(&server, "/room/garden", "room/garden", Suite::all()).await;
}

/// Budgets so narrow that the scenarios can run which the defaults are too wide for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn narrow_limits_hold_awake_and_with_a_sleep_between_any_two_steps() {
    let narrow = [
        ("SIGNAL_FAN_OUT_BURST", "16"),
        ("SIGNAL_FAN_OUT_PER_SECOND", "8"),
        ("SIGNAL_TOPICS_PER_PEER_MAX", "9"),
        ("SIGNAL_TOPIC_BYTES_MAX", "64"),
        ("SIGNAL_MESSAGE_BYTES_MAX", "2048"),
        ("SIGNAL_DEPTH_MAX", "7"),
        ("SIGNAL_INVALID_MESSAGES_MAX", "2"),
        ("SIGNAL_CLOSE_HOLD", "0.3"),
    ];
    let Some(server) = workerd("suite-narrow", &narrow).await else {
        return;
    };
    run(&server, "/", "global", limits()).await;
    run(&server, "/", "global", with_sleep(limits())).await;
}

/// Every client needs a token, and brings its grant with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_origins_hold_awake_and_with_a_sleep_between_any_two_steps() {
    for (algorithm, audience) in [
        (Algorithm::Hs256, None),
        (Algorithm::EdDsa, Some("relay.example")),
    ] {
        let key = NewKey::from_seed(algorithm, Some("test"), [7; 32]);
        let keys = key.public_jwk().unwrap_or_else(|| key.private_jwk());
        let issuer = Issuer::new(&key.private_jwk()).unwrap();
        let issuer = match audience {
            Some(audience) => issuer.with_audience(audience),
            None => issuer,
        };
        let mut variables = vec![
            ("TOKEN_KEYS", keys.as_str()),
            ("SIGNAL_ORIGINS", ORIGIN),
            ("SIGNAL_CLOSE_HOLD", "0.3"),
        ];
        variables.extend(audience.map(|audience| ("TOKEN_AUDIENCE", audience)));
        let name = format!("suite-tokens-{algorithm}");
        let Some(server) = workerd(&name, &variables).await else {
            return;
        };
        let backend = || WorkerBackend::new(&server, "/", "global").guarded(issuer.clone(), ORIGIN);
        let access = || Suite::all().level(Level::Access);
        run_on(&server, backend(), access()).await;
        run_on(&server, backend(), with_sleep(access())).await;
        check_that_nothing_was_lost(&server);
    }
}

fn limits() -> Suite {
    Suite::all().level(Level::Limits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleep_between_any_two_steps_changes_nothing_in_one_object_for_all() {
    let Some(server) = workerd("sleep-global", &[]).await else {
        return;
    };
    run(&server, "/", "global", with_sleep(Suite::all())).await;
    check_that_nothing_was_lost(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleep_between_any_two_steps_changes_nothing_in_an_object_for_each_room() {
    let Some(server) = workerd("sleep-by-name", &[("SIGNAL_ROOMS", "by-name")]).await else {
        return;
    };
    run(
        &server,
        "/room/garden",
        "room/garden",
        with_sleep(Suite::all()),
    )
    .await;
    check_that_nothing_was_lost(&server);
}

async fn run(server: &Arc<Workerd>, path: &str, object: &str, suite: Suite) {
    run_on(server, WorkerBackend::new(server, path, object), suite).await;
}

async fn run_on(server: &Workerd, backend: WorkerBackend, suite: Suite) {
    let mut options = RunOptions::default();
    options.concurrency = 4;
    // For a machine with other work: all is to pass, so nothing is waited for in vain.
    options.patience = Duration::from_secs(30);
    options.deadline = Duration::from_secs(180);
    let report: Report = suite.run(&backend, &options).await;
    println!("{}", report.to_text());
    assert!(report.passed(), "{}\n{}", report.to_text(), server.log());
}

/// Puts the object to sleep after every step.
fn with_sleep(mut suite: Suite) -> Suite {
    for scenario in &mut suite.scenarios {
        let mut night = Night::of(scenario);
        scenario.steps = night.fall(std::mem::take(&mut scenario.steps));
        scenario.needs.insert(Capability::Hibernate);
    }
    suite
}

/// Decides after which steps of a scenario the object can be put to sleep.
struct Night {
    /// A client has sent half a message or stopped reading: it cannot tell that what it sent before
    /// has been handled, which the runner wants to know before a sleep; and the runtime keeps an
    /// object awake that has something to send.
    is_busy: bool,
    /// How many sleeps are left.
    sleeps: usize,
}

impl Night {
    fn of(scenario: &Scenario) -> Self {
        // These use up the budgets that the runner's own messages need, or have clients without the
        // rights for those.
        let sleeps = match scenario.id.as_str() {
            "limits.topics_at_limit" | "limits.messages" => 2,
            "limits.pings_apart" | "limits.pings_apart_from_bytes" => 2,
            "robust.flood.topics" => 2,
            "limits.fan_out" => 2,
            "access.token.exact_and_prefix"
            | "access.token.rights_apart"
            | "access.token.no_rights" => 2,
            _ if judged_messages(&scenario.steps) > JUDGED_MESSAGES_MAX => 2,
            _ => usize::MAX,
        };
        Self {
            is_busy: false,
            sleeps,
        }
    }

    fn fall(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let mut out = Vec::new();
        for step in steps {
            self.see(&step);
            out.push(match step {
                Step::Repeat { times, steps } if is_few(&times) => Step::Repeat {
                    times,
                    steps: self.fall(steps),
                },
                other => other,
            });
            if !self.is_busy && self.sleeps > 0 {
                self.sleeps -= 1;
                out.push(Step::Hibernate);
            }
        }
        out
    }

    fn see(&mut self, step: &Step) {
        const FIN: u8 = 0x80;
        const FIN_CONTINUATION: u8 = 0x80;
        match step {
            Step::Pause { .. } | Step::SendRaw { .. } => self.is_busy = true,
            Step::SendFrame(frame) if frame.first & FIN == 0 || frame.announce.is_some() => {
                self.is_busy = true;
            }
            Step::SendFrame(frame) if frame.first == FIN_CONTINUATION => self.is_busy = false,
            Step::Resume { .. } | Step::Abort { .. } => self.is_busy = false,
            _ => {}
        }
    }
}

/// How many messages clients with a grant send: before each sleep the runner asks with a ping
/// whether they were handled, since it does not know what else such a client may send, and has few
/// pings.
fn judged_messages(steps: &[Step]) -> usize {
    let judged: Vec<&String> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Connect(connect) if connect.grant.is_some() => Some(&connect.on),
            _ => None,
        })
        .flatten()
        .collect();
    let senders = steps.iter().map(|step| match step {
        Step::Send { on, .. } | Step::SendBinary { on, .. } => on.as_slice(),
        _ => &[],
    });
    senders
        .flatten()
        .filter(|name| judged.contains(name))
        .count()
}

fn is_few(times: &Amount) -> bool {
    matches!(times, Amount::Number(number) if *number <= ROUNDS_MAX)
}

/// Every wake is in the log with the number of peers whose state could not be restored. Says what
/// it has found past the test runner, which keeps what a passing test prints.
fn check_that_nothing_was_lost(server: &Workerd) {
    let log = server.log();
    let wakes = log
        .lines()
        .filter(|line| line.contains(r#""event":"wake""#));
    let (kept, lost): (Vec<_>, Vec<_>) = wakes.partition(|line| line.contains(r#""lost":0"#));
    assert!(lost.is_empty(), "{lost:?}");
    assert!(kept.len() > 100, "the objects have hardly slept: {log}");
    let (evictions, wakes) = (server.evictions(), kept.len());
    let _ = writeln!(
        std::io::stderr(),
        "{evictions} evictions, {wakes} wakes with peers, the state of none lost"
    );
}

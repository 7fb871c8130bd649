//! A run of a suite: what is run when, what is left out, and when it ends.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use crate::play::Faults;
use crate::playing::Playing;
use crate::report::{Failure, Grade, Report, ScenarioResult};
use crate::scenarios::basic_ids::{ADDS, ANSWER, ECHO, PIPELINED, basic};
use crate::template::{Values, limits_in};
use crate::{
    Backend, Capability, ConnectError, ConnectOptions, Declared, EndedEarly, Event, Progress,
    RunOptions, Scenario, Suite,
};

/// How long a server may turn the suite's address away, time and again, before the run ends.
const TURNED_AWAY_MAX: Duration = Duration::from_secs(60);
/// How long to wait before another try, where the answer does not say.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// An observer of a run.
pub(crate) type Watch<'a> = &'a mut (dyn FnMut(&Progress<'_>) + Send);

pub(crate) struct Run<'a> {
    suite: &'a Suite,
    backend: &'a dyn Backend,
    options: &'a RunOptions,
    declared: Declared,
    began: Instant,
    results: Vec<Option<ScenarioResult>>,
    watch: Watch<'a>,
    done: usize,
    total: usize,
    failed: usize,
    /// Why nothing more is run.
    over: Option<EndedEarly>,
    /// Scenarios that failed or were left out, each with the one at fault.
    broken: BTreeMap<&'a str, &'a str>,
    /// The basic scenarios that failed.
    faults: Faults,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        suite: &'a Suite,
        backend: &'a dyn Backend,
        options: &'a RunOptions,
        watch: Watch<'a>,
    ) -> Self {
        let declared = backend.declared();
        let skip = |scenario| {
            let reason = obstacle(scenario, &declared)?;
            Some(ScenarioResult::new(scenario, Grade::Skipped { reason }))
        };
        let results: Vec<_> = suite.scenarios.iter().map(skip).collect();
        let total = results.iter().filter(|result| result.is_none()).count();
        Self {
            suite,
            backend,
            options,
            declared,
            began: Instant::now(),
            results,
            watch,
            done: 0,
            total,
            failed: 0,
            over: None,
            broken: BTreeMap::new(),
            faults: Faults::new(),
        }
    }

    pub(crate) async fn report(mut self) -> Report {
        let basics: BTreeSet<_> = self
            .suite
            .scenarios
            .iter()
            .flat_map(|scenario| &scenario.builds_on)
            .collect();
        let is_basic =
            |scenario: &Scenario| basics.contains(&scenario.id) || basic(&scenario.id).is_some();
        self.alone(|scenario| is_basic(scenario) && !scenario.runs_alone())
            .await;
        self.together().await;
        self.alone(|_| true).await;
        Report {
            suite: self.suite.version.clone(),
            backend: self.declared,
            ended_early: self.over,
            results: self.results.into_iter().flatten().collect(),
        }
    }

    /// The scenarios not yet run that are like that.
    fn open(&self, is_wanted: impl Fn(&Scenario) -> bool) -> Vec<usize> {
        let open = self.results.iter().zip(&self.suite.scenarios).enumerate();
        open.filter(|(_, (result, scenario))| result.is_none() && is_wanted(scenario))
            .map(|(index, _)| index)
            .collect()
    }

    /// Runs what may run beside others, several at a time.
    ///
    /// If the server dies meanwhile, whichever of them killed it is found by running the rest one
    /// by one.
    async fn together(&mut self) {
        let mut wanted = self.open(|scenario| !scenario.runs_alone());
        wanted.retain(|index| !self.leave_out(*index));
        let (suite, backend, options) = (self.suite, self.backend, self.options);
        let (began, has_echo, faults) = (self.began, self.has_echo(), self.faults());
        let answers = !self.broken.contains_key(ANSWER);
        let plays = stream::iter(wanted).map(|index| {
            let faults = faults.clone();
            let play = Playing::new(suite, index, backend, options, began, has_echo, faults);
            async move { (index, play.grade().await) }
        });
        let mut playing = plays.buffer_unordered(options.concurrency.max(1));
        while let Some((index, (grade, time))) = playing.next().await {
            let is_failed = matches!(grade, Some(Grade::Failed(_)));
            let state = match is_failed {
                true => state_of(backend, options.patience, answers).await,
                false => State::Serves,
            };
            match state {
                State::Mute if self.has_never_answered(index) => self.note(index, grade, time),
                State::Serves => self.note(index, grade, time),
                // Those that still play see what this one did.
                State::TurnsAway { .. } => {
                    drop(playing);
                    self.note(index, grade, time);
                    return self.wait_outside(&suite.scenarios[index].id).await;
                }
                State::Mute | State::Gone => {
                    drop(playing);
                    return self.bury(None).await;
                }
            }
            if self.over.is_some() {
                return;
            }
        }
    }

    /// Runs what is still open and wanted, one after the other.
    async fn alone(&mut self, is_wanted: impl Fn(&Scenario) -> bool) {
        for index in self.open(is_wanted) {
            if self.leave_out(index) {
                continue;
            }
            let scenario = &self.suite.scenarios[index];
            let play = Playing::new(
                self.suite,
                index,
                self.backend,
                self.options,
                self.began,
                self.has_echo(),
                self.faults(),
            );
            let (mut grade, time) = play.grade().await;
            let is_suspect =
                scenario.level.is_destructive() || matches!(grade, Some(Grade::Failed(_)));
            let answers = !self.broken.contains_key(ANSWER);
            let state = match is_suspect && grade.is_some() {
                true => state_of(self.backend, self.options.patience, answers).await,
                false => State::Serves,
            };
            let state = match state {
                State::Mute if self.has_never_answered(index) => State::Serves,
                State::Mute => State::Gone,
                State::Serves | State::TurnsAway { .. } | State::Gone => state,
            };
            if state == State::Gone {
                grade = grade.map(killed);
            }
            self.note(index, grade, time);
            match state {
                State::Serves => {}
                State::TurnsAway { .. } => self.wait_outside(&scenario.id).await,
                State::Mute | State::Gone => self.bury(Some(&scenario.id)).await,
            }
        }
    }

    /// Whether the server takes pings and says nothing since the first scenario: that is a fault of
    /// it, and not its end.
    fn has_never_answered(&self, index: usize) -> bool {
        self.suite.scenarios[index].id == ANSWER || self.broken.contains_key(ANSWER)
    }

    /// Waits until a server that turns the suite's address away lets it in again: what comes next
    /// is not to be judged by what came before.
    async fn wait_outside(&mut self, after: &str) {
        let can_advance = self.declared.capabilities.contains(&Capability::Advance);
        let mut waited = Duration::ZERO;
        loop {
            let answers = !self.broken.contains_key(ANSWER);
            let state = state_of(self.backend, self.options.patience, answers).await;
            let State::TurnsAway {
                status,
                retry_after,
            } = state
            else {
                if matches!(state, State::Mute | State::Gone) {
                    self.bury(Some(after)).await;
                }
                return;
            };
            if waited >= TURNED_AWAY_MAX {
                self.over.get_or_insert(EndedEarly::TurnedAway {
                    status,
                    after: Some(after.to_owned()),
                });
                return;
            }
            let pause = retry_after.unwrap_or(TRY_AGAIN);
            let pause = pause.max(TRY_AGAIN).min(TURNED_AWAY_MAX);
            waited += pause;
            if !can_advance || self.backend.advance(pause).await.is_err() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Starts a server that has died again, if that can be done.
    async fn bury(&mut self, killer: Option<&str>) {
        let can_restart = self.declared.capabilities.contains(&Capability::Restart);
        if can_restart && self.backend.restart().await.is_ok() || self.over.is_some() {
            return;
        }
        self.over = Some(EndedEarly::ServerGone {
            killer: killer.map(str::to_owned),
        });
    }

    /// Grades a scenario that cannot or need not be run, and says whether it is one.
    fn leave_out(&mut self, index: usize) -> bool {
        let scenario = &self.suite.scenarios[index];
        // Basic ones may be done without, or found out to be needed, on the way.
        let culprit = scenario
            .builds_on
            .iter()
            .filter(|id| basic(id).is_none())
            .find_map(|id| self.broken.get(id.as_str()));
        let culprit = culprit.copied().filter(|_| !self.options.keep_going);
        let grade = match (&self.over, culprit) {
            (Some(over), _) => Grade::NotRun {
                reason: over.to_string(),
            },
            (None, Some(culprit)) => {
                self.broken.insert(&scenario.id, culprit);
                Grade::not_judged(culprit)
            }
            (None, None) => return false,
        };
        self.finish(ScenarioResult::new(scenario, grade), index);
        true
    }

    /// Whether publishers get their own messages, and in a topic beside others, so that a publish
    /// may serve as a fence.
    fn has_echo(&self) -> bool {
        let is_open = |id: &&str| !self.open(|scenario| scenario.id == *id).is_empty();
        let is_broken = |id: &&str| self.broken.contains_key(id);
        ![ECHO, PIPELINED, ADDS]
            .iter()
            .any(|id| is_broken(id) || is_open(id))
    }

    /// The basic scenarios that have failed, so that no other is judged by them.
    fn faults(&self) -> Faults {
        match self.options.keep_going {
            true => Faults::new(),
            false => self.faults.clone(),
        }
    }

    /// Takes down how a scenario ended; no grade means that the time for the whole run was over.
    fn note(&mut self, index: usize, grade: Option<Grade>, time: Duration) {
        let scenario = &self.suite.scenarios[index];
        let Some(mut grade) = grade else {
            let seconds = self.options.time_max.as_secs();
            self.over.get_or_insert(EndedEarly::TimeOver { seconds });
            self.leave_out(index);
            return;
        };
        if let Grade::Failed(failure) = grade {
            if scenario.should && !failure.killed_the_server {
                grade = Grade::Warned(failure);
            } else {
                self.failed += 1;
                self.broken.insert(&scenario.id, &scenario.id);
                let kind = failure.kind;
                self.faults.extend(basic(&scenario.id).map(|id| (id, kind)));
                grade = Grade::Failed(failure);
            }
        }
        let is_failed = matches!(grade, Grade::Failed(_));
        let mut result = ScenarioResult::new(scenario, grade);
        result.millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.finish(result, index);
        if is_failed && self.options.fail_fast && self.over.is_none() {
            self.over = Some(EndedEarly::FirstFailure {
                scenario: scenario.id.clone(),
            });
        }
    }

    fn finish(&mut self, result: ScenarioResult, index: usize) {
        self.done += 1;
        let result = self.results[index].insert(result);
        (self.watch)(&Progress {
            result,
            done: self.done,
            total: self.total,
            failed: self.failed,
        });
    }
}

/// Why a scenario cannot be run on a backend that declares this.
fn obstacle(scenario: &Scenario, declared: &Declared) -> Option<String> {
    if !declared.levels.contains(&scenario.level) {
        let level = scenario.level.name();
        return Some(format!("the level `{level}` is not declared"));
    }
    let mut needs = scenario.needs.iter();
    if let Some(need) = needs.find(|need| !declared.capabilities.contains(need)) {
        return Some(format!("the capability `{}` is not declared", need.name()));
    }
    let json = serde_json::to_string(scenario).unwrap_or_default();
    let unknown = limits_in(&json)
        .into_iter()
        .find(|name| !declared.limits.contains_key(name));
    if let Some(name) = unknown {
        return Some(format!("the limit `{name}` is not declared"));
    }
    let values = Values {
        topic: "",
        round: 0,
        elapsed: 0,
        limits: &declared.limits,
        served: Vec::new(),
        words: Cow::default(),
    };
    let unmet = scenario
        .when
        .iter()
        .find(|condition| !values.holds(condition).unwrap_or(false))?;
    Some(format!("the limits declared are not {unmet}"))
}

/// Whether the server is still there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// It takes a connection and answers on it.
    Serves,
    /// It answers that it takes none for now: of this address, or because it is busy.
    TurnsAway {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// It takes a connection and says nothing on it: it hangs, or knows no ping.
    Mute,
    /// There is no answer, or only one of a proxy before it.
    Gone,
}

/// Asks the server for a sign of life, or only for a connection if it is known to answer no pings.
async fn state_of(backend: &dyn Backend, patience: Duration, answers: bool) -> State {
    let probe = async {
        let mut connection = match backend.connect(ConnectOptions::default()).await {
            Ok(connection) => connection,
            Err(ConnectError::Refused(answer)) if matches!(answer.status, 429 | 503) => {
                let seconds = answer.value("retry-after");
                let seconds = seconds.and_then(|value| value.trim().parse().ok());
                return Some(State::TurnsAway {
                    status: answer.status,
                    retry_after: seconds.map(Duration::from_secs),
                });
            }
            Err(_) => return None,
        };
        if !answers {
            return Some(State::Serves);
        }
        connection.send_text(r#"{"type":"ping"}"#).await;
        let answer = connection.receive(patience).await;
        connection.abort().await;
        match answer {
            Event::Text(_) => Some(State::Serves),
            Event::Nothing => Some(State::Mute),
            Event::Binary(_) | Event::Pong(_) | Event::Closed { .. } => None,
        }
    };
    let state = tokio::time::timeout(patience * 2, probe).await;
    state.ok().flatten().unwrap_or(State::Gone)
}

fn killed(grade: Grade) -> Grade {
    let mut failure = match grade {
        Grade::Failed(failure) => failure,
        Grade::Passed | Grade::Warned(_) | Grade::Skipped { .. } | Grade::NotRun { .. } => {
            Box::new(Failure::after_the_end())
        }
    };
    failure.killed_the_server = true;
    Grade::Failed(failure)
}

//! The suite: a choice of scenarios, and how they are run.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::play::Play;
use crate::report::{Failure, Grade, Report, ScenarioResult};
use crate::template::{Values, limits_in};
use crate::{Backend, Capability, ConnectOptions, Declared, Event, Level, Scenario, scenarios};

/// A choice of scenarios.
///
/// Serialized, it is the whole suite as data, for runners in other languages; the README describes
/// the form.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Suite {
    /// The version of this crate.
    pub version: String,
    /// The scenarios, in the order they are run.
    pub scenarios: Vec<Scenario>,
}

/// How to run a suite.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunOptions {
    /// Scenarios running at the same time. Those that move time, restart the server or may kill it
    /// run alone anyway.
    pub concurrency: usize,
    /// How long to wait for a message that must come, in the backend's own time.
    pub patience: Duration,
    /// How long one scenario may take, in real time.
    pub deadline: Duration,
    /// A part of all topics, so that two runs against one server never meet.
    pub run_id: String,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            concurrency: 1,
            patience: Duration::from_secs(5),
            deadline: Duration::from_secs(60),
            run_id: format!("{:08x}", RandomState::new().hash_one(0) >> 32),
        }
    }
}

impl Suite {
    /// All scenarios, the destructive level [`Level::Robust`] included.
    #[must_use]
    pub fn all() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenarios: scenarios::all(),
        }
    }

    /// Keeps the scenarios of these levels.
    #[must_use]
    pub fn levels(mut self, levels: impl IntoIterator<Item = Level>) -> Self {
        let levels: BTreeSet<_> = levels.into_iter().collect();
        self.scenarios
            .retain(|scenario| levels.contains(&scenario.level));
        self
    }

    /// Keeps the scenarios of one level.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        self.levels([level])
    }

    /// Leaves out scenarios that may end the server.
    #[must_use]
    pub fn without_destructive(mut self) -> Self {
        self.scenarios
            .retain(|scenario| !scenario.level.is_destructive());
        self
    }

    /// Keeps the scenarios whose id is one of these or begins with one of them and a dot.
    #[must_use]
    pub fn matching(mut self, ids: &[&str]) -> Self {
        let is_in = |id: &str, part: &str| {
            id.strip_prefix(part)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.scenarios
            .retain(|scenario| ids.iter().any(|part| is_in(&scenario.id, part)));
        self
    }

    /// The suite as JSON.
    #[must_use]
    pub fn export(&self) -> String {
        serde_json::to_string_pretty(self).expect("scenarios are strings, numbers and lists")
    }

    /// Runs the suite. Results come in the order of the scenarios, whatever ran at the same time.
    pub async fn run(&self, backend: &dyn Backend, options: &RunOptions) -> Report {
        let declared = backend.declared();
        let mut results: Vec<Option<ScenarioResult>> = self
            .scenarios
            .iter()
            .map(|scenario| {
                Some(ScenarioResult::new(
                    scenario,
                    Grade::Skipped {
                        reason: obstacle(scenario, &declared)?,
                    },
                ))
            })
            .collect();

        let todo = |alone: bool, results: &[Option<ScenarioResult>]| -> Vec<usize> {
            let open = results.iter().zip(&self.scenarios).enumerate();
            open.filter(|(_, (result, scenario))| {
                result.is_none() && scenario.runs_alone() == alone
            })
            .map(|(index, _)| index)
            .collect()
        };
        let mut together = stream::iter(todo(false, &results))
            .map(|index| async move { (index, self.run_one(index, backend, options).await) })
            .buffered(options.concurrency.max(1));
        while let Some((index, result)) = together.next().await {
            results[index] = Some(result);
        }
        drop(together);

        let can_restart = declared.capabilities.contains(&Capability::Restart);
        let mut dead = None;
        for index in todo(true, &results) {
            let scenario = &self.scenarios[index];
            if let Some(killer) = &dead {
                let reason = format!("`{killer}` killed the server");
                results[index] = Some(ScenarioResult::new(scenario, Grade::NotRun { reason }));
                continue;
            }
            let mut result = self.run_one(index, backend, options).await;
            if scenario.level.is_destructive() && !is_alive(backend, options.patience).await {
                result.grade = killed(result.grade);
                if !can_restart || backend.restart().await.is_err() {
                    dead = Some(scenario.id.clone());
                }
            }
            results[index] = Some(result);
        }
        Report {
            suite: self.version.clone(),
            backend: declared,
            results: results.into_iter().flatten().collect(),
        }
    }

    async fn run_one(
        &self,
        index: usize,
        backend: &dyn Backend,
        options: &RunOptions,
    ) -> ScenarioResult {
        let scenario = &self.scenarios[index];
        let started = Instant::now();
        let mut play = Play::new(
            backend,
            format!("conformance-{}-{index}", options.run_id),
            options.patience,
        );
        let grade = match tokio::time::timeout(options.deadline, play.run(scenario)).await {
            Ok(Ok(())) => Grade::Passed,
            Ok(Err(problem)) => Grade::Failed(Box::new(play.failure(problem))),
            Err(_) => Grade::Failed(Box::new(play.timed_out(options.deadline))),
        };
        let mut result = ScenarioResult::new(scenario, grade);
        result.millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        result
    }
}

/// Why a scenario cannot be run on a backend that declares this.
fn obstacle(scenario: &Scenario, declared: &Declared) -> Option<String> {
    if !declared.levels.contains(&scenario.level) {
        return Some(format!(
            "the level `{}` is not declared",
            scenario.level.name()
        ));
    }
    if let Some(need) = scenario
        .needs
        .iter()
        .find(|need| !declared.capabilities.contains(need))
    {
        return Some(format!("the backend cannot `{}`", need.name()));
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
        words: Cow::default(),
    };
    let unmet = scenario
        .when
        .iter()
        .find(|condition| !values.holds(condition).unwrap_or(false))?;
    Some(format!("the limits declared are not {unmet}"))
}

/// Whether the server still takes a connection and answers on it.
async fn is_alive(backend: &dyn Backend, patience: Duration) -> bool {
    let probe = async {
        let mut connection = backend.connect(ConnectOptions::default()).await.ok()?;
        connection.send_text(r#"{"type":"ping"}"#).await;
        let answer = connection.receive(patience).await;
        connection.abort().await;
        matches!(answer, Event::Text(_)).then_some(())
    };
    matches!(tokio::time::timeout(patience, probe).await, Ok(Some(())))
}

fn killed(grade: Grade) -> Grade {
    let mut failure = match grade {
        Grade::Failed(failure) => failure,
        Grade::Passed | Grade::Skipped { .. } | Grade::NotRun { .. } => {
            Box::new(Failure::after_the_end())
        }
    };
    failure.killed_the_server = true;
    Grade::Failed(failure)
}

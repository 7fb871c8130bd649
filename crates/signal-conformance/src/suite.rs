//! The suite: a choice of scenarios, and how they are run.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::run::Run;
use crate::{Backend, Level, Progress, Report, Scenario, scenarios};

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
    /// How long one scenario may take, in real time, besides what it waits on purpose.
    pub deadline: Duration,
    /// How long the whole run may take, in real time. What is not done by then is not run. Default
    /// 15 minutes: all that needs no waiting takes a sound server some seconds, and one that dies
    /// of every second scenario some minutes.
    pub time_max: Duration,
    /// Whether to end at the first failure.
    pub fail_fast: bool,
    /// Whether to run scenarios all the same whose basis failed.
    pub keep_going: bool,
    /// A part of all topics, so that two runs against one server never meet.
    pub run_id: String,
    /// On several nodes ([`Declared::nodes`](crate::Declared::nodes)): a seed that places the
    /// clients of every level but `cluster` on them, so that the nodes are judged as one server.
    /// Without one these clients are all on the first.
    ///
    /// What concerns the order of a whole topic or of several topics (O2, O3) is promised on one
    /// node only: the clients of such a scenario share a node.
    pub spread: Option<u64>,
    /// How long nodes get to hear of what was done on another, in real time, where clients are
    /// spread: a ping tells only that the client's own node knows. Default 0.5 s, which is what M4
    /// allows for counts.
    pub settle: Duration,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            concurrency: 1,
            patience: Duration::from_secs(5),
            deadline: Duration::from_secs(60),
            time_max: Duration::from_secs(15 * 60),
            fail_fast: false,
            keep_going: false,
            run_id: format!("{:08x}", RandomState::new().hash_one(0) >> 32),
            spread: None,
            settle: Duration::from_millis(500),
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
        self.run_watched(backend, options, &mut |_| {}).await
    }

    /// Runs the suite, and reports after each scenario how far it has come.
    pub async fn run_watched(
        &self,
        backend: &dyn Backend,
        options: &RunOptions,
        watch: &mut (dyn FnMut(&Progress<'_>) + Send),
    ) -> Report {
        Run::new(self, backend, options, watch).report().await
    }
}

//! What came of a run, as text, JSON, JUnit XML and TAP.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use self::cases::{Case, Cases, Outcome};
use crate::{Declared, EndedEarly, Level, LogEntry, Scenario};

pub mod cases;
mod text;

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of the suite.
    pub suite: String,
    /// What the backend declared.
    pub backend: Declared,
    /// Why the run ended before all was run, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_early: Option<EndedEarly>,
    /// One result for each scenario, in the suite's order.
    pub results: Vec<ScenarioResult>,
}

/// What came of one scenario.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ScenarioResult {
    /// The scenario.
    pub id: String,
    /// Its behaviour as a sentence.
    pub title: String,
    /// Its level.
    pub level: Level,
    /// The requirements it checks.
    pub requirements: Vec<String>,
    /// The grade.
    pub grade: Grade,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// The grade of one scenario.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Grade {
    /// Everything was as expected.
    Passed,
    /// Something was not.
    Failed(Box<Failure>),
    /// Something was not, but the requirement is a SHOULD. No failure.
    Warned(Box<Failure>),
    /// The backend does not declare what it takes. No failure.
    Skipped {
        /// What is missing.
        reason: String,
    },
    /// The server was gone, the run over, or what this builds on had failed.
    NotRun {
        /// Why.
        reason: String,
    },
}

/// What was wrong in a failed scenario.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// The number of the step, from 1; within a repeat followed by the round and the inner step.
    pub step: String,
    /// The step.
    pub action: String,
    /// What should have come, and to whom.
    pub expected: String,
    /// What came.
    pub got: String,
    /// In which members a message that came differs from the one expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// Whether the server was dead afterwards.
    pub killed_the_server: bool,
    /// What of it other scenarios can do without.
    #[serde(skip)]
    pub(crate) kind: Kind,
    /// The last messages on all connections.
    pub log: Vec<LogEntry>,
}

/// What a failure comes to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Nothing came.
    Missing,
    /// A message came with another number of clients.
    Count,
    /// A message came with other members besides those of a publish.
    Members,
    /// A message of the server's own came.
    Stray,
    /// A fence did not come back.
    Unfenced,
    /// Anything else.
    #[default]
    Other,
}

/// How one level fared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tally {
    /// Scenarios passed.
    pub passed: usize,
    /// Scenarios failed.
    pub failed: usize,
    /// Scenarios about a SHOULD that is not met.
    pub warned: usize,
    /// Scenarios skipped.
    pub skipped: usize,
    /// Scenarios not run although they could have been.
    pub not_run: usize,
}

impl Report {
    /// Whether all was run that could be, and nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.results.iter().all(|result| match result.grade {
            Grade::Passed | Grade::Warned(_) | Grade::Skipped { .. } => true,
            Grade::Failed(_) | Grade::NotRun { .. } => false,
        })
    }

    /// How each level in the report fared, in the order of the levels.
    #[must_use]
    pub fn levels(&self) -> BTreeMap<Level, Tally> {
        let mut levels = BTreeMap::<Level, Tally>::new();
        for result in &self.results {
            let tally = levels.entry(result.level).or_default();
            match result.grade {
                Grade::Passed => tally.passed += 1,
                Grade::Failed(_) => tally.failed += 1,
                Grade::Warned(_) => tally.warned += 1,
                Grade::Skipped { .. } => tally.skipped += 1,
                Grade::NotRun { .. } => tally.not_run += 1,
            }
        }
        levels
    }

    /// What failed.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &ScenarioResult> {
        let results = self.results.iter();
        results.filter(|result| matches!(result.grade, Grade::Failed(_)))
    }

    /// The result of one scenario.
    #[must_use]
    pub fn result(&self, id: &str) -> Option<&ScenarioResult> {
        self.results.iter().find(|result| result.id == id)
    }

    /// Each scenario's grade in a word or two: stable from run to run, so that it can be kept in a
    /// file and compared.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<String, String> {
        self.results
            .iter()
            .map(|result| (result.id.clone(), result.grade.summary()))
            .collect()
    }

    /// The report as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("reports are strings, numbers and lists")
    }

    /// The report for people: the verdict of each level, and each failure with what was expected
    /// and what came.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::render(self)
    }

    /// The report as JUnit XML, one test suite for each level.
    #[must_use]
    pub fn to_junit(&self) -> String {
        self.cases().to_junit()
    }

    /// The report in the Test Anything Protocol, version 14.
    #[must_use]
    pub fn to_tap(&self) -> String {
        self.cases().to_tap()
    }

    /// The report as a list of cases, one group for each level.
    #[must_use]
    pub fn cases(&self) -> Cases {
        let verdict = if self.passed() { "passed" } else { "failed" };
        let cases = Cases::new(&self.backend.name, verdict);
        let cases = self.levels().into_keys().fold(cases, |cases, level| {
            let results = self.results.iter().filter(|result| result.level == level);
            cases.group(level.name(), results.map(ScenarioResult::case))
        });
        // A run that did not get to its end is not a success, though nothing failed in it.
        match &self.ended_early {
            Some(reason) if self.failed().next().is_none() => {
                let outcome = Outcome::Failed(reason.to_string());
                cases.group("run", [Case::new("run", Duration::ZERO, outcome)])
            }
            Some(_) | None => cases,
        }
    }
}

impl ScenarioResult {
    pub(crate) fn new(scenario: &Scenario, grade: Grade) -> Self {
        Self {
            id: scenario.id.clone(),
            title: scenario.title.clone(),
            level: scenario.level,
            requirements: scenario.requirements.clone(),
            grade,
            millis: 0,
        }
    }

    fn case(&self) -> Case {
        let outcome = match &self.grade {
            Grade::Passed => Outcome::Passed,
            Grade::Failed(failure) => Outcome::Failed(failure.headline()),
            Grade::Warned(failure) => Outcome::Warned(failure.headline()),
            Grade::Skipped { reason } | Grade::NotRun { reason } => {
                Outcome::Skipped(reason.clone())
            }
        };
        let time = Duration::from_millis(self.millis);
        let case = Case::new(&self.id, time, outcome).title(&self.title);
        match &self.grade {
            Grade::Failed(failure) | Grade::Warned(failure) => case
                .fact("requirements", self.requirements.join(", "))
                .fact("action", &failure.action)
                .log(failure.log.iter().map(ToString::to_string)),
            Grade::Passed | Grade::Skipped { .. } | Grade::NotRun { .. } => case,
        }
    }
}

impl Grade {
    /// The grade of a scenario that could not be judged, for that other one failed.
    pub(crate) fn not_judged(culprit: &str) -> Self {
        let reason = format!("`{culprit}` failed");
        Self::NotRun { reason }
    }

    /// The grade in a word or two.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Passed => "passed".to_owned(),
            Self::Failed(failure) if failure.killed_the_server => {
                "failed: killed the server".to_owned()
            }
            Self::Failed(_) => "failed".to_owned(),
            Self::Warned(_) => "warned".to_owned(),
            Self::Skipped { reason } => format!("skipped: {reason}"),
            Self::NotRun { reason } => format!("not run: {reason}"),
        }
    }
}

impl Failure {
    /// The failure of a scenario whose steps all went well, but after which the server was gone.
    pub(crate) fn after_the_end() -> Self {
        Self {
            step: "end".to_owned(),
            action: "connect again and ping".to_owned(),
            expected: "a server that still answers".to_owned(),
            got: "none".to_owned(),
            difference: None,
            killed_the_server: true,
            kind: Kind::Other,
            log: Vec::new(),
        }
    }

    /// What went wrong, in a line that begins with what is wrong.
    #[must_use]
    pub fn headline(&self) -> String {
        let end = if self.killed_the_server {
            "; this killed the server"
        } else {
            ""
        };
        let difference = self.difference.as_ref();
        let difference = difference.map_or(String::new(), |what| format!("{what}; "));
        format!(
            "step {}: {difference}expected {}, got {}{end}",
            self.step, self.expected, self.got
        )
    }
}

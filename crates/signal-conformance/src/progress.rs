//! How far a run has come, and why it ended early.

use std::fmt;

use serde::Serialize;

use crate::report::ScenarioResult;

/// How far a run has come: reported after each scenario.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The scenario that has just ended, and how.
    pub result: &'a ScenarioResult,
    /// How many have been run, or left out because another one failed.
    pub done: usize,
    /// How many there are to run.
    pub total: usize,
    /// How many have failed.
    pub failed: usize,
}

/// Why a run ended before all was run.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndedEarly {
    /// [`RunOptions::time_max`](crate::RunOptions::time_max) was over.
    TimeOver {
        /// What it was.
        seconds: u64,
    },
    /// A scenario had failed, and [`RunOptions::fail_fast`](crate::RunOptions::fail_fast) was set.
    FirstFailure {
        /// That scenario.
        scenario: String,
    },
    /// The server had ended and could not be started again.
    ServerGone {
        /// The scenario that ended it, if that is known.
        killer: Option<String>,
    },
    /// The server, though alive, went on to refuse all connections of the suite's address.
    TurnedAway {
        /// The HTTP status of its answers.
        status: u16,
        /// The scenario after which it began, if that is known.
        after: Option<String>,
    },
}

impl fmt::Display for EndedEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeOver { seconds } => write!(f, "the run was over after {seconds} s"),
            Self::FirstFailure { scenario } => {
                write!(f, "`{scenario}` failed, and the run was to end there")
            }
            Self::ServerGone {
                killer: Some(killer),
            } => write!(f, "`{killer}` killed the server"),
            Self::ServerGone { killer: None } => f.write_str("the server is gone"),
            Self::TurnedAway { status, after } => {
                write!(
                    f,
                    "the server refuses all connections with HTTP status {status}"
                )?;
                match after {
                    Some(after) => write!(f, " since `{after}`"),
                    None => Ok(()),
                }
            }
        }
    }
}

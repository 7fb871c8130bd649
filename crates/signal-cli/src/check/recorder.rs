use std::future::Future;
use std::time::{Duration, Instant};

use crate::check::explain;
use crate::check::report::{NOT_TRIED, Problem, Status, Step};

/// What a step that was not in vain has to say.
#[derive(Debug)]
pub(crate) struct Done<T> {
    value: T,
    detail: String,
    warning: Option<Problem>,
    /// What the step is about is not there, and need not be.
    is_absent: bool,
}

impl Done<()> {
    /// There was nothing to look at.
    pub(crate) fn absent(detail: impl Into<String>) -> Self {
        Self {
            is_absent: true,
            ..Self::new((), detail)
        }
    }
}

impl<T> Done<T> {
    pub(crate) fn new(value: T, detail: impl Into<String>) -> Self {
        Self {
            value,
            detail: detail.into(),
            warning: None,
            is_absent: false,
        }
    }

    pub(crate) fn into_value(self) -> T {
        self.value
    }

    /// The same with another value.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Done<U> {
        Done {
            value: change(self.value),
            detail: self.detail,
            warning: self.warning,
            is_absent: self.is_absent,
        }
    }

    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    pub(crate) fn warn_if(mut self, warning: Option<Problem>) -> Self {
        self.warning = self.warning.or(warning);
        self
    }
}

/// The result of what happens in a step.
pub(crate) type Work<T> = Result<Done<T>, Problem>;

/// A step failed; those that rest on it are in vain.
#[derive(Debug)]
pub(crate) struct Stop;

/// Takes steps and writes down how they went.
#[derive(Debug)]
pub(crate) struct Recorder {
    steps: Vec<Step>,
    timeout: Duration,
    slow: Duration,
}

impl Recorder {
    pub(crate) fn new(timeout: Duration, slow: Duration) -> Self {
        Self {
            steps: Vec::new(),
            timeout,
            slow,
        }
    }

    /// Takes one step, for as long as the timeout allows.
    pub(crate) async fn step<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Work<T>>,
    ) -> Result<T, Stop> {
        let timeout = self.timeout;
        let limited = async move {
            let result = tokio::time::timeout(timeout, work).await;
            result.unwrap_or_else(|_| Err(explain::timed_out(name, timeout)))
        };
        self.patient_step(name, limited).await
    }

    /// Takes one step that limits its time itself.
    pub(crate) async fn patient_step<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Work<T>>,
    ) -> Result<T, Stop> {
        let started = Instant::now();
        let result = work.await;
        let time = started.elapsed();
        let (value, status, detail, problem) = match result {
            Ok(Done {
                value,
                detail,
                warning,
                is_absent,
            }) => {
                let slow = || {
                    self.is_slow(name, time)
                        .then(|| explain::slow(name, self.slow))
                };
                let warning = warning.or_else(slow);
                let status = match warning {
                    Some(_) => Status::Warned,
                    None if is_absent => Status::Skipped,
                    None => Status::Passed,
                };
                (Ok(value), status, detail, warning)
            }
            Err(problem) => (Err(Stop), Status::Failed, String::new(), Some(problem)),
        };
        let (problem, fix) = problem.map(|Problem { what, fix }| (what, fix)).unzip();
        self.steps.push(Step {
            name,
            status,
            time,
            detail,
            problem,
            fix,
        });
        value
    }

    /// Writes down that there is no such step here.
    pub(crate) fn skip(&mut self, name: &'static str, why: &str) {
        let (status, time, detail) = (Status::Skipped, Duration::ZERO, why.to_owned());
        self.steps.push(Step {
            name,
            status,
            time,
            detail,
            problem: None,
            fix: None,
        });
    }

    /// All steps, those not taken as skipped, in the order of `names`.
    pub(crate) fn finish(mut self, names: &[&'static str]) -> Vec<Step> {
        for name in names {
            if !self.steps.iter().any(|step| step.name == *name) {
                self.skip(name, NOT_TRIED);
            }
        }
        let place = |step: &Step| names.iter().position(|name| *name == step.name);
        self.steps.sort_by_key(place);
        self.steps
    }

    /// The steps of a connection are one wait each; in the others times add up.
    fn is_slow(&self, name: &str, time: Duration) -> bool {
        matches!(name, "resolve" | "tcp" | "tls" | "upgrade") && time > self.slow
    }
}

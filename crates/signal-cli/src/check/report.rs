use std::future::Future;
use std::time::{Duration, Instant};

use crate::check::explain;

/// Said of a step that rests on one that failed.
pub(crate) const NOT_TRIED: &str = "not tried, because of what failed before";

/// What went wrong, and what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) what: String,
    pub(crate) mend: String,
}

impl Problem {
    pub(crate) fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            mend: mend.into(),
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    Passed,
    /// It works, but not as it should.
    Warned,
    Failed,
    /// There was nothing to do, or no way to do it any more.
    Skipped,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One step of a check, as it went.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) status: Status,
    pub(crate) time: Duration,
    /// What was seen.
    pub(crate) detail: String,
    /// What went wrong, if it failed or warned.
    pub(crate) problem: Option<String>,
    /// What to do about that.
    pub(crate) mend: Option<String>,
}

impl Step {
    /// What was seen and what is wrong with it, in one line.
    pub(crate) fn line(&self) -> String {
        match &self.problem {
            None => self.detail.clone(),
            Some(problem) if self.detail.is_empty() => problem.clone(),
            Some(problem) => format!("{}; {problem}", self.detail),
        }
    }
}

/// What all steps come to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Verdict {
    Working,
    Degraded,
    Broken,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Degraded => "degraded",
            Self::Broken => "broken",
        }
    }

    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Working => 0,
            Self::Degraded => 1,
            Self::Broken => 2,
        }
    }
}

/// The times of some pings, in order of size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pings(Vec<Duration>);

impl Pings {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn min(&self) -> Option<Duration> {
        self.0.first().copied()
    }

    pub(crate) fn median(&self) -> Option<Duration> {
        self.0.get(self.0.len() / 2).copied()
    }
}

/// A whole check.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The address, fit to be shown.
    pub(crate) url: String,
    /// What was assumed of the address.
    pub(crate) notes: Vec<String>,
    pub(crate) steps: Vec<Step>,
    pub(crate) pings: Pings,
}

impl Report {
    pub(crate) fn verdict(&self) -> Verdict {
        let has = |status| self.steps.iter().any(|step| step.status == status);
        if has(Status::Failed) {
            Verdict::Broken
        } else if has(Status::Warned) {
            Verdict::Degraded
        } else {
            Verdict::Working
        }
    }

    /// How long it took until the first client was connected, if it ever was.
    pub(crate) fn connected(&self) -> Option<Duration> {
        let until = self.steps.iter().position(|step| step.name == "upgrade")?;
        let way = &self.steps[..=until];
        let is_open = matches!(way.last()?.status, Status::Passed | Status::Warned);
        is_open.then(|| way.iter().map(|step| step.time).sum())
    }

    /// How long it took altogether.
    pub(crate) fn time(&self) -> Duration {
        self.steps.iter().map(|step| step.time).sum()
    }

    pub(crate) fn count(&self, status: Status) -> usize {
        self.steps
            .iter()
            .filter(|step| step.status == status)
            .count()
    }
}

/// What a step that was not in vain has to say.
#[derive(Debug)]
pub(crate) struct Done<T> {
    value: T,
    detail: String,
    warning: Option<Problem>,
}

impl<T> Done<T> {
    pub(crate) fn new(value: T, detail: impl Into<String>) -> Self {
        Self {
            value,
            detail: detail.into(),
            warning: None,
        }
    }

    pub(crate) fn into_value(self) -> T {
        self.value
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
            }) => {
                let slow = || {
                    self.is_slow(name, time)
                        .then(|| explain::slow(name, self.slow))
                };
                let warning = warning.or_else(slow);
                let status = if warning.is_some() {
                    Status::Warned
                } else {
                    Status::Passed
                };
                (Ok(value), status, detail, warning)
            }
            Err(problem) => (Err(Stop), Status::Failed, String::new(), Some(problem)),
        };
        let (problem, mend) = problem.map(|Problem { what, mend }| (what, mend)).unzip();
        self.steps.push(Step {
            name,
            status,
            time,
            detail,
            problem,
            mend,
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
            mend: None,
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

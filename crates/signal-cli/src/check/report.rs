use std::time::Duration;

/// Said of a step that rests on one that failed.
pub(crate) const NOT_TRIED: &str = "not tried, because of what failed before";

/// What went wrong, and what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) what: String,
    pub(crate) fix: String,
}

impl Problem {
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            fix: fix.into(),
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
    pub(crate) fix: Option<String>,
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
}

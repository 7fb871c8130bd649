//! One scenario of a run, against the clock.

use std::time::{Duration, Instant};

use crate::play::{Faults, Play};
use crate::report::Grade;
use crate::{Backend, RunOptions, Scenario, Step, Suite};

/// One scenario about to be played.
pub(crate) struct Playing<'a> {
    scenario: &'a Scenario,
    play: Play<'a>,
    deadline: Duration,
    end: Instant,
}

impl<'a> Playing<'a> {
    pub(crate) fn new(
        suite: &'a Suite,
        index: usize,
        backend: &'a dyn Backend,
        options: &RunOptions,
        began: Instant,
        has_echo: bool,
        faults: Faults,
    ) -> Self {
        let scenario = &suite.scenarios[index];
        let topic = format!("conformance-{}-{index}", options.run_id);
        let play = Play::new(backend, topic, options, has_echo, faults);
        Self {
            deadline: options.deadline + play.waits(&scenario.steps),
            end: began + options.time_max,
            scenario,
            play,
        }
    }

    /// The grade, unless the time for the whole run is over first, and how long it took.
    pub(crate) async fn grade(mut self) -> (Option<Grade>, Duration) {
        let started = Instant::now();
        let left = self.end.saturating_duration_since(started);
        let deadline = self.deadline.min(left);
        if left.is_zero() {
            return (None, Duration::ZERO);
        }
        let grade = match tokio::time::timeout(deadline, self.play.run(self.scenario)).await {
            Ok(Ok(())) => Some(match self.play.met() {
                Some(fault) => Grade::not_judged(fault),
                None => Grade::Passed,
            }),
            Ok(Err(problem)) => Some(Grade::Failed(Box::new(self.play.failure(problem)))),
            Err(_) if left < self.deadline => None,
            Err(_) => Some(Grade::Failed(Box::new(self.play.timed_out(deadline)))),
        };
        (grade, started.elapsed())
    }
}

impl Play<'_> {
    /// How long the steps wait on purpose.
    fn waits(&self, steps: &[Step]) -> Duration {
        let waits = steps.iter().map(|step| {
            if let Step::Repeat { times, steps } = step {
                let times = u32::try_from(self.number(times)).unwrap_or(u32::MAX);
                return self.waits(steps).saturating_mul(times);
            }
            let waited = if let Step::Advance { ms } = step {
                Some(ms)
            } else if let Step::ExpectClosed { within, .. }
            | Step::Await { within, .. }
            | Step::Meet { within, .. } = step
            {
                within.as_ref()
            } else {
                None
            };
            Duration::from_millis(waited.map_or(0, |ms| self.number(ms)))
        });
        waits.fold(Duration::ZERO, Duration::saturating_add)
    }
}

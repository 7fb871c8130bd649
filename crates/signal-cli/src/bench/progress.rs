use std::io::{IsTerminal, Write};
use std::time::Duration;

use signal_bench::{Phase, Plan, Progress};

use crate::bench::text::thousands;

/// One line on a terminal, if standard error is one, that says how far the run is.
#[derive(Debug)]
pub(crate) struct Display {
    is_shown: bool,
    warmup: Duration,
    duration: Duration,
    /// Deliveries when the phase began, and which that is.
    began: Option<(Phase, u64)>,
}

impl Display {
    pub(crate) fn new(is_quiet: bool, plan: &Plan) -> Self {
        Self {
            is_shown: !is_quiet && std::io::stderr().is_terminal(),
            warmup: plan.warmup,
            duration: plan.duration,
            began: None,
        }
    }

    pub(crate) fn show(&mut self, place: &str, progress: &Progress) {
        if !self.is_shown {
            return;
        }
        if self.began.is_none_or(|(phase, _)| phase != progress.phase) {
            self.began = Some((progress.phase, progress.deliveries));
        }
        let before = self.began.map_or(0, |(_, before)| before);
        let line = match progress.phase {
            Phase::Open => format!("connecting: {} of {}", progress.ready, progress.connections),
            Phase::Settle => format!("{} connections, memory is measured", progress.ready),
            Phase::Meet => "waiting until each node knows of the members on the others".to_owned(),
            Phase::WarmUp => format!("warm-up: {}", self.bar(progress.elapsed, self.warmup)),
            Phase::Measure => {
                let seconds = progress.elapsed.as_secs_f64().max(0.001);
                let rate = (progress.deliveries - before) as f64 / seconds;
                let bar = self.bar(progress.elapsed, self.duration);
                format!("measuring: {bar} {} deliveries/s", thousands(rate))
            }
            Phase::Drain | _ => "waiting for what is on its way".to_owned(),
        };
        self.write(&format!("\r\x1b[K{place}{line}"));
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.is_shown {
            self.write("\r\x1b[K");
        }
    }

    fn bar(&self, elapsed: Duration, all: Duration) -> String {
        const WIDTH: usize = 30;
        let share = elapsed.as_secs_f64() / all.as_secs_f64().max(0.001);
        let full = ((share * WIDTH as f64) as usize).min(WIDTH);
        format!(
            "{}{} {:.0} s of {:.0} s",
            "█".repeat(full),
            "░".repeat(WIDTH - full),
            elapsed.as_secs_f64(),
            all.as_secs_f64()
        )
    }

    fn write(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        // Nobody is left to tell if this fails.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

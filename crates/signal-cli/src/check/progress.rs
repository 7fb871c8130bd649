//! How far a run of the suite has come, on standard error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use signal_conformance::{Grade, Progress};

use crate::lines;
use crate::show;

/// How long nothing may be said where lines cannot be written over, as in a log of CI.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How much of a problem is shown: the report has all of it.
const PROBLEM_CHARS_MAX: usize = 160;

/// A counter, and a line for each failure: at once, so that nobody waits for the report in vain.
#[derive(Debug)]
pub(crate) struct Display {
    is_quiet: bool,
    is_terminal: bool,
    began: Instant,
    written: Instant,
    done: usize,
    total: usize,
    failed: usize,
}

impl Display {
    pub(crate) fn new(is_quiet: bool, total: usize) -> Self {
        let now = Instant::now();
        Self {
            is_quiet,
            is_terminal: std::io::stderr().is_terminal(),
            began: now,
            written: now,
            done: 0,
            total,
            failed: 0,
        }
    }

    /// Counts a scenario, and names it if it failed.
    pub(crate) fn show(&mut self, progress: &Progress<'_>) {
        (self.done, self.total, self.failed) = (progress.done, progress.total, progress.failed);
        if let Grade::Failed(failure) = &progress.result.grade {
            let headline = failure.headline();
            let problem = shortened(&headline);
            self.line(&format!("✗ {}: {problem}", progress.result.id));
        }
        self.tick();
    }

    /// Shows the counter anew, if it is time.
    pub(crate) fn tick(&mut self) {
        let counter = self.counter();
        if self.is_terminal {
            self.write(&format!("\r\x1b[K{counter}"));
        } else if self.written.elapsed() >= SILENCE_MAX {
            self.line(&counter);
        }
    }

    /// Takes the counter away, where it can be.
    pub(crate) fn clear(&mut self) {
        if self.is_terminal {
            self.write("\r\x1b[K");
        }
    }

    fn counter(&self) -> String {
        let seconds = self.began.elapsed().as_secs();
        let (done, total) = (self.done, show::count(self.total, "scenario"));
        match self.failed {
            0 => format!("{done} of {total}, {seconds} s"),
            failed => format!("{done} of {total}, {failed} failed, {seconds} s"),
        }
    }

    /// Writes a line that stays.
    fn line(&mut self, text: &str) {
        self.clear();
        self.write(&lines::for_stderr(&format!("{text}\n")));
    }

    fn write(&mut self, text: &str) {
        if self.is_quiet {
            return;
        }
        self.written = Instant::now();
        let mut out = std::io::stderr().lock();
        // Nobody is left to be told if this fails.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// The beginning of a problem, and that there is more of it.
fn shortened(problem: &str) -> String {
    match problem.char_indices().nth(PROBLEM_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &problem[..at]),
        None => problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_that_is_cut_shows_it() {
        assert_eq!(shortened("short"), "short");
        let long = "é".repeat(PROBLEM_CHARS_MAX + 1);
        assert_eq!(shortened(&long), "é".repeat(PROBLEM_CHARS_MAX) + "…");
    }
}

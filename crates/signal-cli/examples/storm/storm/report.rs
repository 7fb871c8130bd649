//! What was measured, in words.

use std::fmt;

use crate::storm::{Outcome, Stretch};

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients = self.clients;
        let tries = self.tries();
        let seconds = self.storm.length.as_secs_f64();
        let most = self.tries_max();
        writeln!(
            f,
            "{clients} clients with expired tokens, {seconds:.0} s: {tries} tries ({:.0} each second; stock clients \
             make at most {most}); answers: {:?}",
            tries as f64 / seconds,
            self.answers
        )?;
        write_stretch(f, "quiet", &self.quiet)?;
        write_stretch(f, "storm", &self.storm)?;
        let used = self.storm.after.processor - self.storm.before.processor;
        writeln!(
            f,
            "storm: {:.0} µs of processor time for each try",
            used.as_secs_f64() * 1e6 / tries.max(1) as f64
        )
    }
}

fn write_stretch(f: &mut fmt::Formatter<'_>, name: &str, stretch: &Stretch) -> fmt::Result {
    let (before, after) = (stretch.before, stretch.after);
    let used = (after.processor - before.processor).as_secs_f64() / stretch.length.as_secs_f64();
    writeln!(
        f,
        "{name}: {:.1} % of one processor; resident {} KiB, at most {} KiB; {} bytes of log",
        used * 100.0,
        after.resident_kib,
        after.resident_peak_kib,
        stretch.log_bytes(),
    )?;
    let micros = |part: f64| stretch.pair.quantile(part).as_micros();
    writeln!(
        f,
        "{name}: {} messages of the honest pair: median {} µs, 99 % {} µs, slowest {} µs",
        stretch.pair.count(),
        micros(0.5),
        micros(0.99),
        micros(1.0),
    )
}

//! What `compare` and `cluster-cost` share: `signal bench` on one core, against servers on another.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::command;
use crate::install::on_path;
use crate::stop::Stop;

/// The core of the servers, and that of the load.
pub(crate) const SERVER_CORE: &str = "0";
pub(crate) const LOAD_CORE: &str = "1";

/// The load exceeds what one peer may send by default; all other limits stay as they are.
pub(crate) const RATES: [&str; 16] = [
    "--messages-per-second",
    "1000000",
    "--messages-burst",
    "1000000",
    "--fan-out-per-second",
    "1000000000",
    "--fan-out-burst",
    "1000000000",
    "--bytes-per-second",
    "4000000000",
    "--bytes-burst",
    "4000000000",
    "--fan-out-bytes-per-second",
    "1000GiB",
    "--fan-out-bytes-burst",
    "1000GiB",
];

/// What is asked for on the command line.
pub(crate) struct Options {
    pub(crate) is_quick: bool,
    pub(crate) rounds: u32,
    pub(crate) only: String,
    pub(crate) resumes: bool,
    pub(crate) builds: bool,
}

impl Options {
    /// Reads the arguments, and checks that this machine can measure.
    pub(crate) fn read(arguments: &[String], rounds: u32, usage: &str) -> Result<Self, Stop> {
        let options = Self::parse(arguments, rounds).filter(|options| {
            // Only some of these commands can.
            !options.resumes || usage.contains("--resume")
        });
        let options = options.ok_or_else(|| Stop::Failed(usage.to_owned()))?;
        if !cfg!(target_os = "linux") || on_path(&["taskset"]).is_none() {
            return Err(Stop::Missing {
                what: "Linux with taskset".to_owned(),
                fix: "run it there".to_owned(),
            });
        }
        if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
            return Err(Stop::Failed(
                "one core for the server and one for the load are needed".to_owned(),
            ));
        }
        Ok(options)
    }

    fn parse(arguments: &[String], rounds: u32) -> Option<Self> {
        let mut options = Self {
            is_quick: false,
            rounds,
            only: String::new(),
            resumes: false,
            builds: true,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => (options.is_quick, options.rounds) = (true, 1),
                "--rounds" => options.rounds = arguments.next()?.parse().ok().filter(|n| *n > 0)?,
                "--only" => options.only = arguments.next()?.clone(),
                "--resume" => options.resumes = true,
                "--no-build" => options.builds = false,
                _ => return None,
            }
        }
        Some(options)
    }

    /// How long a measurement takes.
    pub(crate) fn duration(&self) -> &'static str {
        if self.is_quick { "1s" } else { "2500ms" }
    }
}

/// A command on one core, which prints nothing.
pub(crate) fn pinned(core: &str, program: impl AsRef<Path>) -> Command {
    let mut command = command("taskset", ["--cpu-list", core]);
    command.arg(program.as_ref());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// `signal bench`, to be run by [`measure`].
pub(crate) fn bench(signal: &Path) -> Command {
    let mut bench = pinned(LOAD_CORE, signal);
    bench.args(["bench", "--csv", "--quiet"]);
    bench
}

/// Runs `signal bench`. `read` makes a measurement of its report and of whether it succeeded.
pub(crate) fn measure<M>(
    bench: &mut Command,
    read: impl FnOnce(&Report, bool) -> Option<M>,
) -> Result<M, Stop> {
    let output = bench.stderr(Stdio::piped()).stdout(Stdio::piped()).output();
    let output =
        output.map_err(|error| Stop::Failed(format!("signal bench did not start: {error}")))?;
    let report = Report::parse(&String::from_utf8_lossy(&output.stdout));
    let measurement = report.and_then(|report| read(&report, output.status.success()));
    measurement.ok_or_else(|| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let line = complaint.lines().next().unwrap_or("no report");
        Stop::Failed(format!("signal bench: {line}"))
    })
}

/// A report of `signal bench` as CSV: a line of names and one of values.
pub(crate) struct Report(Vec<(String, String)>);

impl Report {
    pub(crate) fn parse(csv: &str) -> Option<Self> {
        let mut lines = csv.lines();
        let (names, values) = (lines.next()?.split(','), lines.next()?.split(','));
        let columns = names.zip(values);
        let columns = columns.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(Self(columns.collect()))
    }

    /// A number by its name, if it was measured.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        value.parse().ok()
    }
}

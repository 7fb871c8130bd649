//! A step, how it can end, and running commands inside it.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::tools::Tools;
use crate::workspace;

/// Something that CI runs.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// What it is called on the command line and in the summary.
    pub(crate) name: &'static str,
    /// What it shows when it passes.
    pub(crate) about: &'static str,
    /// Runs it.
    pub(crate) run: fn(&Tools) -> Result<(), Stop>,
}

/// Why a step did not pass.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// It ran and found something wrong.
    Failed(String),
    /// It could not run: `what` is not there, and `fix` would change that. A failure in CI.
    Missing { what: String, fix: String },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) => f.write_str(reason),
            Self::Missing { what, fix } => write!(f, "{what} is missing; {fix}"),
        }
    }
}

/// Whether a step that cannot run is a failure.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// A command in the workspace's top folder.
pub(crate) fn command<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(workspace::root())
        .stdin(Stdio::null());
    command
}

/// The cargo that runs this program.
pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    command(
        std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        arguments,
    )
}

/// Runs a command, showing it and what it prints.
pub(crate) fn run(command: &mut Command) -> Result<(), Stop> {
    let line = shown(command);
    println!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Stop::Failed(format!("`{line}` ended with {status}"))),
        Err(error) => Err(Stop::Failed(format!("`{line}` did not start: {error}"))),
    }
}

/// Runs a command and returns what it printed; `None` if it could not be started or failed.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn shown(command: &Command) -> String {
    let environment = command
        .get_envs()
        .filter_map(|(key, value)| Some(format!("{}={:?} ", key.display(), value?)));
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    environment.collect::<String>() + &words.join(" ")
}

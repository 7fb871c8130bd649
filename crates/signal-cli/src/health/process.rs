//! The relay of a container: what it was started with.
//!
//! A container's health check has the container's environment, but not the flags of its command. So
//! they are read where the kernel shows them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::{Cli, Command};
use crate::settings::{Environment, Given};

/// The settings of the relay that is the first process here, or the only one started by the first,
/// as by an init.
pub(super) fn settings() -> Option<(Given, Environment)> {
    let own = fs::read_link("/proc/self/exe").ok()?;
    let relay = find(&own)?;
    // Where it looks for a file that is named without a folder.
    let _ = std::env::set_current_dir(relay.folder.join("cwd"));
    let environment = relay.environment()?;
    Some((relay.given, environment))
}

struct Relay {
    /// In `/proc`.
    folder: PathBuf,
    given: Given,
}

fn find(program: &Path) -> Option<Relay> {
    if let Some(first) = Relay::read("1", program) {
        return Some(first);
    }
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut children = names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && parent(name) == Some(1))
        .filter_map(|name| Relay::read(&name, program));
    let only = children.next()?;
    children.next().is_none().then_some(only)
}

fn parent(process: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

impl Relay {
    /// The process, if it is this program and serves.
    fn read(process: &str, program: &Path) -> Option<Self> {
        let folder = Path::new("/proc").join(process);
        if fs::read_link(folder.join("exe")).ok()? != program {
            return None;
        }
        let arguments = texts(&folder.join("cmdline"))?;
        let cli = Cli::of(arguments.into_iter().map(Into::into).collect()).ok()?;
        match cli.command {
            Command::Serve(args) => Some(Self {
                folder,
                given: args.given,
            }),
            Command::Check(_)
            | Command::Bench(_)
            | Command::Config(_)
            | Command::Token(_)
            | Command::Completions { .. } => None,
        }
    }

    fn environment(&self) -> Option<Environment> {
        let texts = texts(&self.folder.join("environ"))?;
        let variables = texts.iter().filter_map(|text| text.split_once('='));
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(variables.collect())
    }
}

/// What the kernel shows with a zero behind each.
fn texts(file: &Path) -> Option<Vec<String>> {
    let bytes = fs::read(file).ok()?;
    let texts = bytes
        .split(|byte| *byte == 0)
        .filter(|text| !text.is_empty());
    Some(
        texts
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect(),
    )
}

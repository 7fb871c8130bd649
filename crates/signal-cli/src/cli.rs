//! What can be written on the command line.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};

use crate::bench::BenchArgs;
use crate::check::CheckArgs;
use crate::config::ConfigArgs;
use crate::settings::Given;
use crate::token::TokenArgs;

/// A signaling relay for y-webrtc apps, and a check for any such server.
///
/// Without a command it serves: `signal` is `signal serve`.
#[derive(Debug, Parser)]
#[command(name = "signal", version, override_usage = "signal [COMMAND]")]
#[command(after_help = "Start a relay:          signal serve
See every setting:      signal serve --help
See whether it works:   signal check ws://localhost:4444")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a relay (what `signal` does without a command)
    ///
    /// Each setting is a flag, an environment variable and a key of the configuration file, by the
    /// same name: --peers-max 500, SIGNAL_PEERS_MAX=500, peers_max = 500. A flag wins over the
    /// environment, the environment over the file. PORT alone, as hosting platforms set it, means
    /// that port on every interface.
    #[command(override_usage = "signal [serve] [OPTIONS]")]
    Serve(ServeArgs),
    /// Check whether a y-webrtc signaling server works, any server
    ///
    /// Two clients look the name up, connect, subscribe to a topic that nobody else uses, publish
    /// both ways and measure pings. Nothing of it disturbs the apps that use the server.
    ///
    /// Exit code: 0 working, 1 degraded (it works, but slowly or not quite right), 2 broken, 64
    /// wrong usage. With --health: 0 healthy, 1 unhealthy.
    Check(Box<CheckArgs>),
    /// Put a server under load, any server, and measure it
    ///
    /// Opens rooms full of connections, publishes in them, and checks each delivery: did it come,
    /// once, in order, and when? A relay drops what exceeds its rates, so start it with higher
    /// ones; the report says which the load needs.
    ///
    /// Exit code: 0 all is well; 1 a delivery was lost, doubled or out of order, a --fail-if was
    /// true, or the load could not be run; 2 wrong usage.
    Bench(Box<BenchArgs>),
    /// Check or print the settings that `serve` would use
    Config(ConfigArgs),
    /// Make keys, sign tokens, and explain what a token allows
    Token(TokenArgs),
    /// Print a script that completes commands and flags
    Completions {
        /// Where to complete
        shell: clap_complete::Shell,
    },
}

/// The same error, with what a word seems to mean that stands where none is expected: the program
/// has no such words, and others have.
pub(crate) fn with_guess(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let kind = if error.kind() == ErrorKind::InvalidSubcommand {
        ContextKind::InvalidSubcommand
    } else {
        ContextKind::InvalidArg
    };
    let Some(ContextValue::String(word)) = error.get(kind) else {
        return error;
    };
    let command = |at: usize| arguments.get(at).and_then(|command| command.to_str());
    let command = match command(1) {
        Some("config") if command(2) == Some("print") => "signal config print",
        Some("config") => "signal config check",
        Some("check" | "bench" | "token" | "completions") => return error,
        _ => "signal serve",
    };
    let given = arguments.iter().filter_map(|argument| argument.to_str());
    let given: Vec<_> = given.flat_map(|argument| argument.split('=')).collect();
    let at = given.iter().position(|part| part == word);
    let value = at.and_then(|at| given.get(at + 1)).copied();
    let guess = match word.as_str() {
        "--port" | "-p" => Some(port(command, value)),
        _ => guess(word, command),
    };
    if let Some(guess) = guess {
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![guess.into()]),
        );
    }
    error
}

/// What to write in place of the `--port` of other servers.
fn port(command: &str, value: Option<&str>) -> String {
    let port = value.filter(|value| value.parse::<u16>().is_ok());
    let port = port.unwrap_or("4444");
    format!(
        "to choose the port, write: {command} --listen localhost:{port}, or --listen {port} for every interface"
    )
}

fn guess(word: &str, command: &str) -> Option<String> {
    let is_file = || word.ends_with(".toml") || Path::new(word).is_file();
    let is_place = || word.parse::<u16>().is_ok() || word.contains(':');
    Some(if word.starts_with('-') {
        return None;
    } else if word.contains("://") {
        format!("to check a server, write: signal check {word}")
    } else if is_file() {
        format!("to read settings from a file, write: {command} --config {word}")
    } else if is_place() {
        let host = if word.contains(':') { "" } else { "localhost:" };
        format!("to listen there, write: signal serve --listen {host}{word}")
    } else {
        return None;
    })
}

/// The flags of `serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) given: Given,
}

impl Cli {
    /// The arguments with `serve` put in where no command is named.
    pub(crate) fn arguments() -> Vec<OsString> {
        with_default_command(std::env::args_os().collect())
    }

    /// What a process with these arguments was asked to do.
    ///
    /// # Errors
    ///
    /// They make no sense: that process has ended.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(arguments: Vec<OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(with_default_command(arguments))
    }
}

fn with_default_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_command = |first: &OsString| {
        let first = first.to_string_lossy();
        !first.starts_with('-') || ["-h", "--help", "-V", "--version"].contains(&&*first)
    };
    if !arguments.get(1).is_some_and(is_command) {
        arguments.insert(arguments.len().min(1), "serve".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str) -> String {
        let words = with_default_command(line.split(' ').map(OsString::from).collect());
        words
            .iter()
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn to_serve_is_the_default() {
        assert_eq!(completed("signal"), "signal serve");
        assert_eq!(completed("signal --listen :1"), "signal serve --listen :1");
        assert_eq!(completed("signal check ws://a"), "signal check ws://a");
        assert_eq!(completed("signal --help"), "signal --help");
        assert_eq!(completed("signal -V"), "signal -V");
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}

//! The `signal` command. What it does stands in the README and in `signal --help`.

mod admin;
mod any_certificate;
mod bench;
mod check;
mod cli;
mod config;
mod failure;
mod health;
mod lines;
mod serve;
mod settings;
mod show;
mod text_file;
mod token;
mod webhook;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Cli::arguments();
    let is_check = arguments.get(1).is_some_and(|command| command == "check");
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let error = cli::with_guess(error, &arguments);
            let is_wrong = error.use_stderr();
            if is_wrong {
                lines::tell(&error.render().ansi().to_string());
            } else {
                // Nobody is left to tell if this fails.
                let _ = error.print();
            }
            return match (is_wrong, is_check) {
                (false, _) => ExitCode::SUCCESS,
                (true, true) => ExitCode::from(check::USAGE),
                (true, false) => ExitCode::from(2),
            };
        }
    };
    run(&cli).unwrap_or_else(|failure| {
        failure.report();
        failure.exit_code()
    })
}

fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Command::Serve(args) => serve::run(&args.given),
        Command::Check(args) => {
            let outcome = match args.health {
                true => health::run(args.timeout)?,
                false => check::run(args)?,
            };
            print(&outcome.text);
            Ok(ExitCode::from(outcome.exit_code))
        }
        Command::Bench(args) => {
            serve::descriptors::Descriptors::raise();
            let outcome = bench::run(args)?;
            print(&outcome.text);
            Ok(outcome.exit_code)
        }
        Command::Config(args) => {
            serve::descriptors::Descriptors::raise();
            print(&args.run().map_err(Failure::Settings)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Token(args) => {
            let (text, exit_code) = args.run()?;
            print(&text);
            Ok(exit_code)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "signal", &mut script);
            print(&String::from_utf8_lossy(&script));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Prints without colours where there is no terminal; a reader that has left, as `head` does, is
/// not an error.
fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

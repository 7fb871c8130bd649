//! `signal config`: what would `serve` use, and is it right?

use std::fmt::Write;
use std::sync::Arc;

use clap::{Args, Subcommand};
use signal_access::{Access, TurnServers};

use crate::admin::ApiKey;
use crate::serve::tls::Tls;
use crate::serve::turn;
use crate::serve::{access, cluster};
use crate::settings::{
    Consequence, Environment, Given, Mistake, Resolved, SETTINGS, Setting, Settings, meant_by,
    resolve, toml_value,
};
use crate::webhook::Webhook;

/// What to do with the settings.
#[derive(Args, Debug)]
#[command(subcommand_required = true)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Report every mistake in the settings; exit code 2 if there is one
    Check {
        #[command(flatten)]
        given: Given,
    },
    /// Print each setting with its value and where that comes from, as a TOML file
    Print {
        /// The defaults with what they mean, as a file to begin with
        #[arg(long, conflicts_with = "markdown")]
        defaults: bool,
        /// As environment variables instead of TOML
        #[arg(long, conflicts_with = "markdown")]
        env: bool,
        /// The limits as a table in Markdown
        #[arg(long)]
        markdown: bool,
        #[command(flatten)]
        given: Given,
    },
}

impl ConfigArgs {
    /// What to print.
    ///
    /// # Errors
    ///
    /// The mistakes in the settings.
    pub(crate) fn run(&self) -> Result<String, Vec<Mistake>> {
        match &self.command {
            ConfigCommand::Check { given } => check(given),
            ConfigCommand::Print { markdown: true, .. } => Ok(markdown()),
            ConfigCommand::Print {
                defaults: true,
                env,
                ..
            } => Ok(defaults(*env)),
            ConfigCommand::Print { env, given, .. } => {
                Ok(print(&resolve(given, &Environment::read())?, *env))
            }
        }
    }
}

/// The settings, and the files that they name.
fn check(given: &Given) -> Result<String, Vec<Mistake>> {
    let resolved = Arc::new(resolve(given, &Environment::read())?);
    let (tls, access) = (Tls::load(&resolved), access::load(&resolved));
    let (turn, admin_key) = (turn::load(&resolved), ApiKey::load(&resolved));
    let (cluster, webhook) = (cluster::load(&resolved), Webhook::load(&resolved));
    match (tls, access, turn, admin_key, cluster, webhook) {
        (Ok(_), Ok(access), Ok(turn), Ok(_), Ok(_), Ok(_)) => {
            Ok(summary(&resolved, &access, turn.as_ref()))
        }
        (tls, access, turn, admin_key, cluster, webhook) => {
            let doors = [tls.err(), access.err(), turn.err(), admin_key.err()];
            let mistakes = doors.into_iter().chain([cluster.err(), webhook.err()]);
            Err(mistakes.flatten().collect())
        }
    }
}

fn summary(resolved: &Resolved, access: &Access, turn: Option<&TurnServers>) -> String {
    let set = resolved
        .iter()
        .filter(|(_, origin)| !origin.is_default())
        .count();
    let strangers = resolved.strangers.iter().map(|variable| {
        let meant = meant_by(variable).map(|ours| format!("; perhaps {ours} is meant"));
        let meant = meant.unwrap_or_default();
        format!(
            "warning: {variable} is an environment variable without effect: there is no setting of this name{meant}\n"
        )
    });
    let notices = access::notices(access).map(|notice| format!("warning: {notice}\n"));
    let turn = turn.map(|servers| format!("TURN credentials: {servers}\n"));
    format!(
        "{}the settings are right: {set} given, {} as by default\nwho may come in: {access}\n{}",
        strangers.chain(notices).collect::<String>(),
        SETTINGS.len() - set,
        turn.unwrap_or_default()
    )
}

fn print(resolved: &Resolved, env: bool) -> String {
    let lines = resolved.iter().map(|(setting, origin)| {
        let value = setting.show(&resolved.settings);
        (assignment(setting, &value, env), origin)
    });
    let lines: Vec<_> = lines.collect();
    let width = lines
        .iter()
        .map(|(line, _)| line.len())
        .max()
        .unwrap_or_default();
    lines.iter().fold(String::new(), |mut out, (line, origin)| {
        let _ = writeln!(out, "{line:<width$}  # {origin}");
        out
    })
}

fn defaults(env: bool) -> String {
    let settings = Settings::default();
    SETTINGS.iter().fold(String::new(), |mut out, setting| {
        let past = setting
            .limit
            .map(|limit| format!(" Past it: {}.", limit.past))
            .unwrap_or_default();
        let _ = writeln!(out, "# {}.{past}", setting.what);
        let line = assignment(setting, &setting.show(&settings), env);
        // What depends on the machine would be wrong on the next one.
        let is_of_machine = setting.default.is_some() && !line.starts_with('#');
        let mark = if is_of_machine { "# " } else { "" };
        let _ = writeln!(out, "{mark}{line}\n");
        out
    })
}

/// A setting as a line of a file or of the environment. What is not set is a comment: an empty
/// value would be a mistake.
fn assignment(setting: &Setting, value: &str, env: bool) -> String {
    let mark = if value.is_empty() { "# " } else { "" };
    if env {
        format!("{mark}{}={value}", setting.variable())
    } else {
        format!("{mark}{} = {}", setting.name, toml_value(value))
    }
}

/// The table that the README shows.
fn markdown() -> String {
    let settings = Settings::default();
    let mut out = "| name | default | what | past it | why |\n|---|---|---|---|---|\n".to_owned();
    for setting in SETTINGS.iter() {
        let Some(Consequence { past, why }) = setting.limit else {
            continue;
        };
        let default = setting
            .default
            .map_or_else(|| setting.show(&settings), str::to_owned);
        let _ = writeln!(
            out,
            "| `{}` | {default} | {} | {past} | {why} |",
            setting.name, setting.what
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_a_file_that_can_be_read() {
        let resolved = resolve(&Given::default(), &Environment::default()).expect("defaults");
        for text in [print(&resolved, false), defaults(false)] {
            let table: toml::Table =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(table["message_bytes_max"].as_str(), Some("64KiB"));
            assert_eq!(table["depth_max"].as_integer(), Some(128));
        }
    }
}

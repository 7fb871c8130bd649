use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::settings::setting::Setting;
use crate::settings::{SETTINGS, Settings};

const FILE: &str = "config";

/// What the command line says about the settings. The flags are those of [`SETTINGS`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) file: Option<PathBuf>,
    pub(crate) flags: Vec<(&'static Setting, String)>,
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE)
            .long(FILE)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Read settings from a TOML file [also SIGNAL_CONFIG]");
        let defaults = Settings::default();
        let flags = SETTINGS.iter().map(|setting| flag(setting, &defaults));
        command.arg(file).args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(setting: &'static Setting, defaults: &Settings) -> Arg {
    let default = setting
        .default
        .map_or_else(|| setting.show(defaults), str::to_owned);
    let past = setting
        .limit
        .map(|limit| format!("; past it: {}", limit.past))
        .unwrap_or_default();
    let arg = Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.form())
        .action(ArgAction::Set)
        // A wrong value is reported with all others, and with the range.
        .value_parser(value_parser!(String))
        .allow_hyphen_values(true)
        .help(format!("{}{past} [default: {default}]", setting.what));
    let arg = if setting.limit.is_some() {
        arg.help_heading("Limits")
    } else {
        arg
    };
    if setting.is_switch() {
        arg.num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else {
        arg
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one::<PathBuf>(FILE).cloned();
        let given = SETTINGS.iter().filter_map(|setting| {
            let text = matches.get_one::<String>(setting.name)?;
            Some((setting, text.clone()))
        });
        self.flags = given.collect();
        Ok(())
    }
}

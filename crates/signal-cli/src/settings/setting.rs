use std::ops::RangeInclusive;
use std::time::Duration;

use crate::settings::Settings;
use crate::settings::value::{
    parse_count, parse_size, parse_switch, parse_time, show_size, show_time,
};

/// One setting: its name, what it means, and where it lives.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The name, as in the file; flags and variables follow from it.
    pub(crate) name: &'static str,
    /// What it does, for help and README.
    pub(crate) what: &'static str,
    /// What makes it a limit, if it is one.
    pub(crate) limit: Option<Limit>,
    /// The default in words, where it depends on the machine.
    pub(crate) default: Option<&'static str>,
    pub(crate) field: Field,
}

/// What there is to know of a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// What happens past it.
    pub(crate) past: &'static str,
    /// Where the default comes from.
    pub(crate) why: &'static str,
}

/// The place of a setting in [`Settings`].
#[derive(Debug)]
pub(crate) enum Field {
    Number {
        unit: Unit,
        read: fn(&Settings) -> u64,
        write: fn(&mut Settings, u64),
    },
    Text {
        /// What to write, as it stands in the help.
        form: &'static str,
        read: fn(&Settings) -> String,
        write: fn(&mut Settings, &str) -> Result<(), String>,
    },
}

/// What a number counts, and so how it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unit {
    Count,
    Bytes,
    Millis,
    Seconds,
    /// 0 or 1.
    Switch,
}

impl Setting {
    /// The flag without its dashes.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("SIGNAL_{}", self.name.to_ascii_uppercase())
    }

    /// What to write for the value, as it stands in the help.
    pub(crate) fn form(&self) -> &'static str {
        match self.field {
            Field::Text { form, .. } => form,
            Field::Number { unit, .. } => unit.form(),
        }
    }

    pub(crate) fn is_switch(&self) -> bool {
        matches!(
            self.field,
            Field::Number {
                unit: Unit::Switch,
                ..
            }
        )
    }

    /// The value as one would write it.
    pub(crate) fn show(&self, settings: &Settings) -> String {
        match self.field {
            Field::Text { read, .. } => read(settings),
            Field::Number { unit, read, .. } => unit.show(read(settings)),
        }
    }

    /// Sets the value.
    pub(crate) fn set(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        match self.field {
            Field::Text { write, .. } => write(settings, text),
            Field::Number { unit, write, .. } => {
                write(settings, unit.parse(text)?);
                Ok(())
            }
        }
    }

    /// A range as one would write its ends.
    pub(crate) fn show_range(&self, range: &RangeInclusive<u64>) -> String {
        let show = |number| match self.field {
            Field::Number { unit, .. } => unit.show(number),
            Field::Text { .. } => number.to_string(),
        };
        format!("{} to {}", show(*range.start()), show(*range.end()))
    }
}

impl Unit {
    fn form(self) -> &'static str {
        match self {
            Self::Count => "N",
            Self::Bytes => "SIZE",
            Self::Millis | Self::Seconds => "TIME",
            Self::Switch => "BOOL",
        }
    }

    fn parse(self, text: &str) -> Result<u64, String> {
        match self {
            Self::Count => parse_count(text),
            Self::Bytes => parse_size(text),
            Self::Millis => parse_time(text).map(millis),
            Self::Seconds => {
                let time = parse_time(text)?;
                let is_whole = time.subsec_nanos() == 0;
                if is_whole {
                    Ok(time.as_secs())
                } else {
                    Err("not a whole number of seconds".to_owned())
                }
            }
            Self::Switch => parse_switch(text).map(u64::from),
        }
    }

    /// Writes a number so that [`parse`](Self::parse) reads it again.
    pub(crate) fn show(self, number: u64) -> String {
        match self {
            Self::Count => number.to_string(),
            Self::Bytes => show_size(number),
            Self::Millis => show_time(number),
            Self::Seconds => format!("{number}s"),
            Self::Switch => (number != 0).to_string(),
        }
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

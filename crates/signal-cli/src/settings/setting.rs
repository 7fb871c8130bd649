use std::ops::RangeInclusive;

use signal_access::{AddressLimits, trim_unseen};
use signal_core::{Limit, Limits, Unit};
use signal_tokio::Config;
#[cfg(feature = "cluster")]
use signal_tokio::cluster::{ClusterConfig, signal_cluster};

use crate::settings::Settings;

/// One setting: its name, what it means, and where it lives.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The name, as in the file; flags and variables follow from it.
    pub(crate) name: &'static str,
    /// What it does, for help and README.
    pub(crate) what: &'static str,
    /// What makes it a limit, if it is one.
    pub(crate) limit: Option<Consequence>,
    /// The default in words, where it depends on the machine or is not a value.
    pub(crate) default: Option<&'static str>,
    pub(crate) field: Field,
}

/// What there is to know of a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consequence {
    /// What happens past it.
    pub(crate) past: &'static str,
    /// Where the default comes from.
    pub(crate) why: &'static str,
}

/// The place of a setting in [`Settings`].
#[derive(Debug)]
pub(crate) enum Field {
    Number(Number),
    Text(Text),
}

/// A setting that is not a number.
#[derive(Debug)]
pub(crate) struct Text {
    /// What to write, as it stands in the help.
    pub(crate) form: &'static str,
    /// A value that is right.
    pub(crate) example: &'static str,
    /// What the relay does if it is left out, for one that keeps someone out or something in.
    pub(crate) without: Option<&'static str>,
    /// Whether what stands between `//` and `@` in it must not be shown.
    pub(crate) has_secrets: bool,
    pub(crate) read: fn(&Settings) -> String,
    pub(crate) write: fn(&mut Settings, &str) -> Result<(), String>,
}

/// A limit of one of the libraries, or of our own.
#[derive(Debug)]
pub(crate) struct Number {
    unit: Unit,
    range: RangeInclusive<u64>,
    zero: bool,
    place: Place,
}

/// Whose field it is.
#[derive(Debug)]
pub(crate) enum Place {
    Own(Read<Settings>, Write<Settings>),
    Relay(Read<Config>, Write<Config>),
    Core(Read<Limits>, Write<Limits>),
    Addresses(Read<AddressLimits>, Write<AddressLimits>),
    #[cfg(feature = "cluster")]
    Cluster(Read<ClusterConfig>, Write<ClusterConfig>),
    #[cfg(feature = "cluster")]
    Nodes(Read<signal_cluster::Config>, Write<signal_cluster::Config>),
    #[cfg(feature = "cluster")]
    Bus(Read<signal_nats::Config>, Write<signal_nats::Config>),
}

type Read<Owner> = fn(&Owner) -> u64;
type Write<Owner> = fn(&mut Owner, u64);

impl Setting {
    /// The setting of a limit.
    pub(crate) fn limit<Owner>(
        limit: &Limit<Owner>,
        place: fn(Read<Owner>, Write<Owner>) -> Place,
    ) -> Self {
        Self {
            name: limit.name,
            what: limit.what,
            limit: Some(Consequence {
                past: limit.past,
                why: limit.why,
            }),
            default: limit.default_from,
            field: Field::Number(Number {
                unit: limit.unit,
                range: limit.range.clone(),
                zero: limit.zero,
                place: place(limit.get, limit.set),
            }),
        }
    }

    /// The same setting as one that guards: the default in words, and what leaving it out means.
    pub(crate) fn guards(mut self, default: &'static str, without: &'static str) -> Self {
        self.default = Some(default);
        if let Field::Text(text) = &mut self.field {
            text.without = Some(without);
        }
        self
    }

    /// The same setting as one that may have a password in it.
    #[cfg(feature = "cluster")]
    pub(crate) fn with_secrets(mut self) -> Self {
        if let Field::Text(text) = &mut self.field {
            text.has_secrets = true;
        }
        self
    }

    /// What was written for it, without a password that may be in it.
    pub(crate) fn masked(&self, text: &str) -> String {
        match &self.field {
            Field::Text(field) if field.has_secrets => mask(text),
            Field::Text(_) | Field::Number(_) => text.to_owned(),
        }
    }

    /// Whether it keeps someone out, so that an empty value must not count as none.
    pub(crate) fn is_guard(&self) -> bool {
        match &self.field {
            Field::Text(text) => text.without.is_some(),
            Field::Number(number) => number.unit == Unit::Switch,
        }
    }

    /// Whether only a text can be meant: a number or `false` is a mistake, not the name of a file.
    pub(crate) fn is_guarding_text(&self) -> bool {
        self.is_guard() && !self.is_switch()
    }

    /// Whether its value is a list with commas.
    pub(crate) fn is_list(&self) -> bool {
        self.form().contains(',')
    }

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
        match &self.field {
            Field::Text(text) => text.form,
            Field::Number(number) => match number.unit {
                Unit::Bytes => "SIZE",
                Unit::Millis | Unit::Seconds => "TIME",
                Unit::Switch => "BOOL",
                Unit::Count => "N",
            },
        }
    }

    pub(crate) fn is_switch(&self) -> bool {
        matches!(&self.field, Field::Number(number) if number.unit == Unit::Switch)
    }

    /// The value as one would write it.
    pub(crate) fn show(&self, settings: &Settings) -> String {
        match &self.field {
            Field::Text(text) => (text.read)(settings),
            Field::Number(number) => number.unit.show(number.read(settings)),
        }
    }

    /// Sets the value.
    pub(crate) fn set(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        match &self.field {
            Field::Text(_) if is_blank(text) => Err("is empty".to_owned()),
            Field::Text(field) => (field.write)(settings, text),
            Field::Number(number) => {
                let value = number.unit.parse(text)?;
                number.judge(value)?;
                number.write(settings, value);
                Ok(())
            }
        }
    }

    /// A value that is right.
    pub(crate) fn example(&self) -> String {
        match &self.field {
            Field::Text(text) => text.example.to_owned(),
            Field::Number(number) if self.default.is_some() => {
                number.unit.show(round(number.read(&Settings::default())))
            }
            Field::Number(_) => self.show(&Settings::default()),
        }
    }

    /// What to write instead of a text, in the form that `written` gives to a value.
    pub(crate) fn advice(&self, text: &str, written: impl Fn(&str) -> String) -> String {
        match &self.field {
            Field::Text(field) => {
                let example = written(&self.example());
                match field.without {
                    Some(without) if is_blank(text) => {
                        format!("write for example {example}, or leave it out to {without}")
                    }
                    _ => format!("write for example {example}"),
                }
            }
            Field::Number(number) => {
                let range = number.unit.show_range(&number.range, number.zero);
                let of = if number.zero { "of " } else { "" };
                let example = written(&self.example());
                format!("write a value {of}{range}, such as {example}")
            }
        }
    }
}

/// A list of addresses without what stands before the `@` in each.
fn mask(text: &str) -> String {
    let mask = |address: &str| match address.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("//").map_or("", |(scheme, _)| scheme);
            let slashes = if scheme.is_empty() { "" } else { "//" };
            format!("{scheme}{slashes}***@{host}")
        }
        None => address.to_owned(),
    };
    text.split(',').map(mask).collect::<Vec<_>>().join(",")
}

/// Whether nothing is written there, not even in a list.
pub(super) fn is_blank(text: &str) -> bool {
    text.split(',').all(|entry| trim_unseen(entry).is_empty())
}

/// Numbers and switches stand as they are, everything else in quotes, as in a file of settings.
pub(crate) fn toml_value(value: &str) -> String {
    // `060` is not a number there.
    let is_number = value
        .parse()
        .is_ok_and(|number: u64| number.to_string() == value);
    let is_bare = is_number || value.parse::<bool>().is_ok();
    if is_bare {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// A count to begin with where the default is that of one machine: its first digit.
fn round(count: u64) -> u64 {
    let step = 10_u64.pow(count.checked_ilog10().unwrap_or_default());
    count / step * step
}

impl Number {
    pub(crate) fn read(&self, settings: &Settings) -> u64 {
        match self.place {
            Place::Own(read, _) => read(settings),
            Place::Relay(read, _) => read(&settings.relay),
            Place::Core(read, _) => read(&settings.relay.core),
            Place::Addresses(read, _) => read(&settings.relay.addresses),
            #[cfg(feature = "cluster")]
            Place::Cluster(read, _) => read(&settings.cluster.relay),
            #[cfg(feature = "cluster")]
            Place::Nodes(read, _) => read(&settings.cluster.relay.nodes),
            #[cfg(feature = "cluster")]
            Place::Bus(read, _) => read(&settings.cluster.nats),
        }
    }

    pub(crate) fn write(&self, settings: &mut Settings, value: u64) {
        match self.place {
            Place::Own(_, write) => write(settings, value),
            Place::Relay(_, write) => write(&mut settings.relay, value),
            Place::Core(_, write) => write(&mut settings.relay.core, value),
            Place::Addresses(_, write) => write(&mut settings.relay.addresses, value),
            #[cfg(feature = "cluster")]
            Place::Cluster(_, write) => write(&mut settings.cluster.relay, value),
            #[cfg(feature = "cluster")]
            Place::Nodes(_, write) => write(&mut settings.cluster.relay.nodes, value),
            #[cfg(feature = "cluster")]
            Place::Bus(_, write) => write(&mut settings.cluster.nats, value),
        }
    }

    fn judge(&self, value: u64) -> Result<(), String> {
        if self.range.contains(&value) || (self.zero && value == 0) {
            Ok(())
        } else if value > *self.range.end() {
            Err("too large".to_owned())
        } else {
            Err("too small".to_owned())
        }
    }
}

/// A setting that is not a limit.
pub(super) fn text(
    name: &'static str,
    form: &'static str,
    example: &'static str,
    what: &'static str,
    read: fn(&Settings) -> String,
    write: fn(&mut Settings, &str) -> Result<(), String>,
) -> Setting {
    Setting {
        name,
        what,
        limit: None,
        default: None,
        field: Field::Text(Text {
            form,
            example,
            without: None,
            has_secrets: false,
            read,
            write,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_signs_in_is_not_shown_wherever_it_stands() {
        for (text, masked) in [
            ("nats://ann:s3@cret@a, b", "nats://***@a, b"),
            ("tls://s3cret@a/b@c", "tls://***@c"),
            ("ann:s3cret@a,http://ann:s3cret@b", "***@a,http://***@b"),
            ("nats://a", "nats://a"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }
}

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use signal_tokio::{Config, ConfigError};

use crate::settings::setting::{Field, Setting};
use crate::settings::sources::{Environment, File};
use crate::settings::{Given, Mistake, SETTINGS, Settings};

const THREADS: RangeInclusive<u64> = 1..=1_024;

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    Flag(String),
    Variable(String),
    /// The environment as a whole.
    Environment,
    File {
        path: String,
        line: usize,
    },
    Default,
    /// A default that depends on the machine, and on what of it.
    Machine(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Environment => f.write_str("environment variable"),
            Self::File { path, line } => write!(f, "{path}, line {line}"),
            Self::Default => f.write_str("default"),
            Self::Machine(what) => write!(f, "default: {what}"),
        }
    }
}

/// All settings, and where each comes from.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) settings: Settings,
    /// In the order of [`SETTINGS`].
    origins: Vec<Origin>,
}

impl Resolved {
    /// Each setting with its origin.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Setting, &Origin)> {
        SETTINGS.iter().zip(&self.origins)
    }

    pub(crate) fn origin(&self, name: &str) -> &Origin {
        self.iter()
            .find(|(setting, _)| setting.name == name)
            .map_or(&Origin::Default, |(_, origin)| origin)
    }
}

/// Brings flags, environment, file and defaults together, the first that names a setting being
/// right.
///
/// # Errors
///
/// Everything that is wrong, not just the first.
pub(crate) fn resolve(given: &Given, environment: &Environment) -> Result<Resolved, Vec<Mistake>> {
    let mut mistakes = environment.mistakes();
    let file = read_file(given, environment, &mut mistakes);
    let mut settings = Settings::default();
    let mut origins = Vec::with_capacity(SETTINGS.len());
    let mut texts = BTreeMap::new();
    for setting in SETTINGS {
        let Some((text, origin)) = find(setting, given, environment, &file) else {
            origins.push(setting.default.map_or(Origin::Default, Origin::Machine));
            continue;
        };
        if let Err(problem) = setting.set(&mut settings, &text) {
            let mend = mend(setting, &origin, range_of(setting).as_ref());
            mistakes.push(Mistake::value(setting, &text, &origin, problem, mend));
        }
        texts.insert(setting.name, text);
        origins.push(origin);
    }
    use_port(&mut settings, &mut origins, environment, &mut mistakes);
    let mut resolved = Resolved { settings, origins };
    check_ranges(&mut resolved, &texts, &mut mistakes);
    if mistakes.is_empty() {
        Ok(resolved)
    } else {
        Err(mistakes)
    }
}

fn read_file(given: &Given, environment: &Environment, mistakes: &mut Vec<Mistake>) -> File {
    if let Some(path) = &given.file {
        return File::read(path, &Origin::Flag("--config".to_owned()), mistakes);
    }
    match environment.file() {
        Some(path) => File::read(
            &path,
            &Origin::Variable("SIGNAL_CONFIG".to_owned()),
            mistakes,
        ),
        None => File::default(),
    }
}

fn find(
    setting: &Setting,
    given: &Given,
    environment: &Environment,
    file: &File,
) -> Option<(String, Origin)> {
    let flag = given
        .flags
        .iter()
        .find(|(flag, _)| flag.name == setting.name);
    if let Some((_, text)) = flag {
        return Some((text.clone(), Origin::Flag(format!("--{}", setting.flag()))));
    }
    if let Some(text) = environment.value(setting) {
        return Some((text.to_owned(), Origin::Variable(setting.variable())));
    }
    let (text, origin) = file.value(setting)?;
    Some((text.to_owned(), origin.clone()))
}

/// Takes the port from `PORT`, unless a flag or `SIGNAL_LISTEN` names it.
///
/// Platforms that set it send their traffic from outside, and y-webrtc's server listens on every
/// interface: so do we then, unless the file says on which.
fn use_port(
    settings: &mut Settings,
    origins: &mut [Origin],
    environment: &Environment,
    mistakes: &mut Vec<Mistake>,
) {
    let (Some(text), Some(place)) = (
        environment.port(),
        SETTINGS.iter().position(|setting| setting.name == "listen"),
    ) else {
        return;
    };
    if matches!(origins[place], Origin::Flag(_) | Origin::Variable(_)) {
        return;
    }
    let origin = Origin::Variable("PORT".to_owned());
    let Ok(port) = text.trim().parse() else {
        let mend = "set PORT to a number from 0 to 65535, or unset it";
        mistakes.push(Mistake::value(
            &SETTINGS[place],
            text,
            &origin,
            "not a port",
            mend,
        ));
        return;
    };
    let is_named = matches!(origins[place], Origin::File { .. });
    let ip = if is_named {
        settings.listen.ip()
    } else {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    };
    settings.listen = SocketAddr::new(ip, port);
    origins[place] = origin;
}

/// Finds every value out of its range; each is replaced, so that the next can be seen.
fn check_ranges(
    resolved: &mut Resolved,
    texts: &BTreeMap<&str, String>,
    mistakes: &mut Vec<Mistake>,
) {
    for _ in SETTINGS {
        let Some((name, range)) = out_of_range(&resolved.settings) else {
            return;
        };
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            return;
        };
        let origin = resolved.origin(name).clone();
        let problem = format!("must be from {}", setting.show_range(&range));
        let text = texts.get(name).cloned();
        let text = text.unwrap_or_else(|| setting.show(&resolved.settings));
        let mend = mend(setting, &origin, Some(&range));
        mistakes.push(Mistake::value(setting, &text, &origin, problem, mend));
        let Field::Number { write, .. } = setting.field else {
            return;
        };
        write(&mut resolved.settings, *range.start());
    }
}

/// The first setting that is out of its range, and the range.
fn out_of_range(settings: &Settings) -> Option<(&'static str, RangeInclusive<u64>)> {
    if !THREADS.contains(&(settings.threads as u64)) {
        return Some(("threads", THREADS));
    }
    range_of_error(&settings.relay)
}

fn range_of_error(config: &Config) -> Option<(&'static str, RangeInclusive<u64>)> {
    match config.check().err()? {
        ConfigError::Limit(error) => Some((error.name, error.min..=error.max)),
        ConfigError::OutOfRange { name, min, max, .. } => Some((name, min..=max)),
        _ => None,
    }
}

/// The range of a number, asked from who checks it.
fn range_of(setting: &Setting) -> Option<RangeInclusive<u64>> {
    let Field::Number { write, .. } = setting.field else {
        return None;
    };
    [u64::MAX, 0].into_iter().find_map(|extreme| {
        let mut settings = Settings::default();
        write(&mut settings, extreme);
        out_of_range(&settings)
            .filter(|(name, _)| *name == setting.name)
            .map(|(_, range)| range)
    })
}

/// What to write instead, in the way it was written.
fn mend(setting: &Setting, origin: &Origin, range: Option<&RangeInclusive<u64>>) -> String {
    let default = setting.show(&Settings::default());
    let example = match range {
        // The default may be what is out of range, if other settings moved the range.
        Some(range) => match setting.field {
            Field::Number { unit, read, .. } if !range.contains(&read(&Settings::default())) => {
                unit.show(*range.start())
            }
            Field::Number { .. } | Field::Text { .. } => default,
        },
        None => default,
    };
    let write = match origin {
        Origin::Variable(name) => format!("{name}={example}"),
        Origin::File { .. } => format!("{} = {example:?}", setting.name),
        Origin::Flag(_) | Origin::Environment | Origin::Default | Origin::Machine(_) => {
            format!("--{} {example}", setting.flag())
        }
    };
    match range {
        Some(range) => format!(
            "write a value from {}, such as {write}",
            setting.show_range(range)
        ),
        None => format!("write for example {write}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn flags(flags: &[(&str, &str)]) -> Given {
        let find = |name: &str| {
            SETTINGS
                .iter()
                .find(|setting| setting.name == name)
                .expect("a setting")
        };
        let flags = flags
            .iter()
            .map(|(name, text)| (find(name), (*text).to_owned()))
            .collect();
        Given { file: None, flags }
    }

    #[test]
    fn every_mistake_is_told_not_just_the_first() {
        let given = flags(&[
            ("depth_max", "300"),
            ("threads", "0"),
            ("peers_max", "many"),
        ]);
        let mistakes = resolve(&given, &environment(&[("SIGNAL_WRITE_DEADLINE", "1ms")]))
            .expect_err("four mistakes");
        let text = mistakes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(mistakes.len(), 4, "{text}");
        assert!(text.contains("write_deadline = \"1ms\" (environment variable SIGNAL_WRITE_DEADLINE): must be from 100ms to 3600s"), "{text}");
        assert!(text.contains("such as SIGNAL_WRITE_DEADLINE=10s"), "{text}");
        assert!(
            text.contains("threads = \"0\" (flag --threads): must be from 1 to 1024"),
            "{text}"
        );
        assert!(
            text.contains("peers_max = \"many\" (flag --peers-max): not a whole number"),
            "{text}"
        );
    }

    #[test]
    fn a_default_that_another_setting_made_too_small_says_what_it_must_be() {
        let given = flags(&[("message_bytes_max", "4MiB")]);
        let mistakes =
            resolve(&given, &Environment::default()).expect_err("the queue holds no message");
        let [mistake] = &mistakes[..] else {
            panic!("{mistakes:?}")
        };
        let text = mistake.to_string();
        assert!(
            text.contains("outbound_bytes_max = \"1MiB\" (default): must be from 4097KiB"),
            "{text}"
        );
        assert!(
            text.contains("such as --outbound-bytes-max 4097KiB"),
            "{text}"
        );
    }

    #[test]
    fn port_opens_every_interface_unless_somebody_says_which() {
        let port = [("PORT", "8080")];
        let listen = |given: &Given, variables: &[(&str, &str)]| {
            let resolved = resolve(given, &environment(variables)).expect("valid settings");
            (
                resolved.settings.listen.to_string(),
                resolved.origin("listen").clone(),
            )
        };
        let from_port = Origin::Variable("PORT".to_owned());
        assert_eq!(
            listen(&flags(&[]), &port),
            ("0.0.0.0:8080".to_owned(), from_port)
        );
        assert_eq!(
            listen(&flags(&[("listen", "127.0.0.1:1")]), &port).0,
            "127.0.0.1:1"
        );
        assert_eq!(
            listen(&flags(&[]), &[("PORT", "8080"), ("SIGNAL_LISTEN", "9")]).0,
            "127.0.0.1:9"
        );
        assert_eq!(listen(&flags(&[]), &[]).0, "127.0.0.1:4444");
        let mistakes =
            resolve(&flags(&[]), &environment(&[("PORT", "http")])).expect_err("no port");
        assert!(
            mistakes[0]
                .to_string()
                .contains("listen = \"http\" (environment variable PORT): not a port")
        );
    }

    #[test]
    fn every_range_is_known_to_whoever_checks_it() {
        for setting in SETTINGS {
            if matches!(setting.name, "invalid_messages_max" | "limit_private_ips") {
                continue; // Anything goes.
            }
            let is_number = matches!(setting.field, Field::Number { .. });
            assert_eq!(range_of(setting).is_some(), is_number, "{}", setting.name);
        }
    }
}

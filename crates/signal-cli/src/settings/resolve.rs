use std::collections::BTreeMap;
use std::net::SocketAddr;

use signal_tokio::{Config, ConfigError, Listen};

use crate::settings::origin::Origin;
use crate::settings::resolved::{Resolved, disagreement, written};
use crate::settings::setting::Setting;
use crate::settings::sources::{Environment, File};
use crate::settings::{Given, Mistake, SETTINGS, Settings, cluster};

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
    for setting in SETTINGS.iter() {
        let Some((text, origin)) = find(setting, given, environment, &file) else {
            origins.push(setting.default.map_or(Origin::Default, Origin::Machine));
            continue;
        };
        if let Err(problem) = setting.set(&mut settings, &text) {
            let fix = setting.advice(&text, |value| written(setting, &origin, value));
            let shown = setting.masked(&text);
            mistakes.push(Mistake::value(setting, &shown, &origin, problem, fix));
        }
        texts.insert(setting.name, text);
        origins.push(origin);
    }
    use_port(&mut settings, &mut origins, environment, &mut mistakes);
    let strangers = environment.strangers();
    let mut resolved = Resolved {
        settings,
        origins,
        strangers,
    };
    if resolved.origin("peers_max").is_default() {
        let default = Config::for_threads(resolved.settings.threads);
        resolved.settings.relay.peers_max = default.peers_max;
    }
    if let Err(ConfigError::Limit(error)) = resolved.settings.relay.check() {
        mistakes.push(disagreement(&resolved, &texts, &error));
    }
    mistakes.extend(cluster::check(&mut resolved, &texts));
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
        let fix = "set PORT to a number from 0 to 65535, or unset it";
        mistakes.push(Mistake::value(
            &SETTINGS[place],
            text,
            &origin,
            "not a port",
            fix,
        ));
        return;
    };
    if !matches!(origins[place], Origin::File { .. }) {
        settings.listen = Listen::Everywhere(port);
        origins[place] = origin;
        return;
    }
    settings.listen = match &settings.listen {
        Listen::Address(address) => SocketAddr::new(address.ip(), port).into(),
        Listen::Localhost(_) => Listen::Localhost(port),
        Listen::Everywhere(_) => Listen::Everywhere(port),
        // It has no port.
        #[cfg(unix)]
        Listen::Unix { .. } => return,
    };
    origins[place] = origin;
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
    fn more_threads_leave_fewer_open_files_for_peers() {
        let peers_max = |given: &[(&str, &str)]| {
            let resolved = resolve(&flags(given), &environment(&[])).expect("valid settings");
            resolved.settings.relay.peers_max
        };
        let (few, many) = (
            peers_max(&[("threads", "1")]),
            peers_max(&[("threads", "11")]),
        );
        assert_eq!(few - many, 80);
        let both = [("threads", "11"), ("peers_max", "500")];
        assert_eq!(peers_max(&both), 500);
    }

    #[test]
    fn every_mistake_is_reported_not_just_the_first() {
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
        for sentence in [
            "write_deadline = \"1ms\" (environment variable SIGNAL_WRITE_DEADLINE): too small",
            "write a value from 100ms to 1h, such as SIGNAL_WRITE_DEADLINE=10s",
            "threads = \"0\" (flag --threads): too small",
            "depth_max = \"300\" (flag --depth-max): too large",
            "write a value from 1 to 128, such as --depth-max 128",
            "peers_max = \"many\" (flag --peers-max): not a whole number",
        ] {
            assert!(text.contains(sentence), "{text}");
        }
    }

    #[test]
    fn of_two_settings_that_disagree_the_one_that_was_written_is_named() {
        let told = |given: &Given, variables: &[(&str, &str)]| {
            let mistakes =
                resolve(given, &environment(variables)).expect_err("no room for a message");
            let [mistake] = &mistakes[..] else {
                panic!("{mistakes:?}")
            };
            mistake.to_string()
        };
        assert_eq!(
            told(&flags(&[]), &[("SIGNAL_MESSAGE_BYTES_MAX", "1M")]),
            "message_bytes_max = \"1M\" (environment variable SIGNAL_MESSAGE_BYTES_MAX): outbound_bytes_max, which is 1MiB by \
             default, is too small for it\n       write SIGNAL_OUTBOUND_BYTES_MAX=1025KiB too, or a smaller value here"
        );
        assert_eq!(
            told(&flags(&[("outbound_bytes_max", "2KiB")]), &[]),
            "outbound_bytes_max = \"2KiB\" (flag --outbound-bytes-max): must be from 65KiB to 4GiB, because \
             message_bytes_max is 64KiB\n       write for example --outbound-bytes-max 65KiB"
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
        assert_eq!(listen(&flags(&[]), &port), ("*:8080".to_owned(), from_port));
        assert_eq!(
            listen(&flags(&[("listen", "127.0.0.1:1")]), &port).0,
            "127.0.0.1:1"
        );
        assert_eq!(
            listen(&flags(&[]), &[("PORT", "8080"), ("SIGNAL_LISTEN", "9")]).0,
            "*:9"
        );
        assert_eq!(listen(&flags(&[]), &[]).0, "localhost:4444");
        let mistakes =
            resolve(&flags(&[]), &environment(&[("PORT", "http")])).expect_err("no port");
        assert!(
            mistakes[0]
                .to_string()
                .contains("listen = \"http\" (environment variable PORT): not a port")
        );
    }
}

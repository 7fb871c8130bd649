//! Where settings come from beside the command line: the environment and a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Spanned, Value};

use crate::settings::mistake::closest;
use crate::settings::origin::Origin;
use crate::settings::setting::is_blank;
use crate::settings::{Mistake, SETTINGS, Setting};
use crate::text_file;

const PREFIX: &str = "SIGNAL_";
const FILE: &str = "SIGNAL_CONFIG";
/// Words that only the name of a setting has that keeps someone out. Whatever else is in the name:
/// to pass it over may open the door.
const GUARDING: [&str; 29] = [
    "allow",
    "allowed",
    "allowlist",
    "aud",
    "audience",
    "auth",
    "blacklist",
    "blocklist",
    "cert",
    "certificate",
    "cors",
    "denylist",
    "jwk",
    "jwks",
    "jwt",
    "key",
    "keys",
    "origin",
    "origins",
    "password",
    "proxies",
    "proxy",
    "secret",
    "ssl",
    "tls",
    "token",
    "tokens",
    "trusted",
    "whitelist",
];
/// The variable by which hosting platforms, and the reference, name the port.
const PORT: &str = "PORT";

/// The variables of the environment that concern us.
///
/// An empty one is a mistake, as an empty flag or an empty value in a file is:
/// `SIGNAL_ORIGINS=$ORIGINS` with a misspelt name on the right is to open no door, and is to lift
/// no limit. Only `PORT`, which is not ours, counts as not set then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    pub(crate) fn read() -> Self {
        let all = std::env::vars_os();
        let text = all.map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        });
        text.collect()
    }

    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.0.get(FILE).map(PathBuf::from)
    }

    pub(crate) fn port(&self) -> Option<&str> {
        let port = self.0.get(PORT).map(String::as_str);
        port.filter(|port| !is_blank(port))
    }

    pub(crate) fn value(&self, setting: &Setting) -> Option<&str> {
        self.0.get(&setting.variable()).map(String::as_str)
    }

    /// Names that are meant for us and misspelt.
    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        let misspelt = self.unknown().filter(|name| is_misspelt(name));
        let origin = Origin::Environment;
        misspelt
            .map(|name| Mistake::name(name, &origin, Setting::variable))
            .collect()
    }

    /// Names that begin as ours and are like none of them: some other software's.
    pub(crate) fn strangers(&self) -> Vec<String> {
        let strangers = self.unknown().filter(|name| !is_misspelt(name));
        strangers.map(str::to_owned).collect()
    }

    fn unknown(&self) -> impl Iterator<Item = &str> {
        let is_known = |name: &str| {
            name == PORT
                || name == FILE
                || SETTINGS.iter().any(|setting| setting.variable() == name)
        };
        let names = self.0.keys().map(String::as_str);
        names.filter(move |name| !is_known(name))
    }
}

/// The variable that another one's name, which is none of ours, may be meant as.
pub(crate) fn meant_by(stranger: &str) -> Option<&'static str> {
    const USUAL: [(&str, &str); 6] = [
        ("ADDRESS", "SIGNAL_LISTEN"),
        ("DEBUG", "SIGNAL_LOG"),
        ("HOST", "SIGNAL_LISTEN"),
        ("LOG_LEVEL", "SIGNAL_LOG"),
        ("LOGLEVEL", "SIGNAL_LOG"),
        ("PORT", "SIGNAL_LISTEN or PORT"),
    ];
    let rest = stranger.strip_prefix(PREFIX)?;
    let known = USUAL.iter().find(|(name, _)| *name == rest);
    known.map(|(_, ours)| *ours)
}

/// Whether one of our settings is meant: by its spelling, or because it seems to keep someone out.
fn is_misspelt(name: &str) -> bool {
    let rest = name
        .strip_prefix(PREFIX)
        .unwrap_or(name)
        .to_ascii_lowercase();
    let seems_to_guard = rest.split('_').any(|word| GUARDING.contains(&word));
    seems_to_guard || rest.starts_with("config") || closest(&rest).is_some()
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        let ours = variables.into_iter().filter(|(name, value)| {
            let is_ours = name.starts_with(PREFIX) || name == PORT;
            is_ours && !is_of_kubernetes(name, value)
        });
        Self(ours.collect())
    }
}

/// Whether Kubernetes sets this variable for a service called `signal` or `signal-…`.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let is_link = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let names_port = name
        .split("_PORT_")
        .nth(1)
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    is_link && name.ends_with("_PORT")
        || names_port
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
}

/// The settings of a TOML file.
#[derive(Debug, Default)]
pub(crate) struct File {
    values: BTreeMap<String, (String, Origin)>,
}

impl File {
    /// Reads a file, and reports all that is wrong in it.
    pub(crate) fn read(path: &Path, named_by: &Origin, mistakes: &mut Vec<Mistake>) -> Self {
        let shown = path.display().to_string();
        let text = match text_file::read(path) {
            Ok(text) => text,
            Err(error) => {
                let fix =
                    "check the path; `signal config print --defaults` writes a file to begin with";
                let problem = format!("cannot be read: {error}");
                mistakes.push(Mistake::file(
                    named_by,
                    format!("config = {shown:?}"),
                    problem,
                    fix,
                ));
                return Self::default();
            }
        };
        Self::parse(&text, &shown, mistakes)
    }

    fn parse(text: &str, path: &str, mistakes: &mut Vec<Mistake>) -> Self {
        let origin_at = |offset: usize| {
            let before = text.get(..offset).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Origin::File {
                path: path.to_owned(),
                line,
            }
        };
        let table: BTreeMap<Spanned<String>, Spanned<Value>> = match toml::from_str(text) {
            Ok(table) => table,
            Err(error) => {
                let origin = origin_at(error.span().map_or(0, |span| span.start));
                let problem = error.message().to_owned();
                let what = "the file is not TOML".to_owned();
                mistakes.push(Mistake::file(
                    &origin,
                    what,
                    problem,
                    "write lines such as peers_max = 500",
                ));
                return Self::default();
            }
        };
        let mut file = Self::default();
        for (key, value) in table {
            let origin = origin_at(key.span().start);
            let name = key.into_inner();
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
                mistakes.push(Mistake::name(&name, &origin, |setting| {
                    setting.name.to_owned()
                }));
                continue;
            };
            match text_of(setting, value.get_ref()) {
                Ok(value) => drop(file.values.insert(name, (value, origin))),
                Err(problem) => {
                    let written = |value: &str| format!("{} = {value:?}", setting.name);
                    let fix = setting.advice("…", written);
                    mistakes.push(Mistake::value(setting, "…", &origin, problem, fix));
                }
            }
        }
        file
    }

    pub(crate) fn value(&self, setting: &Setting) -> Option<(&str, &Origin)> {
        let (text, origin) = self.values.get(setting.name)?;
        Some((text, origin))
    }
}

/// A value as it would stand in a flag.
fn text_of(setting: &Setting, value: &Value) -> Result<String, String> {
    let kind = match value {
        Value::String(text) => return Ok(text.clone()),
        Value::Array(items) if setting.is_list() => return list_of(items),
        Value::Integer(number) if !setting.is_guarding_text() => return Ok(number.to_string()),
        Value::Float(number) if !setting.is_guarding_text() => return Ok(number.to_string()),
        Value::Boolean(switch) if !setting.is_guarding_text() => return Ok(switch.to_string()),
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    };
    let quotes = if setting.is_guarding_text() {
        " in quotes"
    } else {
        ""
    };
    Err(format!("must be a single value{quotes}, not {kind}"))
}

/// A list of texts, as one text with commas.
fn list_of(items: &[Value]) -> Result<String, String> {
    let texts = items.iter().map(|item| match item.as_str() {
        Some("") => Err("an entry of the list is empty".to_owned()),
        Some(text) => Ok(text),
        None => Err(format!(
            "an entry of the list is {item}, not a text in quotes"
        )),
    });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join(","))
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

    #[test]
    fn an_unknown_variable_is_a_mistake_with_a_guess() {
        let mistakes = environment(&[("SIGNAL_PEER_MAX", "5"), ("HOME", "/")]).mistakes();
        let [mistake] = &mistakes[..] else {
            panic!("{mistakes:?}")
        };
        let text = mistake.to_string();
        assert!(text.contains("SIGNAL_PEER_MAX"), "{text}");
        assert!(text.contains("did you mean SIGNAL_PEERS_MAX?"), "{text}");
    }

    #[test]
    fn an_empty_variable_is_there_and_only_an_empty_port_is_not() {
        for setting in SETTINGS.iter() {
            let empty = environment(&[(&setting.variable(), "")]);
            assert_eq!(empty.value(setting), Some(""), "{}", setting.name);
            let set = setting.set(&mut crate::settings::Settings::default(), "");
            assert!(set.is_err(), "{} may be empty", setting.name);
        }
        assert_eq!(environment(&[("PORT", " ")]).port(), None);
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_of_this_name_is_accepted() {
        let variables = [
            ("SIGNAL_PORT", "tcp://10.0.0.1:4444"),
            ("SIGNAL_PORT_4444_TCP", "tcp://10.0.0.1:4444"),
            ("SIGNAL_PORT_4444_TCP_ADDR", "10.0.0.1"),
            ("SIGNAL_SERVICE_HOST", "10.0.0.1"),
            ("SIGNAL_SERVICE_PORT", "4444"),
            ("SIGNAL_RELAY_SERVICE_PORT_WS", "4444"),
            ("SIGNAL_RELAY_PORT", "tcp://10.0.0.1:4444"),
        ];
        assert!(environment(&variables).mistakes().is_empty());
        assert!(environment(&variables).strangers().is_empty());
    }

    #[test]
    fn what_is_nearly_ours_or_seems_to_guard_is_a_mistake_and_the_rest_is_somebody_elses() {
        for ours in [
            "SIGNAL_PEER_MAX",
            "SIGNAL_MAX_PEERS",
            "SIGNAL_LISTEN_ADDRESS",
            "SIGNAL_ORIGIN",
            "SIGNAL_ALLOWED_ORIGINS",
            "SIGNAL_CORS",
            "SIGNAL_IP_WHITELIST",
            "SIGNAL_JWT_SECRET",
            "SIGNAL_AUTH",
            "SIGNAL_KEY_FILE",
            "SIGNAL_TLS",
            "SIGNAL_CONFIG_FILE",
            "SIGNAL_TRUST_PROXY",
        ] {
            let variables = environment(&[(ours, "x")]);
            assert_eq!(variables.mistakes().len(), 1, "{ours}");
            assert!(variables.strangers().is_empty(), "{ours}");
        }
        for other in [
            "SIGNAL_PORT",
            "SIGNAL_HOST",
            "SIGNAL_VERSION",
            "SIGNAL_IMAGE",
            "SIGNAL_NAME",
            "SIGNAL_URL",
            "SIGNAL_REPLICAS",
            "SIGNAL_CLI_CONFIG_DIR",
            "SIGNAL_NUMBER",
            "SIGNAL_ENV",
        ] {
            let variables = environment(&[(other, "x")]);
            assert!(variables.mistakes().is_empty(), "{other}");
            assert_eq!(variables.strangers(), [other]);
        }
    }

    #[test]
    fn usual_names_of_others_are_warned_of_with_ours() {
        for (other, ours) in [
            ("SIGNAL_LOG_LEVEL", Some("SIGNAL_LOG")),
            ("SIGNAL_HOST", Some("SIGNAL_LISTEN")),
            ("SIGNAL_PORT", Some("SIGNAL_LISTEN or PORT")),
            ("SIGNAL_VERSION", None),
        ] {
            assert_eq!(environment(&[(other, "x")]).strangers(), [other]);
            assert_eq!(meant_by(other), ours, "{other}");
        }
    }

    #[test]
    fn a_mistake_in_a_file_has_its_line() {
        let mut mistakes = Vec::new();
        let file = File::parse(
            "# comment\npeers_max = 7\nping_intervall = \"1s\"\ndepth_max = [1]\nlimit_private_ips = true\n",
            "a.toml",
            &mut mistakes,
        );
        let texts: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        assert!(texts[0].contains("a.toml, line 4"), "{texts:?}");
        assert!(
            texts[1].contains("ping_intervall (a.toml, line 3)"),
            "{texts:?}"
        );
        assert!(
            texts[1].contains("did you mean ping_interval?"),
            "{texts:?}"
        );
        let values: Vec<_> = file
            .values
            .iter()
            .map(|(name, (text, _))| (name.as_str(), text.as_str()))
            .collect();
        assert_eq!(values, [("limit_private_ips", "true"), ("peers_max", "7")]);
    }

    #[test]
    fn what_is_not_toml_is_reported_with_its_line() {
        let mut mistakes = Vec::new();
        File::parse("peers_max = 7\n\npeers max = 8\n", "a.toml", &mut mistakes);
        assert!(
            mistakes[0].to_string().contains("a.toml, line 3"),
            "{mistakes:?}"
        );
    }
}

use std::time::Duration;

use signal_access::{KeyError, OriginError, Origins};
use signal_core::{Limit, LimitValue, Limits, Unit};
use worker::Env;

use crate::variable::{self, UnreadableSecret, Variable};

const PREFIX: &str = "SIGNAL_";
const ROOMS: &str = "SIGNAL_ROOMS";
const ORIGINS: &str = "SIGNAL_ORIGINS";
/// The longest name of a room, in bytes of the URL.
pub(crate) const ROOM_NAME_BYTES_MAX: usize = 256;
/// What the runtime allows at most in one object.
const SOCKETS_PER_OBJECT_MAX: u64 = 32_768;
/// Names that one may think of, with the right ones. Passed over, they would let in everyone whom
/// they are to keep out.
const MISNAMED: [(&str, &str); 14] = [
    ("SIGNAL_ALLOWED_ORIGINS", ORIGINS),
    ("ALLOWED_ORIGINS", ORIGINS),
    ("ORIGINS", ORIGINS),
    ("SIGNAL_TOKEN_KEYS", "TOKEN_KEYS"),
    ("SIGNAL_TOKEN_KEY_FILE", "TOKEN_KEYS"),
    ("TOKEN_KEY", "TOKEN_KEYS"),
    ("TOKEN_KEY_FILE", "TOKEN_KEYS"),
    ("SIGNAL_TOKEN_AUDIENCE", "TOKEN_AUDIENCE"),
    ("SIGNAL_TOKEN_IN", "TOKEN_IN"),
    // The keys are not fetched here.
    ("SIGNAL_TOKEN_JWKS_URL", "TOKEN_KEYS"),
    ("TOKEN_JWKS_URL", "TOKEN_KEYS"),
    ("SIGNAL_TOKEN_ISSUER", "TOKEN_ISSUER"),
    ("SIGNAL_TOKEN_TOPICS_CLAIM", "TOKEN_TOPICS_CLAIM"),
    ("SIGNAL_TOKEN_TOPICS_DEFAULT", "TOKEN_TOPICS_DEFAULT"),
];

/// Which Durable Object serves a connection. Topics of different objects never meet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rooms {
    /// One object serves all: `global`. What a stock y-webrtc app expects.
    #[default]
    Global,
    /// One object for each name in the URL, `/room/NAME` or `?room=NAME`: `by-name`.
    ByName,
    /// So many objects; the path decides which: `hashed:16`.
    Hashed(u16),
}

signal_core::limits! {
    /// Every setting of a relay on Workers.
    ///
    /// A setting is read from the variable of its name in capitals, with `SIGNAL_` before it:
    /// `SIGNAL_PEERS_MAX`. Durations are seconds there. Cloudflare's own limits are larger than
    /// each of the defaults.
    #[derive(Clone, Debug, Eq, PartialEq)]
    #[non_exhaustive]
    pub struct Settings {
        /// What the core holds each peer to. `ping_interval` and `keepalive_interval` are always
        /// zero, as their timers would wake the object for each peer: see `silence_max`.
        pub core: Limits = core_limits(),
        /// Which object serves a connection. Default: one for all.
        pub rooms: Rooms = Rooms::default(),
        /// Pages that may connect, as origins separated by commas, `https://app.example,
        /// https://*.app.example`, or as a list of texts. Default: any. A client that sends no
        /// `Origin` is not a browser and is let in.
        pub origins: Origins = Origins::default(),
    }

    /// The limits that this crate keeps itself. A new limit is a new row here; those of the core
    /// are [`Limits::ALL`].
    pub const LIMITS = [
        /// As good as the runtime's own count. At least one message of `message_bytes_max` must
        /// fit.
        outbound_bytes_max: u32 { default: 1024 * 1024, unit: Bytes, range: 15..=1 << 26, scope: Peer,
            what: "Bytes that may wait for one peer",
            past: "closed with 1013",
            why: "the burst of a full room, on a slow phone" },
        /// A stock client pings each 15 s, whatever it hears; the runtime answers while the object
        /// sleeps, and knows when it did. It is looked at when the object is awake anyway, before a
        /// message or an upgrade is handled, so a vanished peer is in no `clients` past this.
        silence_max: Duration { default: 90_000, unit: Millis, range: 30_000..=86_400_000, zero: true, scope: Peer,
            what: "How long a peer may say nothing, pings included; zero is forever",
            past: "closed with 4408",
            why: "six pings of a stock client; in a hidden tab timers run once a minute" },
        peers_max: u32 { default: 10_000, unit: Count, range: 1..=SOCKETS_PER_OBJECT_MAX, scope: Relay,
            what: "Peers of one object at once",
            past: "HTTP 503 with Retry-After",
            why: "the runtime's limit is 32,768; one object is one thread" },
        peers_per_ip_max: u32 { default: 100, unit: Count, range: 1..=SOCKETS_PER_OBJECT_MAX, scope: Address,
            what: "Peers of one object at once from one IPv4 address or IPv6 /64",
            past: "HTTP 429 with Retry-After",
            why: "a school behind one address" },
        peers_per_site_max: u32 { default: 500, unit: Count, range: 1..=SOCKETS_PER_OBJECT_MAX, scope: Address,
            what: "Peers of one object at once from one IPv6 /48, or from the Workers of all others together",
            past: "HTTP 429 with Retry-After",
            why: "five such schools; a hoster gives each customer 65,536 networks of 64 bits" },
        /// The binding `CONNECTS` counts apart from it, over all objects of a location.
        connects_per_minute_per_ip: u32 { default: 120, unit: Count, range: 1..=60_000, scope: Address,
            what: "Upgrades in a minute from one IPv4 address or IPv6 /64 to one object; those refused with 401 or 403 count apart, in each isolate",
            past: "HTTP 429 with Retry-After",
            why: "such a school comes back after a deploy" },
        connects_per_minute_per_site: u32 { default: 600, unit: Count, range: 1..=60_000, scope: Address,
            what: "Upgrades in a minute from one IPv6 /48, beside the limit for each /64 in it",
            past: "HTTP 429 with Retry-After",
            why: "five such schools" },
        limit_private_ips: bool { default: 0, unit: Switch, range: 0..=1, scope: Address,
            what: "Hold loopback and private addresses to the limits per address too",
            past: "as these limits",
            why: "they occur in development only" },
        offences_per_minute_per_ip: u32 { default: 12, unit: Count, range: 1..=60_000, scope: Address,
            what: "Closes with 1007, 1009 and 4429 in a minute, of peers from one IPv4 address or IPv6 /64 where no peer behaves",
            past: "refused for refuse_after_close",
            why: "one mistake is not a flood" },
        refuse_after_close: Duration { default: 10_000, unit: Millis, range: 0..=3_600_000, scope: Address,
            what: "How long an address is refused that is past offences_per_minute_per_ip",
            past: "HTTP 429 until then",
            why: "after as long without events an object is evicted and remembers nothing anyway" },
    ];
}

fn core_limits() -> Limits {
    let mut core = Limits::default();
    core.ping_interval = Duration::ZERO;
    core.keepalive_interval = Duration::ZERO;
    core
}

/// A variable that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The value cannot be read, or is out of its range.
    #[error("{variable} is {value}, but must be {wanted}")]
    Unreadable {
        /// The variable.
        variable: String,
        /// Its value, or what it is.
        value: String,
        /// What it could be instead.
        wanted: String,
    },
    /// A variable that keeps people out is there and says nothing.
    #[error("{variable} is {found}; write {wanted}, or leave it out to {without}")]
    Guard {
        /// The variable.
        variable: &'static str,
        /// What it is.
        found: &'static str,
        /// What it could be instead.
        wanted: &'static str,
        /// What the relay does without it.
        without: &'static str,
    },
    /// A secret of the Secrets Store cannot be read.
    #[error("{variable} cannot be read from the Secrets Store: {error}")]
    Secret {
        /// The variable.
        variable: &'static str,
        /// Why, as the runtime puts it.
        error: String,
    },
    /// There is no variable of this name, but it looks as if it were for this relay.
    #[error("{0} is not a variable of this relay; correct its name, or take it out")]
    Unknown(String),
    /// What is listed is not an origin.
    #[error("SIGNAL_ORIGINS cannot be used: {0}")]
    Origins(#[from] OriginError),
    /// The secret with the keys of tokens cannot be read. It is not shown.
    #[error("TOKEN_KEYS cannot be used: {0}")]
    TokenKeys(#[from] KeyError),
    /// This says what tokens must be like, and there is no key to verify them.
    #[error("{0} is set, but the secret TOKEN_KEYS is not set")]
    WithoutKeys(&'static str),
    /// A variable that would leave the door open, because its name is another.
    #[error("{found} is not read; write {wanted}")]
    Misnamed {
        /// The variable that is there.
        found: &'static str,
        /// The one that is read.
        wanted: &'static str,
    },
}

impl From<UnreadableSecret> for SettingsError {
    fn from(secret: UnreadableSecret) -> Self {
        let UnreadableSecret { variable, error } = secret;
        Self::Secret { variable, error }
    }
}

impl Settings {
    /// Reads the variables of a Worker.
    ///
    /// # Errors
    ///
    /// The first variable that cannot be used, or whose name begins with `SIGNAL_` and is not
    /// known.
    pub async fn from_env(env: &Env) -> Result<Self, SettingsError> {
        let origins = variable::read(env, ORIGINS).await?;
        let settings = Self::from_variables(|name| match name {
            ORIGINS => origins.clone(),
            _ => variable::read_now(env, name),
        })?;
        let is_unknown = |name: &String| name.starts_with(PREFIX) && !is_known(name);
        match variable::names(env).into_iter().find(is_unknown) {
            Some(name) => Err(SettingsError::Unknown(name)),
            None => Ok(settings),
        }
    }

    /// Reads what an object needs: all but the origins, which were judged before it.
    pub(crate) fn of_object(env: &Env) -> Result<Self, SettingsError> {
        Self::from_variables(|name| match name {
            ORIGINS => None,
            _ => variable::read_now(env, name),
        })
    }

    /// Reads variables from wherever `variable` finds them. What is not there keeps its default.
    ///
    /// # Errors
    ///
    /// The first variable that cannot be used.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<Variable>,
    ) -> Result<Self, SettingsError> {
        for (found, wanted) in MISNAMED {
            if variable(found).is_some() {
                return Err(SettingsError::Misnamed { found, wanted });
            }
        }
        let mut settings = Self::default();
        for limit in core_table() {
            read_limit(&variable, limit, &mut settings.core)?;
        }
        for limit in Self::LIMITS {
            read_limit(&variable, limit, &mut settings)?;
        }
        if let Some(value) = variable(ROOMS) {
            settings.rooms = read_rooms(&value)?;
        }
        if let Some(value) = variable(ORIGINS) {
            settings.origins = read_origins(value)?;
        }
        settings.check()?;
        Ok(settings)
    }

    /// Checks what no range can say, because it depends on another limit.
    fn check(&self) -> Result<(), SettingsError> {
        let (one_message, bytes) = (self.core.message_bytes_max, self.outbound_bytes_max);
        if bytes >= one_message {
            return Ok(());
        }
        Err(SettingsError::Unreadable {
            variable: variable_name("outbound_bytes_max"),
            value: bytes.to_string(),
            wanted: format!("at least SIGNAL_MESSAGE_BYTES_MAX, which is {one_message}"),
        })
    }
}

/// Limits of the core that would take a timer for each peer.
const TIMERS: [&str; 2] = ["ping_interval", "keepalive_interval"];

/// The limits of the core that can be set.
pub(crate) fn core_table() -> impl Iterator<Item = &'static Limit<Limits>> {
    let table = Limits::ALL.iter();
    table.filter(|limit| !TIMERS.contains(&limit.name))
}

fn is_known(variable: &str) -> bool {
    let core = core_table().map(|limit| limit.name);
    let mut limits = core.chain(Settings::LIMITS.iter().map(|limit| limit.name));
    [ROOMS, ORIGINS].contains(&variable) || limits.any(|name| variable_name(name) == variable)
}

fn variable_name(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_ascii_uppercase())
}

fn read_limit<Owner>(
    variable: impl Fn(&str) -> Option<Variable>,
    limit: &Limit<Owner>,
    owner: &mut Owner,
) -> Result<(), SettingsError> {
    let name = variable_name(limit.name);
    let Some(value) = variable(&name) else {
        return Ok(());
    };
    let number = match &value {
        Variable::Text(text) => parse_number(limit.unit, text.trim()),
        Variable::List(_) | Variable::Object(_) | Variable::Other(_) => None,
    };
    let is_allowed = |number: &u64| limit.range.contains(number) || (limit.zero && *number == 0);
    let Some(number) = number.filter(is_allowed) else {
        let range = limit.unit.show_range(&limit.range, limit.zero);
        let wanted = match limit.unit {
            Unit::Count => format!("a whole number {range}"),
            Unit::Bytes => format!("a number of bytes {range}"),
            Unit::Millis | Unit::Seconds => format!("a number of seconds {range}"),
            Unit::Switch => "true or false".to_owned(),
        };
        return Err(unreadable(&name, &value, &wanted));
    };
    (limit.set)(owner, number);
    Ok(())
}

fn parse_number(unit: Unit, text: &str) -> Option<u64> {
    match unit {
        Unit::Count | Unit::Bytes | Unit::Seconds => text.parse().ok(),
        Unit::Millis => {
            let seconds = Duration::try_from_secs_f64(text.parse().ok()?);
            seconds.ok().map(Duration::into_number)
        }
        Unit::Switch => text.parse::<bool>().ok().map(u64::from),
    }
}

fn read_rooms(value: &Variable) -> Result<Rooms, SettingsError> {
    let text = match value {
        Variable::Text(text) => text.trim(),
        Variable::List(_) | Variable::Object(_) | Variable::Other(_) => "",
    };
    let count = text
        .strip_prefix("hashed:")
        .and_then(|count| count.parse().ok());
    match (text, count) {
        ("global", _) => Ok(Rooms::Global),
        ("by-name", _) => Ok(Rooms::ByName),
        (_, Some(count @ 1..)) => Ok(Rooms::Hashed(count)),
        _ => Err(unreadable(ROOMS, value, "global, by-name or hashed:N")),
    }
}

/// A list that has no entry would let in all.
fn read_origins(value: Variable) -> Result<Origins, SettingsError> {
    let entries = match value {
        Variable::Text(text) => text.split(',').map(str::to_owned).collect(),
        Variable::List(entries) => entries,
        Variable::Object(_) => return Err(no_origins("an object")),
        Variable::Other(what) => return Err(no_origins(what)),
    };
    let entries = entries.iter().map(|entry| entry.trim());
    let entries: Vec<&str> = entries.filter(|entry| !entry.is_empty()).collect();
    if entries.is_empty() {
        return Err(no_origins("empty"));
    }
    Ok(Origins::new(entries)?)
}

fn no_origins(found: &'static str) -> SettingsError {
    SettingsError::Guard {
        variable: ORIGINS,
        found,
        wanted: "origins such as https://app.example, as a text with commas or a list of texts",
        without: "let the pages of every site connect",
    }
}

fn unreadable(variable: &str, value: &Variable, wanted: &str) -> SettingsError {
    let value = match value {
        Variable::Text(text) => format!("{text:?}"),
        Variable::List(_) => "a list".to_owned(),
        Variable::Object(_) => "an object".to_owned(),
        Variable::Other(what) => (*what).to_owned(),
    };
    SettingsError::Unreadable {
        variable: variable.to_owned(),
        value,
        wanted: wanted.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let variables = variables.iter();
        let variables: Vec<_> = variables
            .map(|(name, text)| (*name, (*text).into()))
            .collect();
        read_all(&variables)
    }

    fn read_all(variables: &[(&str, Variable)]) -> Result<Settings, SettingsError> {
        Settings::from_variables(|name| {
            let found = variables.iter().find(|(key, _)| *key == name)?;
            Some(found.1.clone())
        })
    }

    #[test]
    fn without_variables_all_is_as_by_default() {
        assert_eq!(read(&[]), Ok(Settings::default()));
        let core = Settings::default().core;
        assert_eq!(core.ping_interval, Duration::ZERO);
        assert_eq!(core.keepalive_interval, Duration::ZERO);
    }

    #[test]
    fn each_setting_has_a_variable() {
        let settings = read(&[
            ("SIGNAL_TOPICS_PER_PEER_MAX", "16"),
            ("SIGNAL_CLOSE_HOLD", "0.5"),
            ("SIGNAL_ROOMS", "hashed:8"),
            ("SIGNAL_ORIGINS", "https://a.example, https://*.b.example,"),
            ("SIGNAL_LIMIT_PRIVATE_IPS", "true"),
        ])
        .unwrap();
        assert_eq!(settings.core.topics_per_peer_max, 16);
        assert_eq!(settings.core.close_hold, Duration::from_millis(500));
        assert_eq!(settings.rooms, Rooms::Hashed(8));
        assert!(settings.origins.allow(Some("https://b.b.example"), None));
        assert!(!settings.origins.allow(Some("https://c.example"), None));
        assert!(settings.limit_private_ips);
    }

    #[test]
    fn a_variable_that_would_leave_the_door_open_is_not_passed_over() {
        let error = read(&[("SIGNAL_TOKEN_KEYS", "{}")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "SIGNAL_TOKEN_KEYS is not read; write TOKEN_KEYS"
        );
        let error = read(&[("SIGNAL_ORIGINS", "app.example")]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("SIGNAL_ORIGINS cannot be used: `app.example`")
        );
    }

    #[test]
    fn what_keeps_pages_out_and_cannot_be_read_lets_nobody_in() {
        let texts =
            |list: &[&str]| Variable::List(list.iter().map(|text| (*text).to_owned()).collect());
        let list = read_all(&[(
            ORIGINS,
            texts(&["https://a.example", "https://*.b.example"]),
        )]);
        let origins = list.unwrap().origins;
        assert!(origins.allow(Some("https://b.b.example"), None));
        assert!(!origins.allow(Some("https://c.example"), None));
        for (unusable, found) in [
            (
                "".into(),
                "SIGNAL_ORIGINS is empty; write origins such as https://app.example",
            ),
            (" , ".into(), "SIGNAL_ORIGINS is empty; "),
            (texts(&[]), "SIGNAL_ORIGINS is empty; "),
            (texts(&[""]), "SIGNAL_ORIGINS is empty; "),
            (
                texts(&["app.example"]),
                "SIGNAL_ORIGINS cannot be used: `app.example`",
            ),
            (
                Variable::Object("{}".to_owned()),
                "SIGNAL_ORIGINS is an object; ",
            ),
            (Variable::Other("null"), "SIGNAL_ORIGINS is null; "),
            ("false".into(), "SIGNAL_ORIGINS cannot be used: `false`"),
        ] {
            let error = read_all(&[(ORIGINS, unusable)]).unwrap_err().to_string();
            assert!(error.starts_with(found), "{error}");
        }
    }

    #[test]
    fn every_limit_has_a_variable() {
        let names = core_table().map(|limit| limit.name);
        for name in names.chain(Settings::LIMITS.iter().map(|limit| limit.name)) {
            let variable = variable_name(name);
            assert!(is_known(&variable), "{variable}");
            let wrong = [(variable.as_str(), Variable::Other("null"))];
            let error = read_all(&wrong).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{variable} is null, but must be ")),
                "{error}"
            );
        }
        assert!(!is_known("SIGNAL_PEER_MAX"));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_variable() {
        let message = |variables: &[(&str, &str)]| read(variables).unwrap_err().to_string();
        assert_eq!(
            message(&[("SIGNAL_ROOMS", "each")]),
            r#"SIGNAL_ROOMS is "each", but must be global, by-name or hashed:N"#
        );
        assert_eq!(
            message(&[("SIGNAL_ROOMS", "hashed:0")]),
            r#"SIGNAL_ROOMS is "hashed:0", but must be global, by-name or hashed:N"#
        );
        assert_eq!(
            message(&[("SIGNAL_DEPTH_MAX", "300")]),
            r#"SIGNAL_DEPTH_MAX is "300", but must be a whole number from 1 to 128"#
        );
        assert_eq!(
            message(&[("SIGNAL_PEERS_MAX", "40000")]),
            r#"SIGNAL_PEERS_MAX is "40000", but must be a whole number from 1 to 32768"#
        );
        assert_eq!(
            message(&[("SIGNAL_CLOSE_HOLD", "90")]),
            r#"SIGNAL_CLOSE_HOLD is "90", but must be a number of seconds from 0 to 60s"#
        );
        assert_eq!(
            message(&[("SIGNAL_MESSAGE_BYTES_MAX", "2000000")]),
            "SIGNAL_OUTBOUND_BYTES_MAX is 1048576, but must be at least SIGNAL_MESSAGE_BYTES_MAX, which is 2000000"
        );
    }
}

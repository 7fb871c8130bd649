use std::time::Duration;

use signal_access::{KeyError, OriginError, Origins};
use signal_core::{LimitError, Limits};
use worker::wasm_bindgen::JsValue;
use worker::{Env, js_sys};

/// The longest name of a room, in bytes of the URL.
pub(crate) const ROOM_NAME_BYTES_MAX: usize = 256;
/// What the runtime allows at most in one object.
const SOCKETS_PER_OBJECT_MAX: u64 = 32_768;
/// Names that one may think of, with the right ones. Passed over, they would let in whom they are
/// to keep out.
const MISNAMED: [(&str, &str); 3] = [
    ("SIGNAL_ALLOWED_ORIGINS", "SIGNAL_ORIGINS"),
    ("SIGNAL_TOKEN_KEYS", "TOKEN_KEYS"),
    ("SIGNAL_TOKEN_AUDIENCE", "TOKEN_AUDIENCE"),
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

/// Every setting of a relay on Workers.
///
/// A setting is read from the variable of its name in capitals, with `SIGNAL_` before it:
/// `SIGNAL_PEERS_MAX`. Durations are seconds there. Cloudflare's own limits are larger than each of
/// the defaults.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// What the core holds each peer to. `ping_interval` is always zero: the runtime watches its
    /// sockets itself, and a timer would keep the object awake.
    pub core: Limits,
    /// Which object serves a connection. Default: one for all.
    pub rooms: Rooms,
    /// Pages that may connect, as origins separated by commas: `https://app.example`,
    /// `https://*.app.example`. Default: any. Who sends no `Origin` is no browser and is let in.
    pub origins: Origins,
    /// Bytes that may wait for one peer. Default 1 MiB. A peer past it is closed with 1013. As good
    /// as the runtime's own count.
    pub outbound_bytes_max: u32,
    /// The most peers of one object. Default 10,000; the runtime's limit is 32,768. Past it: 503.
    pub peers_max: u32,
    /// The most peers of one object from one IPv4 address or IPv6 /64. Default 100: a school behind
    /// one address. Past it: 429.
    pub peers_per_ip_max: u32,
    /// Whether loopback and private addresses are held to the limit per address too. Default false,
    /// for development.
    pub limit_private_ips: bool,
    /// How long an address gets 429 after one of its peers was closed for breaking a limit. Default
    /// 10 s, after which an object without events has been evicted and remembers nothing anyway.
    pub refuse_after_close: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let mut core = Limits::default();
        core.ping_interval = Duration::ZERO;
        Self {
            core,
            rooms: Rooms::default(),
            origins: Origins::default(),
            outbound_bytes_max: 1024 * 1024,
            peers_max: 10_000,
            peers_per_ip_max: 100,
            limit_private_ips: false,
            refuse_after_close: Duration::from_secs(10),
        }
    }
}

/// A variable that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The value cannot be read.
    #[error("{variable} is {value:?}, but must be {wanted}")]
    Unreadable {
        /// The variable.
        variable: String,
        /// Its value.
        value: String,
        /// What it could be instead.
        wanted: &'static str,
    },
    /// The value is out of its range.
    #[error("{variable} is {value}, but must be between {min} and {max}")]
    OutOfRange {
        /// The variable.
        variable: String,
        /// Its value.
        value: u64,
        /// The smallest value allowed.
        min: u64,
        /// The largest value allowed.
        max: u64,
    },
    /// A limit of the core is out of its range.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// What is listed is no origin.
    #[error("SIGNAL_ORIGINS cannot be used: {0}")]
    Origins(#[from] OriginError),
    /// The secret with the keys of tokens is no such thing. It is not shown.
    #[error("TOKEN_KEYS cannot be used: {0}")]
    TokenKeys(#[from] KeyError),
    /// Tokens must name an audience, and there is no key to verify them.
    #[error("TOKEN_AUDIENCE is set, but the secret TOKEN_KEYS is not set")]
    AudienceWithoutKeys,
    /// A variable that would leave the door open, because it is written otherwise.
    #[error("{found} is not read; write {wanted}")]
    Misnamed {
        /// The variable that is there.
        found: &'static str,
        /// The one that is read.
        wanted: &'static str,
    },
}

impl Settings {
    /// Reads the variables of a Worker.
    ///
    /// # Errors
    ///
    /// The first variable that cannot be used.
    pub fn from_env(env: &Env) -> Result<Self, SettingsError> {
        Self::from_variables(|name| variable(env, name))
    }

    /// Reads variables from wherever `variable` finds them. What is not set keeps its default.
    ///
    /// # Errors
    ///
    /// The first variable that cannot be used.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        for (found, wanted) in MISNAMED {
            if variable(found).is_some() {
                return Err(SettingsError::Misnamed { found, wanted });
            }
        }
        let from = Source { variable };
        let mut settings = Self::default();
        let core = &mut settings.core;
        from.number("message_bytes_max", &mut core.message_bytes_max)?;
        from.number("depth_max", &mut core.depth_max)?;
        from.number("topics_per_peer_max", &mut core.topics_per_peer_max)?;
        from.number("topic_bytes_max", &mut core.topic_bytes_max)?;
        from.number("messages_per_second", &mut core.messages_per_second)?;
        from.number("messages_burst", &mut core.messages_burst)?;
        from.number("fan_out_per_second", &mut core.fan_out_per_second)?;
        from.number("fan_out_burst", &mut core.fan_out_burst)?;
        from.number("pings_per_second", &mut core.pings_per_second)?;
        from.number("pings_burst", &mut core.pings_burst)?;
        from.number("strikes_per_second", &mut core.strikes_per_second)?;
        from.number("strikes_burst", &mut core.strikes_burst)?;
        from.number("invalid_messages_max", &mut core.invalid_messages_max)?;
        from.seconds("close_hold", &mut core.close_hold)?;
        from.rooms(&mut settings.rooms)?;
        settings.origins = Origins::new(from.list("origins").iter().map(String::as_str))?;
        from.number("outbound_bytes_max", &mut settings.outbound_bytes_max)?;
        from.number("peers_max", &mut settings.peers_max)?;
        from.number("peers_per_ip_max", &mut settings.peers_per_ip_max)?;
        from.boolean("limit_private_ips", &mut settings.limit_private_ips)?;
        from.seconds("refuse_after_close", &mut settings.refuse_after_close)?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        self.core.check()?;
        let one_message = u64::from(self.core.message_bytes_max);
        let ranges = [
            (
                "outbound_bytes_max",
                self.outbound_bytes_max,
                one_message,
                1 << 26,
            ),
            ("peers_max", self.peers_max, 1, SOCKETS_PER_OBJECT_MAX),
            (
                "peers_per_ip_max",
                self.peers_per_ip_max,
                1,
                SOCKETS_PER_OBJECT_MAX,
            ),
        ];
        for (name, value, min, max) in ranges {
            let value = u64::from(value);
            if !(min..=max).contains(&value) {
                let variable = variable_name(name);
                return Err(SettingsError::OutOfRange {
                    variable,
                    value,
                    min,
                    max,
                });
            }
        }
        Ok(())
    }
}

/// A variable or a secret of a Worker.
pub(crate) fn variable(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env, &JsValue::from_str(name)).ok()?;
    // A variable written without quotes in wrangler.toml is a number or a boolean.
    let number = value.as_f64().map(|number| number.to_string());
    let boolean = value.as_bool().map(|boolean| boolean.to_string());
    value.as_string().or(number).or(boolean)
}

fn variable_name(setting: &str) -> String {
    format!("SIGNAL_{}", setting.to_ascii_uppercase())
}

/// Reads one setting after the other.
struct Source<F> {
    variable: F,
}

impl<F: Fn(&str) -> Option<String>> Source<F> {
    fn read<T>(
        &self,
        name: &str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        into: &mut T,
    ) -> Result<(), SettingsError> {
        let variable = variable_name(name);
        let Some(value) = (self.variable)(&variable) else {
            return Ok(());
        };
        match parse(value.trim()) {
            Some(parsed) => *into = parsed,
            None => {
                return Err(SettingsError::Unreadable {
                    variable,
                    value,
                    wanted,
                });
            }
        }
        Ok(())
    }

    fn number<T: TryFrom<u64>>(&self, name: &str, into: &mut T) -> Result<(), SettingsError> {
        let parse = |text: &str| T::try_from(text.parse::<u64>().ok()?).ok();
        self.read(name, "a number that is not too large", parse, into)
    }

    fn seconds(&self, name: &str, into: &mut Duration) -> Result<(), SettingsError> {
        let parse = |text: &str| Duration::try_from_secs_f64(text.parse().ok()?).ok();
        self.read(name, "a number of seconds", parse, into)
    }

    fn boolean(&self, name: &str, into: &mut bool) -> Result<(), SettingsError> {
        self.read(name, "true or false", |text| text.parse().ok(), into)
    }

    fn rooms(&self, into: &mut Rooms) -> Result<(), SettingsError> {
        let parse = |text: &str| match text {
            "global" => Some(Rooms::Global),
            "by-name" => Some(Rooms::ByName),
            _ => {
                let count: u16 = text.strip_prefix("hashed:")?.parse().ok()?;
                (count > 0).then_some(Rooms::Hashed(count))
            }
        };
        self.read("rooms", "global, by-name or hashed:N", parse, into)
    }

    fn list(&self, name: &str) -> Vec<String> {
        let list = (self.variable)(&variable_name(name)).unwrap_or_default();
        let items = list
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_variables(|name| {
            let found = variables.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn without_variables_all_is_as_by_default() {
        assert_eq!(read(&[]), Ok(Settings::default()));
        assert_eq!(Settings::default().core.ping_interval, Duration::ZERO);
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
        assert!(settings.origins.allow(Some("https://b.b.example")));
        assert!(!settings.origins.allow(Some("https://c.example")));
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
            r#"SIGNAL_DEPTH_MAX is "300", but must be a number that is not too large"#
        );
        assert_eq!(
            message(&[("SIGNAL_PEERS_MAX", "40000")]),
            "SIGNAL_PEERS_MAX is 40000, but must be between 1 and 32768"
        );
        assert_eq!(
            message(&[("SIGNAL_DEPTH_MAX", "0")]),
            "depth_max is 0, but must be from 1 to 128"
        );
    }
}

mod error;
mod names;
mod read;

use std::time::Duration;

use signal_access::{AddressLimits, Origins};
use signal_core::{Limit, Limits};
use worker::Env;

pub use self::error::SettingsError;
use self::read::{read_limit, read_origins, read_rooms};
use crate::variable::{self, Variable};

const PREFIX: &str = "SIGNAL_";
const ROOMS: &str = "SIGNAL_ROOMS";
const ORIGINS: &str = "SIGNAL_ORIGINS";
/// The longest name of a room, in bytes of the URL.
pub(crate) const ROOM_NAME_BYTES_MAX: usize = 256;
/// What the runtime allows at most in one object.
const SOCKETS_PER_OBJECT_MAX: u64 = 32_768;
/// Names that one may think of, with the right ones. Passed over, they would let in everyone whom
/// they are to keep out.
const MISNAMED: [(&str, &str); 20] = [
    ("SIGNAL_ALLOWED_ORIGINS", ORIGINS),
    ("ALLOWED_ORIGINS", ORIGINS),
    ("ORIGINS", ORIGINS),
    ("SIGNAL_TOKEN_KEYS", "TOKEN_KEYS"),
    ("SIGNAL_TOKEN_KEY_FILE", "TOKEN_KEYS"),
    ("TOKEN_KEY", "TOKEN_KEYS"),
    ("TOKEN_KEY_FILE", "TOKEN_KEYS"),
    ("TOKEN_AUD", "TOKEN_AUDIENCE"),
    ("TOKEN_ISS", "TOKEN_ISSUER"),
    ("TOKEN_JWK", "TOKEN_JWKS_URL"),
    ("TOKEN_JWKS", "TOKEN_JWKS_URL"),
    ("JWKS_URI", "TOKEN_JWKS_URL"),
    ("TOKEN_CARRIERS", "TOKEN_IN"),
    ("SIGNAL_TOKEN_AUDIENCE", "TOKEN_AUDIENCE"),
    ("SIGNAL_TOKEN_IN", "TOKEN_IN"),
    ("SIGNAL_TOKEN_JWKS_URL", "TOKEN_JWKS_URL"),
    ("JWKS_URL", "TOKEN_JWKS_URL"),
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
        /// What the connections of one address may take of one object. The binding `CONNECTS`
        /// counts connects apart from it, over all objects of a location; those refused with 401 or
        /// 403 count in each isolate.
        pub addresses: AddressLimits = AddressLimits::default(),
        /// Which object serves a connection. Default: one for all.
        pub rooms: Rooms = Rooms::default(),
        /// Pages that may connect, as origins separated by commas, `https://app.example,
        /// https://*.app.example`, or as a list of texts. Default: any. A client that sends no
        /// `Origin` is not a browser and is let in.
        pub origins: Origins = Origins::default(),
    }

    /// The limits that this crate keeps itself. A new limit is a new row here; those of the core
    /// are [`Limits::ALL`], those of addresses [`AddressLimits::ALL`].
    pub const LIMITS = [
        /// As good as the runtime's own count. At least one message of `message_bytes_max` must
        /// fit. 128 times as much, or 32 MiB if that is more, closes at once.
        outbound_bytes_max: u32 { default: 1024 * 1024, unit: Bytes, range: 15..=1 << 26, scope: Peer,
            what: "Bytes that may wait for one peer",
            past: "closed with 1013, after outbound_grace",
            why: "the burst of a full room, on a slow phone" },
        /// It is looked at when the object is awake anyway, or by its alarm.
        outbound_grace: Duration { default: 1_000, unit: Millis, range: 0..=60_000, scope: Peer,
            what: "How far a peer for which more waits may be behind one that takes it at 2 Mbit/s, or in 10 s if it is much",
            past: "closed with 1013",
            why: "what many say in a moment is read at once or steadily; what is older is of no use" },
        /// What was queued for those that are being closed counts too: the runtime keeps it until
        /// their connections have ended.
        memory_max: u32 { default: 64 * 1024 * 1024, unit: Bytes, range: 1 << 20..=1 << 30, scope: Relay,
            what: "What may wait for all peers of one object together",
            past: "those for which most waits are closed with 1013",
            why: "half of what an isolate has for everything, 128 MB" },
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
    ];
}

fn core_limits() -> Limits {
    let mut core = Limits::default();
    core.ping_interval = Duration::ZERO;
    core.keepalive_interval = Duration::ZERO;
    core
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
        let names = variable::names(env);
        check_names(names.iter().map(String::as_str))?;
        Ok(settings)
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
                let found = found.to_owned();
                return Err(SettingsError::Misnamed { found, wanted });
            }
        }
        let mut settings = Self::default();
        for limit in core_table() {
            read_limit(&variable, limit, &mut settings.core)?;
        }
        for limit in AddressLimits::ALL {
            read_limit(&variable, limit, &mut settings.addresses)?;
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

/// Looks for names that may be meant for this relay and are not read.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), SettingsError> {
    for found in names {
        if found.starts_with(PREFIX) && !is_known(found) {
            return Err(SettingsError::Unknown(found.to_owned()));
        }
        if let Some(wanted) = names::meant(found) {
            let found = found.to_owned();
            return Err(SettingsError::Misnamed { found, wanted });
        }
    }
    Ok(())
}

/// Limits of the core that would take a timer for each peer.
const TIMERS: [&str; 2] = ["ping_interval", "keepalive_interval"];

/// The limits of the core that can be set.
pub(crate) fn core_table() -> impl Iterator<Item = &'static Limit<Limits>> {
    let table = Limits::ALL.iter();
    table.filter(|limit| !TIMERS.contains(&limit.name))
}

fn is_known(variable: &str) -> bool {
    [ROOMS, ORIGINS].contains(&variable) || limits().any(|name| variable_name(name) == variable)
}

/// The names of all limits that can be set.
fn limits() -> impl Iterator<Item = &'static str> {
    let core = core_table().map(|limit| limit.name);
    let addresses = AddressLimits::ALL.iter().map(|limit| limit.name);
    let own = Settings::LIMITS.iter().map(|limit| limit.name);
    core.chain(addresses).chain(own)
}

fn variable_name(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_ascii_uppercase())
}

#[cfg(test)]
mod tests;

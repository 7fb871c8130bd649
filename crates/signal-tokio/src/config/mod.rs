//! The settings of a relay.

mod limits;
mod log_ips;
mod proxies;
mod queue_limits;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use signal_access::TrustedProxies;
use signal_core::{LimitError, Limits};

pub use self::log_ips::LogIps;
pub(crate) use self::queue_limits::QueueLimits;

/// How many descriptors stay free for listeners, logs, name look-ups and the runtime.
const DESCRIPTORS_RESERVED: u64 = 64;
/// Taken as the limit on open files where the system does not tell.
const DESCRIPTORS_ASSUMED: u64 = 1_024;
/// The smallest header buffer hyper can be told to keep.
const HEADER_BYTES_MIN: u64 = 512;

/// Every setting of a relay's sockets, and the core's [`Limits`] beside them.
///
/// Durations are seconds where they are written down (`write_deadline = 10`, or `0.5`). Change
/// single fields of the default:
///
/// ```
/// use signal_tokio::Config;
///
/// let mut config = Config::default();
/// config.peers_max = 500;
/// config.core.topics_per_peer_max = 16;
/// config.check()?;
/// # Ok::<(), signal_tokio::ConfigError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// What the core holds each peer to.
    #[serde(with = "limits")]
    pub core: Limits,

    /// Bytes that may wait for one peer, frame headers included. Default 1 MiB, the room a burst of
    /// candidates needs on a slow phone. At least one message of `message_bytes_max` must fit. A
    /// peer past it is closed with 1013.
    pub outbound_bytes_max: usize,
    /// Frames that may wait for one peer. Default 1,024, so that small frames cannot cost much more
    /// than they weigh. A peer past it is closed with 1013.
    pub outbound_frames_max: usize,
    /// How long a socket may take nothing while something waits for it, 0.1 s to 1 h. Default 10 s.
    /// Then the connection is reset.
    #[serde(with = "seconds")]
    pub write_deadline: Duration,
    /// How long a close may take: from our close frame to the end of the connection, 0.1 s to 1
    /// min. Default 5 s.
    #[serde(with = "seconds")]
    pub close_timeout: Duration,

    /// How long a client may take for its HTTP request, the authorizer and our answer included, 0.1
    /// s to 5 min. Default 5 s. Past it: 408.
    #[serde(with = "seconds")]
    pub handshake_timeout: Duration,
    /// The longest request head in bytes, 512 to 1 MiB. Default 8 KiB, what other servers accept
    /// and enough for cookies. Past it: 431.
    pub header_bytes_max: usize,
    /// The most headers of a request, 8 to 1,000. Default 64; browsers send about 20, a proxy adds
    /// a few. Past it: 431.
    pub headers_max: usize,
    /// Connections that may be in their HTTP request at once. Default: an eighth of the limit on
    /// open files, at most 1,024. Past it new ones wait in the kernel's backlog.
    pub handshakes_max: usize,

    /// The most peers. Default: what the limit on open files allows after `handshakes_max` and 64
    /// for the process itself. Past it: 503.
    pub peers_max: usize,
    /// The most peers from one IPv4 address or IPv6 /64. Default 100: a school behind one address.
    /// Past it: 429.
    pub peers_per_ip_max: usize,
    /// Upgrades in a minute from one IPv4 address or IPv6 /64, all at once or spread. Default 120:
    /// such a school comes back after an outage. Past it: 429 with `Retry-After`.
    pub connects_per_minute_per_ip: u32,
    /// The proxies before the relay, by network or address. Default none. Of a connection from one
    /// of them, the client is the right-most address in `X-Forwarded-For` that is no such proxy;
    /// from anywhere else the header means nothing. Written down as a list of texts.
    #[serde(with = "proxies")]
    pub trusted_proxies: TrustedProxies,
    /// Whether loopback and private addresses are held to the per-address limits too. Default
    /// false: they are nearly always a proxy that is not in `trusted_proxies`, and the world behind
    /// it is not one client.
    pub limit_private_ips: bool,
    /// How long an address gets 429 after one of its peers was closed for breaking a limit or the
    /// protocol, 0 to 1 h. Default 10 s. A stock client that is closed reconnects within 4 ms, for
    /// ever; one that is refused backs off.
    #[serde(with = "seconds")]
    pub refuse_after_close: Duration,

    /// How much of a client's address stands in logs. Default: its network, an IPv4 /24 or an IPv6
    /// /48.
    pub log_ips: LogIps,

    /// Over how many seconds a drain spreads its closes, 0 to 3,600. Default 10: a thousand clients
    /// come back at 100 a second.
    pub drain_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        let descriptors = descriptors_max();
        let handshakes_max = (descriptors / 8).clamp(16, 1_024);
        let peers_max = descriptors
            .saturating_sub(handshakes_max + DESCRIPTORS_RESERVED)
            .max(16);
        Self {
            core: Limits::default(),
            outbound_bytes_max: 1024 * 1024,
            outbound_frames_max: 1_024,
            write_deadline: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(5),
            header_bytes_max: 8 * 1024,
            headers_max: 64,
            handshakes_max: saturating_usize(handshakes_max),
            peers_max: saturating_usize(peers_max),
            peers_per_ip_max: 100,
            connects_per_minute_per_ip: 120,
            trusted_proxies: TrustedProxies::default(),
            limit_private_ips: false,
            refuse_after_close: Duration::from_secs(10),
            log_ips: LogIps::Short,
            drain_seconds: 10,
        }
    }
}

impl Config {
    /// Checks that each setting is in its range.
    ///
    /// # Errors
    ///
    /// The first setting that is not, with its value and what to write instead.
    pub fn check(&self) -> Result<(), ConfigError> {
        const MANY: u64 = 100_000_000;
        self.core.check()?;
        // A frame header has at most ten bytes, and a close frame must fit behind a message.
        let one_message = u64::from(self.core.message_bytes_max) + 1_024;
        let ranges = [
            (
                "outbound_bytes_max",
                self.outbound_bytes_max as u64,
                one_message,
                1 << 32,
                " bytes",
            ),
            (
                "outbound_frames_max",
                self.outbound_frames_max as u64,
                4,
                MANY,
                "",
            ),
            (
                "write_deadline",
                millis(self.write_deadline),
                100,
                3_600_000,
                " ms",
            ),
            (
                "close_timeout",
                millis(self.close_timeout),
                100,
                60_000,
                " ms",
            ),
            (
                "handshake_timeout",
                millis(self.handshake_timeout),
                100,
                300_000,
                " ms",
            ),
            (
                "header_bytes_max",
                self.header_bytes_max as u64,
                HEADER_BYTES_MIN,
                1 << 20,
                " bytes",
            ),
            ("headers_max", self.headers_max as u64, 8, 1_000, ""),
            (
                "handshakes_max",
                self.handshakes_max as u64,
                1,
                MANY / 100,
                "",
            ),
            ("peers_max", self.peers_max as u64, 1, MANY, ""),
            (
                "peers_per_ip_max",
                self.peers_per_ip_max as u64,
                1,
                MANY,
                "",
            ),
            (
                "connects_per_minute_per_ip",
                self.connects_per_minute_per_ip.into(),
                1,
                60_000,
                "",
            ),
            (
                "refuse_after_close",
                millis(self.refuse_after_close),
                0,
                3_600_000,
                " ms",
            ),
            ("drain_seconds", self.drain_seconds.into(), 0, 3_600, ""),
        ];
        for (name, value, min, max, unit) in ranges {
            if !(min..=max).contains(&value) {
                return Err(ConfigError::OutOfRange {
                    name,
                    value,
                    min,
                    max,
                    unit,
                });
            }
        }
        Ok(())
    }

    pub(crate) fn queue_limits(&self) -> QueueLimits {
        QueueLimits {
            bytes_max: self.outbound_bytes_max,
            frames_max: self.outbound_frames_max,
        }
    }
}

/// A setting that cannot be served with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// One of the core's limits.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A setting of the sockets.
    #[error("{name} is {value}{unit}; set it to a value from {min} to {max}{unit}")]
    OutOfRange {
        /// The setting, named as the field of [`Config`].
        name: &'static str,
        /// Its value, in `unit`.
        value: u64,
        /// The smallest value allowed.
        min: u64,
        /// The largest value allowed.
        max: u64,
        /// What the numbers count, as it follows them: `" ms"`, or nothing.
        unit: &'static str,
    },
}

/// How many files this process may have open.
fn descriptors_max() -> u64 {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let limit = None;
    limit.unwrap_or(DESCRIPTORS_ASSUMED)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn saturating_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Durations as a number of seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        match duration.subsec_nanos() {
            0 => to.serialize_u64(duration.as_secs()),
            _ => to.serialize_f64(duration.as_secs_f64()),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(|error| {
            de::Error::custom(format_args!("{seconds} is no number of seconds: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn a_bad_setting_is_named_with_its_value_and_the_mend() {
        let config = Config {
            write_deadline: Duration::from_millis(5),
            ..Config::default()
        };
        let error = config.check().expect_err("5 ms is too short");
        assert_eq!(
            error.to_string(),
            "write_deadline is 5 ms; set it to a value from 100 to 3600000 ms"
        );
    }

    #[test]
    fn a_queue_that_cannot_hold_one_message_is_refused() {
        let config = Config {
            outbound_bytes_max: 65_536,
            ..Config::default()
        };
        assert!(config.check().is_err());
    }

    #[test]
    fn settings_are_read_by_name_with_durations_in_seconds() {
        let config: Config = serde_json::from_str(
            r#"{"write_deadline": 2.5, "peers_max": 7, "handshake_timeout": 3}"#,
        )
        .expect("settings");
        assert_eq!(config.write_deadline, Duration::from_millis(2_500));
        assert_eq!(config.handshake_timeout, Duration::from_secs(3));
        assert_eq!(config.peers_max, 7);
        let config: Config =
            serde_json::from_str(r#"{"core": {"close_hold": 0.5}}"#).expect("settings");
        assert_eq!(config.core.close_hold, Duration::from_millis(500));
        assert!(
            serde_json::from_str::<Config>(r#"{"peer_max": 7}"#).is_err(),
            "an unknown name"
        );
        assert!(
            serde_json::from_str::<Config>(r#"{"write_deadline": -1}"#).is_err(),
            "a negative time"
        );
    }
}

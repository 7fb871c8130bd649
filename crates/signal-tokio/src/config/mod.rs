//! The settings of a relay.

mod header;
mod limits;
mod log_ips;
mod memory;
mod proxies;

use std::time::Duration;

use http::HeaderName;
use serde::{Deserialize, Serialize};
use signal_access::{AddressLimits, TrustedProxies};
use signal_core::{LimitError, Limits};

pub use self::log_ips::LogIps;

/// The fewest places for handshakes. With 25 ms for each that waits for its client, they are enough
/// for 640 half requests a second.
const HANDSHAKES_LEAST: u64 = 16;
/// How many descriptors stay free for logs, name look-ups, the admin address and the program
/// around.
const DESCRIPTORS_RESERVED: u64 = 64;
/// How many each thread takes at most: a listener, and what its runtime and its reactor wait on.
const DESCRIPTORS_PER_THREAD: u64 = 8;
/// Taken as the limit on open files where the system does not say.
const DESCRIPTORS_ASSUMED: u64 = 1_024;
/// What an idle peer takes of the memory, most of it in the system, doubled.
const PEER_BYTES: u64 = 8 * 1024;
/// More of anything than a machine can serve.
const MANY: u64 = 100_000_000;

signal_core::limits! {
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
        pub core: Limits = Limits::default(),
        /// What the connections of one address may take.
        #[serde(with = "limits")]
        pub addresses: AddressLimits = AddressLimits::default(),
        /// The proxies before the relay, by network or address. Default none. Of a connection from
        /// one of them, the client is the right-most address in
        /// [`forwarded_header`](Self::forwarded_header) that is not such a proxy; from anywhere
        /// else the header means nothing. Written down as a list of texts.
        #[serde(with = "proxies")]
        pub trusted_proxies: TrustedProxies = TrustedProxies::default(),
        /// The header in which they name their clients: `X-Forwarded-For`, the default, or another
        /// one with addresses, such as `CF-Connecting-IP` and `X-Real-IP`; or `Forwarded`
        /// (RFC 7239). Your proxy must set it itself, whatever a client has written there.
        #[serde(with = "header")]
        pub forwarded_header: HeaderName = HeaderName::from_static("x-forwarded-for"),
        /// Whether each connection from one of [`trusted_proxies`](Self::trusted_proxies), or at a
        /// Unix socket, begins with a header of the PROXY protocol, version 1 or 2, which names the
        /// client. One that does not is closed. Default no.
        pub proxy_protocol: bool = false,
        /// How much of a client's address stands in logs. Default: its network, an IPv4 /24 or an
        /// IPv6 /48.
        pub log_ips: LogIps = LogIps::Short,
    }

    /// The limits of the sockets, in the order of help and tables. A new limit is a new row here,
    /// and nothing else but the code that keeps it: see [`limits!`](signal_core::limits). A row of
    /// [`Duration`] needs `#[serde(with = "seconds")]` above it.
    pub const LIMITS = [
        // What may wait for one peer.
        /// Each message counts 128 more than its bytes, which is what it costs beside them. At
        /// least one of `message_bytes_max` must fit. 128 times as much, or 32 MiB if that is
        /// more, closes at once.
        outbound_bytes_max: usize { default: 1024 * 1024, unit: Bytes, range: 1_039..=1 << 32, scope: Peer,
            what: "Bytes that may wait for one peer whose socket takes no more",
            past: "closed with 1013, after outbound_grace",
            why: "the burst of a full room, on a slow phone" },
        /// Each byte that is taken earns time again: a peer for which more waits stays as long as
        /// it takes that at 2 Mbit/s, or a tenth of it each second if it is much, and does not
        /// pause for longer than this.
        #[serde(with = "seconds")]
        outbound_grace: Duration { default: 1_000, unit: Millis, range: 0..=60_000, scope: Peer,
            what: "How far a peer for which more waits may be behind one that takes it at 2 Mbit/s, or in 10 s if it is much",
            past: "closed with 1013",
            why: "what many say in a moment is read at once or steadily; what is older is of no use" },
        /// Of connections that the relay accepts itself; a stream that somebody else has made keeps
        /// what it has. Linux counts its own bookkeeping too, and takes twice as much for both.
        send_buffer_bytes_max: usize { default: 128 * 1024, unit: Bytes, range: 4_096..=1 << 30, scope: Peer,
            what: "What the system may hold of that which was sent to a peer and has not arrived",
            past: "waits in the relay's own queue, and counts there",
            why: "12 Mbit/s over 100 ms; left alone it grows to megabytes for each peer that does not read" },
        receive_buffer_bytes_max: usize { default: 64 * 1024, unit: Bytes, range: 4_096..=1 << 30, scope: Peer,
            what: "What the system may hold of that which a peer has sent and was not read",
            past: "the peer's own system makes it wait",
            why: "a message in one piece; what a peer sends while it is not listened to costs no more" },
        #[serde(with = "seconds")]
        write_deadline: Duration { default: 10_000, unit: Millis, range: 100..=3_600_000, scope: Peer,
            what: "How long a peer may take nothing of what waits for it",
            past: "TCP reset",
            why: "a phone that changes networks is back in less; a dead one should not hold 1 MiB longer" },
        /// From our close frame to the end of the connection. What the peer sends meanwhile is
        /// thrown away up to `bytes_burst`, and past it not read.
        #[serde(with = "seconds")]
        close_timeout: Duration { default: 5_000, unit: Millis, range: 100..=60_000, scope: Peer,
            what: "How long a close may take",
            past: "TCP reset",
            why: "one round trip of the slowest network, and some" },
        /// Counted is what peers decide about: messages that wait for them, messages whose end is
        /// missing, and topics. Half of the memory leaves room for all else that takes some: idle
        /// connections (9 KiB more with TLS), the system's buffers, and what a library keeps that
        /// frames or encrypts in its own way, as with
        /// [`Relay::accept_messages`](crate::Relay::accept_messages).
        memory_max: usize { default: memory::bytes() / 2, default_from: "half of the memory of the machine or its control group",
            unit: Bytes, range: 1 << 20..=1 << 50, scope: Relay,
            what: "What all peers together may make the relay hold",
            past: "those that hold most are closed with 1013",
            why: "each is bounded by the limits above, their number only by open files; a process that is killed serves nobody" },
        // What is judged before the upgrade.
        /// The authorizer and our answer are included.
        #[serde(with = "seconds")]
        handshake_timeout: Duration { default: 5_000, unit: Millis, range: 100..=300_000, scope: Peer,
            what: "How long a client may take for its HTTP request",
            past: "HTTP 408",
            why: "a request is one packet; a client that needs longer is holding a place" },
        header_bytes_max: usize { default: 16 * 1024, unit: Bytes, range: 512..=1 << 20, scope: Peer,
            what: "Longest request head",
            past: "HTTP 431",
            why: "as Node, under the reference; the cookies of a whole domain come along" },
        headers_max: usize { default: 500, unit: Count, range: 8..=1_000, scope: Peer,
            what: "Headers of a request",
            past: "HTTP 431",
            why: "browsers send about 20, proxies and sign-on add a few dozen; the bytes of the head are what bounds it" },
        /// An eighth of them, 16 at least and 1,024 at most. With fewer than 16, half requests that
        /// come without end would keep newcomers waiting: each may hold its place for 25 ms, so 16
        /// places bear 640 a second. Over TLS, where one that has had our answer may take 250 ms,
        /// 16 bear 64 greetings a second and 128 bear 500.
        handshakes_max: usize { default: handshakes_of_open_files(), default_from: "from the limit on open files",
            unit: Count, range: HANDSHAKES_LEAST..=MANY / 100, scope: Relay,
            what: "Connections that may be in their TLS handshake and HTTP request at once",
            past: "the one that takes longest is closed",
            why: "unfinished requests must not use up the places of peers" },
        /// Four times as many from an IPv6 /48. Proxies in `trusted_proxies` may have any number.
        handshakes_per_ip_max: usize { default: 64, unit: Count, range: 1..=MANY / 100, scope: Address,
            what: "Of these, connections from one IPv4 address or IPv6 /64",
            past: "the one of them that takes longest is closed",
            why: "a class behind one address connects within a second; more that say nothing are not a class" },
        /// What they allow after `handshakes_max` and those of the process itself: 64, and 8 for
        /// each thread that the machine has cores for. At most one for each 8 KiB of `memory_max`.
        peers_max: usize { default: peers_of_open_files(), default_from: "from the limits on open files and memory",
            unit: Count, range: 1..=MANY, scope: Relay,
            what: "Peers at once",
            past: "HTTP 503 with Retry-After",
            why: "a peer is an open file; the process needs some itself" },
        drain_seconds: u32 { default: 3, unit: Seconds, range: 0..=3_600, scope: Relay,
            what: "Over how long a shutdown spreads the closes, so that not all come back at once",
            past: "the process ends",
            why: "with close_timeout it ends within the 10 s after which Docker kills; of a thousand clients some 330 come back each second" },
    ];
}

impl Config {
    /// The default for a program that serves with this many threads, each of which takes a few of
    /// the open files from which `peers_max` follows. [`Config::default`] takes them to be as many
    /// as the machine has cores.
    pub fn for_threads(threads: usize) -> Self {
        Self {
            peers_max: usize::try_from(peers_beside(threads)).unwrap_or(usize::MAX),
            ..Self::default()
        }
    }

    /// How many bytes of memory one peer that does not read may take at most, for longer than
    /// [`outbound_grace`](Self::outbound_grace): a connection, a message whose end is missing, its
    /// topics, what waits for it, and what the system holds both ways. Whatever all of them take
    /// together of the middle three is bounded by [`memory_max`](Self::memory_max).
    pub fn peer_bytes_max(&self) -> u64 {
        const IDLE: u64 = 1_024;
        // Its place with the peer and among the topics.
        const TOPIC: u64 = 160;
        let core = &self.core;
        // Fragments grow by a quarter each time.
        let message = u64::from(core.message_bytes_max) * 5 / 4;
        let names = u64::from(core.topic_bytes_per_peer_max);
        let topics = names + u64::from(core.topics_per_peer_max) * TOPIC;
        let queue = self.outbound_bytes_max as u64;
        // Linux takes twice as much, for its own bookkeeping.
        let system = 2 * (self.send_buffer_bytes_max as u64 + self.receive_buffer_bytes_max as u64);
        let all = [IDLE, message, topics, queue, system];
        all.into_iter().fold(0, u64::saturating_add)
    }

    /// Checks that each limit is in its range.
    ///
    /// # Errors
    ///
    /// The first limit that is not, with its value and the range.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.core.check()?;
        for limit in AddressLimits::ALL {
            limit.check(&self.addresses)?;
        }
        // A frame header has at most ten bytes, and a close frame must fit behind a message.
        let one_message = u64::from(self.core.message_bytes_max) + 1_024;
        for limit in Self::LIMITS {
            match limit.name {
                "outbound_bytes_max" => {
                    let range = one_message..=*limit.range.end();
                    limit.check_in(range, Some("message_bytes_max"), self)?;
                }
                _ => limit.check(self)?,
            }
        }
        Ok(())
    }
}

/// A setting that cannot be served with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A limit of the core or of the sockets.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

fn handshakes_of_open_files() -> u64 {
    (descriptors_max() / 8).clamp(HANDSHAKES_LEAST, 1_024)
}

fn peers_of_open_files() -> u64 {
    peers_beside(std::thread::available_parallelism().map_or(1, usize::from))
}

/// How many peers the limit on open files allows beside so many threads.
fn peers_beside(threads: usize) -> u64 {
    let own = DESCRIPTORS_RESERVED + DESCRIPTORS_PER_THREAD * threads as u64;
    let taken = handshakes_of_open_files() + own;
    let open_files = descriptors_max().saturating_sub(taken);
    open_files.min(memory::bytes() / 2 / PEER_BYTES).max(16)
}

/// How many files this process may have open.
fn descriptors_max() -> u64 {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let limit = None;
    limit.unwrap_or(DESCRIPTORS_ASSUMED)
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
            de::Error::custom(format_args!(
                "{seconds} is not a number of seconds: {error}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use signal_core::Unit;

    use super::*;

    #[test]
    fn threads_take_open_files_that_peers_cannot_have() {
        let peers = |threads| Config::for_threads(threads).peers_max;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(peers(cores), Config::default().peers_max);
        assert_eq!(peers(1) - peers(11), 80);
        assert_eq!(peers(1 << 40), 16, "some are always let in");
    }

    #[test]
    fn the_default_is_valid() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn a_bad_setting_is_named_with_its_value_and_the_range() {
        let config = Config {
            write_deadline: Duration::from_millis(5),
            ..Config::default()
        };
        let error = config.check().expect_err("5 ms is too short");
        assert_eq!(
            error.to_string(),
            "write_deadline is 5ms, but must be from 100ms to 1h"
        );
    }

    #[test]
    fn every_duration_is_written_in_seconds() {
        let written = serde_json::to_value(Config::default()).expect("JSON");
        for limit in Config::LIMITS {
            let default = (limit.default)();
            let value = match limit.unit {
                Unit::Switch => serde_json::json!(default != 0),
                Unit::Millis => serde_json::json!(default / 1_000),
                Unit::Count | Unit::Bytes | Unit::Seconds => serde_json::json!(default),
            };
            assert_eq!(written[limit.name], value, "{}", limit.name);
        }
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

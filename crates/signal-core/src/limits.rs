use core::time::Duration;

use crate::bucket::Rate;

/// Every limit the core holds a peer to.
///
/// One value is shared by all peers of a server. The names are the same in flags, environment
/// variables, metrics and reports. Change single fields of the default:
///
/// ```
/// use signal_core::Limits;
///
/// let mut limits = Limits::default();
/// limits.topics_per_peer_max = 16;
/// assert!(limits.check().is_ok());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message a peer may send, in bytes. Default 65,536: an offer with many media
    /// lines and candidates stays under 10 KB, and a stock client's largest message measured 1.4
    /// KB.
    pub message_bytes_max: u32,
    /// The deepest nesting of a message, its own braces included; 1 to 128. Default 128, which no
    /// session description comes near.
    pub depth_max: u8,
    /// How many topics a peer may be subscribed to at once. Default 128; a stock client has one for
    /// each open document.
    pub topics_per_peer_max: u32,
    /// The longest topic, in bytes of UTF-8. Default 256; room names are names or hashes.
    pub topic_bytes_max: u32,
    /// Messages a peer may send each second, pings apart. Default 100; joining a room of 34 peers
    /// takes some 400 in a burst.
    pub messages_per_second: u32,
    /// Messages a peer may send at once after a pause. Default 1,000.
    pub messages_burst: u32,
    /// Deliveries each second that a peer's publishes may cause. Default 5,000: one 64 KiB publish
    /// to 1,000 peers is not one message.
    pub fan_out_per_second: u32,
    /// Deliveries a peer's publishes may cause at once after a pause. Default 50,000: a join into a
    /// full room of 34 with 20 candidates for each peer.
    pub fan_out_burst: u32,
    /// `ping` messages a peer may send each second. Default 1; a stock client sends one each 15 s.
    pub pings_per_second: u32,
    /// `ping` messages a peer may send at once after a pause. Default 5.
    pub pings_burst: u32,
    /// Strikes (messages dropped for a budget) that are forgiven each second. Default 1.
    pub strikes_per_second: u32,
    /// Strikes a peer may collect before it is refused. Default 200.
    pub strikes_burst: u32,
    /// Messages in a row that may be no JSON; the next one refuses the peer. Default 10: a confused
    /// tool gets a chance, a scanner does not.
    pub invalid_messages_max: u32,
    /// Time between two pings to a peer; a peer from which nothing arrived between two is closed.
    /// Zero switches pings and the check off, for hosts whose runtime watches its sockets itself.
    /// Default 30 s, as y-webrtc's server.
    pub ping_interval: Duration,
    /// How long a refused peer is held, unread and unserved, before it is closed. Default 2 s: a
    /// stock client that is closed comes back after 4 ms, for ever.
    pub close_hold: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 * 1024,
            depth_max: 128,
            topics_per_peer_max: 128,
            topic_bytes_max: 256,
            messages_per_second: 100,
            messages_burst: 1_000,
            fan_out_per_second: 5_000,
            fan_out_burst: 50_000,
            pings_per_second: 1,
            pings_burst: 5,
            strikes_per_second: 1,
            strikes_burst: 200,
            invalid_messages_max: 10,
            ping_interval: Duration::from_secs(30),
            close_hold: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// Checks that each limit is in its range.
    ///
    /// # Errors
    ///
    /// The first limit that is not, with its value and the range. The core works with any values;
    /// this is for operators, who should hear at start that a relay would serve nobody.
    pub fn check(&self) -> Result<(), LimitError> {
        const MILLION: u64 = 1_000_000;
        let ping_interval = millis(self.ping_interval);
        let ranges = [
            // The smallest useful message, a ping, has 15 bytes; a frame that needs 4 GiB is
            // nobody's signaling.
            (
                "message_bytes_max",
                self.message_bytes_max.into(),
                15,
                1 << 30,
            ),
            ("depth_max", self.depth_max.into(), 1, 128),
            (
                "topics_per_peer_max",
                self.topics_per_peer_max.into(),
                1,
                MILLION,
            ),
            ("topic_bytes_max", self.topic_bytes_max.into(), 1, 65_536),
            (
                "messages_per_second",
                self.messages_per_second.into(),
                1,
                MILLION,
            ),
            (
                "messages_burst",
                self.messages_burst.into(),
                1,
                u32::MAX.into(),
            ),
            (
                "fan_out_per_second",
                self.fan_out_per_second.into(),
                1,
                1_000 * MILLION,
            ),
            (
                "fan_out_burst",
                self.fan_out_burst.into(),
                1,
                u32::MAX.into(),
            ),
            ("pings_per_second", self.pings_per_second.into(), 1, MILLION),
            ("pings_burst", self.pings_burst.into(), 1, u32::MAX.into()),
            (
                "strikes_per_second",
                self.strikes_per_second.into(),
                1,
                MILLION,
            ),
            (
                "strikes_burst",
                self.strikes_burst.into(),
                1,
                u32::MAX.into(),
            ),
            (
                "invalid_messages_max",
                self.invalid_messages_max.into(),
                0,
                u32::MAX.into(),
            ),
            (
                "ping_interval",
                ping_interval,
                if ping_interval == 0 { 0 } else { 100 },
                86_400_000,
            ),
            ("close_hold", millis(self.close_hold), 0, 60_000),
        ];
        for (name, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                let unit = if matches!(name, "ping_interval" | "close_hold") {
                    " ms"
                } else {
                    ""
                };
                return Err(LimitError {
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

    pub(crate) const fn messages(&self) -> Rate {
        Rate {
            per_second: self.messages_per_second,
            burst: self.messages_burst,
        }
    }

    pub(crate) const fn fan_out(&self) -> Rate {
        Rate {
            per_second: self.fan_out_per_second,
            burst: self.fan_out_burst,
        }
    }

    pub(crate) const fn pings(&self) -> Rate {
        Rate {
            per_second: self.pings_per_second,
            burst: self.pings_burst,
        }
    }

    pub(crate) const fn strikes(&self) -> Rate {
        Rate {
            per_second: self.strikes_per_second,
            burst: self.strikes_burst,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A limit that is out of its range.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{name} is {value}{unit}, but must be between {min} and {max}{unit}")]
#[non_exhaustive]
pub struct LimitError {
    /// The limit, named as the field of [`Limits`].
    pub name: &'static str,
    /// Its value, in `unit`.
    pub value: u64,
    /// The smallest value allowed.
    pub min: u64,
    /// The largest value allowed.
    pub max: u64,
    /// What the numbers count, as it follows them: `" ms"`, or nothing.
    pub unit: &'static str,
}

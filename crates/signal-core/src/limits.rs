use core::time::Duration;

use crate::LimitError;

crate::limits! {
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
    pub struct Limits {}

    /// All of them, in the order of help and tables. A new limit is a new row here, and nothing
    /// else but the code that keeps it: see [`limits!`](crate::limits).
    pub const ALL = [
        // The smallest useful message, a ping, has 15 bytes; a frame that needs 4 GiB is not
        // signaling.
        message_bytes_max: u32 { default: 64 * 1024, unit: Bytes, range: 15..=1 << 30, scope: Peer,
            what: "Longest message a peer may send",
            past: "held for close_hold, then closed with 1009; the frame's header decides",
            why: "a stock client's largest message measured 1.4 KB, session descriptions with many media lines stay under 10 KB" },
        depth_max: u8 { default: 128, unit: Count, range: 1..=128, scope: Peer,
            what: "Deepest nesting of a message",
            past: "ignored, and counted as invalid",
            why: "no session description comes near it; the reference closes every receiver at some 4,000 levels" },
        topics_per_peer_max: u32 { default: 1_000, unit: Count, range: 1..=1_000_000, scope: Peer,
            what: "Topics a peer may be subscribed to at once",
            past: "further topics are skipped, and the log names the setting",
            why: "a stock client has one topic for each open document, and a workspace has hundreds" },
        topic_bytes_max: u32 { default: 4_096, unit: Bytes, range: 1..=65_536, scope: Peer,
            what: "Longest topic, in UTF-8",
            past: "the topic is skipped, and the log names the setting",
            why: "twice a URL of 2,000 characters, as apps name rooms by the address of their page" },
        topic_bytes_per_peer_max: u32 { default: 64 * 1024, unit: Bytes, range: 1..=1 << 30, scope: Peer,
            what: "Bytes of all topics a peer is subscribed to at once",
            past: "topics that do not fit are skipped, and the log names the setting",
            why: "what a stock client can name in one message; it bounds what the names take, however many and long they are" },
        /// Without tokens, whoever comes first keeps the others out.
        clients_max: u32 { default: 0, unit: Count, range: 1..=10_000_000, zero: true, scope: Peer,
            what: "Peers that one topic may have, of which a token may allow fewer and none more; zero is no limit",
            past: "the topic is skipped, and the log names the setting; what is published from outside is dropped",
            why: "how many may meet is for the app to say; what a large room costs others has budgets of its own" },
        messages_per_second: u32 { default: 100, unit: Count, range: 1..=1_000_000, scope: Peer,
            what: "Messages a peer may send each second, pings apart",
            past: "dropped, and a strike",
            why: "two stock clients that meet and part send 17 together, then nothing" },
        messages_burst: u32 { default: 1_000, unit: Count, range: 1..=U32_MAX, scope: Peer,
            what: "Messages a peer may send at once after a pause",
            past: "dropped, and a strike",
            why: "joining a room of 34 peers takes some 400 messages" },
        bytes_per_second: u32 { default: 128 * 1024, unit: Bytes, range: 1..=U32_MAX, scope: Peer,
            what: "Bytes a peer may send each second; each frame costs its payload and 32 bytes more",
            past: "dropped, and a strike",
            why: "half of what a member that reads at 2 Mbit/s takes, so one publisher cannot fill its queue" },
        bytes_burst: u32 { default: 768 * 1024, unit: Bytes, range: 1..=U32_MAX, scope: Peer,
            what: "Bytes a peer may send at once after a pause",
            past: "dropped, and a strike",
            why: "joining a room of 34 peers takes some 400 messages of at most 1.4 KB, and a queue for a slow member has room for 1 MiB" },
        fan_out_per_second: u32 { default: 5_000, unit: Count, range: 1..=1_000_000_000, scope: Peer,
            what: "Deliveries each second that a peer's publishes may cause",
            past: "dropped, and a strike",
            why: "a 64 KiB publish to 1,000 peers is not one message" },
        fan_out_burst: u32 { default: 50_000, unit: Count, range: 1..=U32_MAX, scope: Peer,
            what: "Deliveries a peer's publishes may cause at once after a pause",
            past: "dropped, and a strike",
            why: "a join into a room of 34 with 20 candidates for each peer" },
        fan_out_bytes_per_second: u64 { default: 8 << 20, unit: Bytes, range: 1..=1 << 40, scope: Peer,
            what: "Bytes each second that a peer's publishes may cause to be sent; each delivery costs its message and 32 bytes more",
            past: "dropped, and a strike",
            why: "64 members get all that a peer may send for good" },
        fan_out_bytes_burst: u64 { default: 64 << 20, unit: Bytes, range: 1..=1 << 40, scope: Peer,
            what: "Bytes a peer's publishes may cause to be sent at once after a pause",
            past: "dropped, and a strike",
            why: "three joins into a room of 34, each of 400 messages of 1.4 KB" },
        pings_per_second: u32 { default: 1, unit: Count, range: 1..=1_000_000, scope: Peer,
            what: "Ping messages a peer may send each second",
            past: "dropped, and a strike",
            why: "a stock client pings each 15 s; a budget of its own, so that nothing else starves its pongs" },
        pings_burst: u32 { default: 5, unit: Count, range: 1..=U32_MAX, scope: Peer,
            what: "Ping messages a peer may send at once after a pause",
            past: "dropped, and a strike",
            why: "a client that was suspended catches up" },
        strikes_per_second: u32 { default: 1, unit: Count, range: 1..=1_000_000, scope: Peer,
            what: "Strikes (messages dropped for a budget) that are forgiven each second",
            past: "they add up",
            why: "a client that was too fast once is not marked for good" },
        strikes_burst: u32 { default: 200, unit: Count, range: 1..=U32_MAX, scope: Peer,
            what: "Strikes a peer may collect",
            past: "held for close_hold, then closed with 4429",
            why: "two seconds past the rate of messages is an accident, more is not" },
        invalid_messages_max: u16 { default: 10, unit: Count, range: 0..=10_000, scope: Peer,
            what: "Messages in a row that may fail to be JSON",
            past: "held for close_hold, then closed with 1007",
            why: "a confused tool gets a chance, a scanner does not" },
        /// Zero switches pings and the check off, for hosts whose runtime watches its sockets
        /// itself.
        ping_interval: Duration { default: 30_000, unit: Millis, range: 100..=86_400_000, zero: true, scope: Peer,
            what: "Time between two WebSocket pings to a peer",
            past: "closed with 4408, if nothing came since the last ping",
            why: "as y-webrtc's server; under the idle timeout of common proxies, 60 s" },
        /// Zero switches it off, for hosts that cost something when they wake.
        keepalive_interval: Duration { default: 20_000, unit: Millis, range: 1_000..=86_400_000, zero: true, scope: Peer,
            what: "Time after its last pong at which a peer is sent one that it did not ask for",
            past: "sent `{\"type\":\"pong\"}`",
            why: "a hidden tab pings once a minute and gives up after 30 s of silence; one that is seen pings each 15 s and gets none of these" },
        close_hold: Duration { default: 2_000, unit: Millis, range: 0..=60_000, scope: Peer,
            what: "How long a refused peer is held, unread and unserved, so that it cannot reconnect at once",
            past: "the connection ends",
            why: "a stock client that is closed reconnects at once, again and again" },
    ];
}

const U32_MAX: u64 = u32::MAX as u64;

impl Limits {
    /// Checks that each limit is in its range.
    ///
    /// # Errors
    ///
    /// The first limit that is not, with its value and the range. The core works with any values;
    /// this is for operators, who should learn at start that a relay would serve no one.
    pub fn check(&self) -> Result<(), LimitError> {
        Self::ALL.iter().try_for_each(|limit| limit.check(self))
    }

    /// How many peers a topic may have for one whose grant says this of it, and what says so: the
    /// stricter of the two holds.
    pub(crate) fn clients_max(&self, granted: Option<u32>) -> (usize, &'static str) {
        let setting = (self.clients_max > 0).then_some(self.clients_max as usize);
        let setting = setting.unwrap_or(usize::MAX);
        match granted.map(|max| max as usize).filter(|max| *max < setting) {
            Some(max) => (max, "grant_clients_max"),
            None => (setting, "clients_max"),
        }
    }

    /// The setting that keeps a peer out of a topic whose name has `len` bytes, if one does: it has
    /// other topics of so many `bytes` together.
    pub(crate) fn met_by_topic(&self, len: usize, bytes: usize) -> Option<&'static str> {
        let is_too_long = len > self.topic_bytes_max as usize;
        let is_past = bytes.saturating_add(len) > self.topic_bytes_per_peer_max as usize;
        let too_many = is_past.then_some("topic_bytes_per_peer_max");
        is_too_long.then_some("topic_bytes_max").or(too_many)
    }
}

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

/// Makes the announcement for a topic; `None` for none.
pub type Announce = Arc<dyn Fn(&str) -> Option<Value> + Send + Sync>;

/// How a [`Client`](crate::Client) connects and keeps connected.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Headers of the upgrade request, such as `Authorization`. None by default.
    pub headers: HeaderMap,
    /// Called for each topic after each subscribe, also after a reconnect; what it returns is
    /// published to the topic. This is how a peer announces itself to the others, as stock
    /// clients do. None by default.
    pub announce: Option<Announce>,
    /// How long connecting may take, the upgrade included. Default 10 s.
    pub connect_timeout: Duration,
    /// How long the relay may be silent before it is asked for a pong; after twice as long the
    /// connection counts as lost. Default 15 s, as y-webrtc's client.
    pub ping_interval: Duration,
    /// The longest wait before the first reconnect; it doubles with each that fails. Default 0.5 s.
    /// Each wait is a random part of it, so that the clients of a relay that restarts do not come
    /// back at one moment.
    pub backoff_min: Duration,
    /// What the longest wait grows to. Default 30 s.
    pub backoff_max: Duration,
    /// The longest message accepted, in bytes. Default 1 MiB.
    pub message_bytes_max: usize,
    /// Requests that may wait for the connection's task before callers wait. Default 64.
    pub commands_max: usize,
    /// Events that may wait to be read. Past it the connection is not read either, and in the end
    /// the relay closes it: so read [`Events`](crate::Events), or drop it. Default 256.
    pub events_max: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            announce: None,
            connect_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(15),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            message_bytes_max: 1024 * 1024,
            commands_max: 64,
            events_max: 256,
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers carry tokens, so only their number is shown.
        f.debug_struct("ClientConfig")
            .field("headers", &self.headers.len())
            .field("announce", &self.announce.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("ping_interval", &self.ping_interval)
            .field("backoff_min", &self.backoff_min)
            .field("backoff_max", &self.backoff_max)
            .field("message_bytes_max", &self.message_bytes_max)
            .field("commands_max", &self.commands_max)
            .field("events_max", &self.events_max)
            .finish()
    }
}

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use signal_core::client::{self, Incoming};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// What happens to a [`Client`](crate::Client).
#[derive(Clone, Debug)]
pub enum Event {
    /// There is a connection, and all topics are subscribed and announced on it.
    Connected,
    /// Somebody published to a topic of ours; perhaps we did, for a relay sends to the publisher
    /// too.
    Message(Received),
    /// There is no connection, because it broke or could not be made.
    Disconnected {
        /// Why, for a person.
        cause: String,
        /// When the next try is made.
        retry_in: Duration,
    },
}

/// A message that was published.
#[derive(Clone, Debug)]
pub struct Received {
    text: Utf8Bytes,
    topic: String,
    clients: Option<u64>,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

/// A message by its type.
pub(super) enum Parsed {
    Publish(Received),
    Pong,
    Unknown,
}

impl Received {
    /// The topic it was published to.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// How many peers it was sent to. A hint about load, not a list of members.
    pub fn clients(&self) -> Option<u64> {
        self.clients
    }

    /// The whole message as it arrived.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What was published.
    ///
    /// # Errors
    ///
    /// If there is no `data`, or it is not a `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.text).map(|Data { data }| data)
    }
}

/// Reads a message of the relay. Anything that is not of this protocol is ignored: relays may say
/// more to clients that know more.
pub(super) fn parse(text: Utf8Bytes) -> Parsed {
    match client::read(&text) {
        Some(Incoming::Publish(publish)) => Parsed::Publish(Received {
            topic: publish.topic.into_owned(),
            clients: publish.clients,
            text,
        }),
        Some(Incoming::Pong) => Parsed::Pong,
        _ => Parsed::Unknown,
    }
}

/// What happens to a [`Client`](crate::Client), in order.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Event>,
}

impl Events {
    pub(super) fn new(events: mpsc::Receiver<Event>) -> Self {
        Self { events }
    }

    /// The next event; `None` once all handles of the client are gone.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

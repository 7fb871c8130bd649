//! A client for native programs.

mod backoff;
mod config;
mod connection;
mod dial;
mod end;
mod event;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Utf8Bytes;

pub use self::config::{Announce, ClientConfig};
pub use self::event::{Event, Events, Received};

/// A connection to a relay that comes back by itself.
///
/// Cloning it gives another handle to the same connection, which ends when the last handle is
/// dropped, or [`Events`] is.
///
/// What an outage means: subscriptions are kept and made again. A publish while there is no
/// connection is an error, and one that was on its way when the connection broke may be lost
/// without a word; so may messages of others. Signaling is lossy across connections, and peers
/// announce themselves anew after each: see [`ClientConfig::announce`].
///
/// ```no_run
/// use signal_tokio::{Client, ClientConfig, Event};
///
/// # async fn example() -> Result<(), signal_tokio::ClientError> {
/// let (client, mut events) = Client::connect("ws://localhost:4444", ClientConfig::default())?;
/// client.subscribe("my-room").await?;
/// while let Some(event) = events.next().await {
///     match event {
///         Event::Connected => client.publish("my-room", &"hello").await?,
///         Event::Message(message) => println!("{}: {}", message.topic(), message.text()),
///         Event::Disconnected { cause, retry_in } => println!("{cause}; again in {retry_in:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    is_connected: Arc<AtomicBool>,
}

/// What handles ask of the connection's task.
#[derive(Debug)]
enum Command {
    Subscribe(String),
    Unsubscribe(String),
    Send(Utf8Bytes),
    Ping(oneshot::Sender<()>),
}

/// Why a request to a [`Client`] was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is not one that a client can connect to.
    #[error("{url} is not a WebSocket address: {cause}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// There is no connection at the moment. Subscriptions are not affected.
    #[error("there is no connection to the relay at the moment")]
    NotConnected,
    /// [`Events`] was dropped, which ended the connection.
    #[error("the client has been closed")]
    Closed,
    /// The data is not representable in JSON.
    #[error("the data cannot be written as JSON")]
    Data(#[from] serde_json::Error),
}

impl Client {
    /// Starts connecting to `url`, on a task of the current runtime, and keeps connected.
    ///
    /// # Errors
    ///
    /// If `url` is not a `ws://` address, nor, with feature `tls`, a `wss://` one. Everything that
    /// may pass is an [`Event::Disconnected`] instead.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn connect(url: &str, config: ClientConfig) -> Result<(Self, Events), ClientError> {
        let request = dial::check(url, &config)?;
        let (commands, commands_of_task) = mpsc::channel(config.commands_max.max(1));
        let (events, events_of_user) = mpsc::channel(config.events_max.max(1));
        let is_connected = Arc::new(AtomicBool::new(false));
        let task = connection::Task {
            request,
            config,
            topics: BTreeSet::new(),
            commands: commands_of_task,
            events,
            is_connected: Arc::clone(&is_connected),
        };
        tokio::spawn(task.run());
        Ok((
            Self {
                commands,
                is_connected,
            },
            Events::new(events_of_user),
        ))
    }

    /// Subscribes to `topic`, now if there is a connection, and after every reconnect.
    ///
    /// # Errors
    ///
    /// If the client has been closed.
    pub async fn subscribe(&self, topic: &str) -> Result<(), ClientError> {
        self.command(Command::Subscribe(topic.to_owned())).await
    }

    /// Ends the subscription to `topic`.
    ///
    /// # Errors
    ///
    /// If the client has been closed.
    pub async fn unsubscribe(&self, topic: &str) -> Result<(), ClientError> {
        self.command(Command::Unsubscribe(topic.to_owned())).await
    }

    /// Publishes `data` to `topic`. Waits while earlier messages are on their way.
    ///
    /// # Errors
    ///
    /// If there is no connection at the moment, the client has been closed, or `data` cannot be
    /// JSON.
    pub async fn publish<T>(&self, topic: &str, data: &T) -> Result<(), ClientError>
    where
        T: Serialize + ?Sized,
    {
        self.send(connection::publish_text(topic, data)?).await
    }

    /// Sends a message as it is, for what the other methods do not cover.
    ///
    /// # Errors
    ///
    /// If there is no connection at the moment or the client has been closed.
    pub async fn send(&self, text: String) -> Result<(), ClientError> {
        if !self.is_connected() {
            return Err(ClientError::NotConnected);
        }
        self.command(Command::Send(text.into())).await
    }

    /// Asks the relay for a sign of life; completes with its `pong`. Not for more than one a
    /// second: relays leave a flood of pings unanswered.
    ///
    /// # Errors
    ///
    /// If there is no connection at the moment, it breaks before the answer, or the client has been
    /// closed.
    pub async fn ping(&self) -> Result<(), ClientError> {
        if !self.is_connected() {
            return Err(ClientError::NotConnected);
        }
        let (answer, answered) = oneshot::channel();
        self.command(Command::Ping(answer)).await?;
        answered.await.map_err(|_| ClientError::NotConnected)
    }

    /// Whether there is a connection at the moment.
    pub fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    async fn command(&self, command: Command) -> Result<(), ClientError> {
        self.commands
            .send(command)
            .await
            .map_err(|_| ClientError::Closed)
    }
}

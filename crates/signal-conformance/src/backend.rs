//! What the suite runs against.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::Serialize;
use thiserror::Error;

use crate::{Capability, Grant, Issuer, Level, Scenario};

/// A server under test, or whatever stands for one.
///
/// Only [`declared`](Self::declared) and [`connect`](Self::connect) must be there; the others have
/// a [`Capability`] each and are called only if it is declared.
#[async_trait]
pub trait Backend: Send + Sync {
    /// What this backend claims to be and can do. What is not declared is skipped, not failed.
    fn declared(&self) -> Declared;

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// The server refused it or could not be reached.
    async fn connect(&self, options: ConnectOptions) -> Result<Box<dyn Connection>, ConnectError>;

    /// Called before each scenario. An in-memory backend that runs scenarios one at a time begins a
    /// new world here.
    ///
    /// # Errors
    ///
    /// The backend cannot be brought into a state to begin from.
    async fn begin(&self, _scenario: &Scenario) -> Result<(), BackendError> {
        Ok(())
    }

    /// The server's time in milliseconds since 1970, which the times in tokens count from. A
    /// backend with a virtual clock returns that one.
    fn unix_now(&self) -> u64 {
        let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Lets time pass; connections that are not paused answer pings meanwhile.
    ///
    /// # Errors
    ///
    /// It cannot be done.
    async fn advance(&self, _time: Duration) -> Result<(), BackendError> {
        Err(BackendError::unsupported(Capability::Advance))
    }

    /// Ends the server, if it has not ended already, and starts it again.
    ///
    /// # Errors
    ///
    /// The server does not come up.
    async fn restart(&self) -> Result<(), BackendError> {
        Err(BackendError::unsupported(Capability::Restart))
    }

    /// Makes the server forget all but what it stored, and wake up, with the connections open.
    ///
    /// # Errors
    ///
    /// It cannot be done.
    async fn hibernate(&self) -> Result<(), BackendError> {
        Err(BackendError::unsupported(Capability::Hibernate))
    }

    /// Begins an orderly shutdown. The server is not needed afterwards until
    /// [`restart`](Self::restart).
    ///
    /// # Errors
    ///
    /// It cannot be done.
    async fn drain(&self) -> Result<(), BackendError> {
        Err(BackendError::unsupported(Capability::Drain))
    }

    /// Ends a node at once, and its connections with it.
    ///
    /// # Errors
    ///
    /// It cannot be done.
    async fn kill_node(&self, _node: usize) -> Result<(), BackendError> {
        Err(BackendError::unsupported(Capability::NodeFaults))
    }

    /// Tells a node to shut down in an orderly way, and waits until it has ended.
    ///
    /// # Errors
    ///
    /// It cannot be done.
    async fn drain_node(&self, _node: usize) -> Result<(), BackendError> {
        Err(BackendError::unsupported(Capability::NodeFaults))
    }

    /// Starts a node that has ended, and waits until it is ready for clients.
    ///
    /// # Errors
    ///
    /// It does not come up.
    async fn start_node(&self, _node: usize) -> Result<(), BackendError> {
        Err(BackendError::unsupported(Capability::NodeFaults))
    }

    /// Ends what carries messages from node to node.
    ///
    /// # Errors
    ///
    /// It cannot be done.
    async fn stop_bus(&self) -> Result<(), BackendError> {
        Err(BackendError::unsupported(Capability::BusFaults))
    }

    /// Starts again what carries messages from node to node.
    ///
    /// # Errors
    ///
    /// It does not come up.
    async fn start_bus(&self) -> Result<(), BackendError> {
        Err(BackendError::unsupported(Capability::BusFaults))
    }

    /// Opens a connection that sends these bytes and then nothing, past all layers above TCP, and
    /// that stays until what is returned is dropped.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    async fn guest(&self, _bytes: &[u8]) -> Result<Box<dyn Send>, BackendError> {
        Err(BackendError::unsupported(Capability::Guests))
    }

    /// Sends an HTTP request that is not a WebSocket upgrade.
    ///
    /// # Errors
    ///
    /// There was no answer.
    async fn http(&self, _request: HttpRequest) -> Result<HttpResponse, BackendError> {
        Err(BackendError::unsupported(Capability::Http))
    }
}

/// A client's end of one connection.
///
/// Sending on a connection that has ended is not an error: it does nothing, and
/// [`receive`](Self::receive) reports the end. Pings of the server are answered by the connection
/// itself unless it is paused. Dropping it may end it in any way.
#[async_trait]
pub trait Connection: Send {
    /// The subprotocol that the server selected ([`Capability::Http`] or [`Capability::Tokens`]).
    fn protocol(&self) -> Option<&str> {
        None
    }

    /// Sends a text message.
    async fn send_text(&mut self, text: &str);

    /// Sends a binary message.
    async fn send_binary(&mut self, bytes: &[u8]);

    /// Writes bytes past the WebSocket layer ([`Capability::RawFrames`]).
    async fn send_raw(&mut self, _bytes: &[u8]) {}

    /// Waits for the next event for up to `patience` of the backend's own time.
    ///
    /// A backend with a virtual clock never sleeps: it delivers what is on its way, moves its clock
    /// as far as `patience` allows if that makes something come, and otherwise says
    /// [`Event::Nothing`] at once. After [`Event::Closed`] it says so again.
    async fn receive(&mut self, patience: Duration) -> Event;

    /// Starts the closing handshake; the server's answer comes as [`Event::Closed`].
    async fn close(&mut self, code: Option<u16>, reason: &str);

    /// Ends the connection without a close.
    async fn abort(&mut self);

    /// Stops reading ([`Capability::Pause`]).
    async fn pause(&mut self) {}

    /// Reads again.
    async fn resume(&mut self) {}
}

/// What comes to a client.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A text message.
    Text(String),
    /// A binary message, which no server may send.
    Binary(Vec<u8>),
    /// A pong frame. Backends without frames have none.
    Pong(Vec<u8>),
    /// The connection has ended.
    Closed {
        /// The close code; 1005 for a close without one, 1006 for an end without close.
        code: u16,
        /// The reason sent with it, or what went wrong.
        reason: String,
    },
    /// Nothing came in time.
    Nothing,
}

impl Event {
    /// The message, if it is a text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

/// How to connect.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// The client's name in the scenario, for logs.
    pub client: String,
    /// Path and query instead of the backend's own, whose query is added ([`Capability::Http`]).
    pub path: Option<String>,
    /// Added to the query ([`Capability::Tokens`]).
    pub query: Option<String>,
    /// Headers to send besides those of an upgrade ([`Capability::Tokens`]).
    pub headers: Vec<(String, String)>,
    /// Subprotocols to offer ([`Capability::Http`] or [`Capability::Tokens`]).
    pub protocols: Vec<String>,
    /// The `Origin` header to send ([`Capability::Http`] or [`Capability::Origins`]).
    pub origin: Option<String>,
    /// The grant of the peer, everything if there is none ([`Capability::Grants`]).
    pub grant: Option<Grant>,
    /// Whether the scenario brings its own token, or none: the backend adds nothing to let the
    /// client in ([`Capability::Tokens`]).
    pub bare: bool,
    /// Which node of the service, from 0 ([`Capability::Nodes`]).
    pub node: usize,
}

/// What a backend claims and can do.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Declared {
    /// A name for the report, such as the URL.
    pub name: String,
    /// The levels it claims.
    pub levels: BTreeSet<Level>,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// The limits in force by the names of `signal-core`'s `Limits`; sizes in bytes, times in
    /// milliseconds.
    pub limits: BTreeMap<String, u64>,
    /// How many nodes it has ([`ConnectOptions::node`]).
    pub nodes: usize,
    /// What signs tokens for it, if it asks for them.
    #[serde(skip)]
    pub issuer: Option<Issuer>,
    /// An origin whose pages it lets in, if it refuses those of others: `scheme://host` or
    /// `scheme://host:port`.
    #[serde(skip)]
    pub origin: Option<String>,
}

impl Declared {
    /// Declares a backend that claims `stock` and can do nothing but connect.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let levels = BTreeSet::from([Level::Stock]);
        Self {
            name: name.into(),
            levels,
            nodes: 1,
            ..Self::default()
        }
    }

    /// Serves as one from several nodes: the level `cluster` is claimed.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        if nodes > 1 {
            self.levels.insert(Level::Cluster);
            self.capabilities.insert(Capability::Nodes);
        }
        self
    }

    /// Claims levels.
    #[must_use]
    pub fn levels(mut self, levels: impl IntoIterator<Item = Level>) -> Self {
        self.levels.extend(levels);
        self
    }

    /// Adds capabilities.
    #[must_use]
    pub fn capabilities(mut self, capabilities: impl IntoIterator<Item = Capability>) -> Self {
        self.capabilities.extend(capabilities);
        self
    }

    /// Asks for tokens, which this issuer signs. A server with the public half of an Ed25519 key,
    /// or with an audience, is held to more.
    #[must_use]
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.capabilities.extend(issuer.capabilities());
        self.issuer = Some(issuer);
        self
    }

    /// Lets in pages of this origin and no other, so not those of any.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.capabilities.insert(Capability::Origins);
        self.capabilities.remove(&Capability::AnyOrigin);
        self.origin = Some(origin.into());
        self
    }

    /// Names a limit in force.
    #[must_use]
    pub fn limit(mut self, name: impl Into<String>, value: u64) -> Self {
        self.limits.insert(name.into(), value);
        self
    }
}

/// A plain HTTP request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// Path and query, to which the query of the backend's own is added; empty for the backend's
    /// own.
    pub path: String,
    /// Headers besides `Host` and `Connection: close`.
    pub headers: Vec<(String, String)>,
    /// Whether it is of HTTP/1.0 and not of HTTP/1.1.
    pub old: bool,
}

/// The answer to a plain HTTP request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Makes an answer.
    #[must_use]
    pub fn new(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The value of the first header of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

/// A connection could not be opened.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The server answered the upgrade with another status.
    #[error("refused with HTTP status {}", .0.status)]
    Refused(HttpResponse),
    /// There was no such answer.
    #[error("cannot connect: {0}")]
    Failed(String),
}

/// The backend itself does not work.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct BackendError(String);

impl BackendError {
    /// Makes an error from a sentence for the report.
    #[must_use]
    pub fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }

    fn unsupported(capability: Capability) -> Self {
        Self(format!(
            "the backend declares `{}` but does not have it",
            capability.name()
        ))
    }
}

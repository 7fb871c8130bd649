//! The relay itself.

mod builder;
#[cfg(feature = "metrics")]
mod metrics;
mod operator;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use http::request::Parts;
#[cfg(feature = "tokens")]
use signal_access::TurnServers;
use signal_access::{Judging, Permit, Refusal};
use signal_core::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::admission::Admission;
use crate::admission::authorizer::Authorizer;
use crate::config::{Config, ConfigError};
use crate::handshake::Handshake;
use crate::handshake::answer::answer;
use crate::handshake::upgrade::{self, Upgrade};
use crate::serve::accept::{self, Transport};
use crate::serve::arrival::{self, Upgraded};
use crate::serve::bytes::Foreign;
use crate::serve::connection::{self, Connection};
use crate::serve::drain;
use crate::serve::listen::{ListenError, Listeners};
use crate::serve::messages::Messages;
use crate::shared::Shared;
use crate::stats::Stats;
pub use builder::RelayBuilder;
#[cfg(feature = "metrics")]
pub use metrics::RelayCollector;
pub use operator::{PublishError, TopicPage, TopicQuery};

/// A relay: its topics, its peers, its limits. Cloning it gives another handle to the same.
///
/// It is fed with connections in whatever way suits the program it is part of:
///
/// - [`listen`](Self::listen) takes a port and does everything;
/// - [`serve`](Self::serve) takes a listener, `serve_tls` serves it over TLS (feature `tls`);
/// - [`serve_per_core`](Self::serve_per_core) takes a port and has a thread and a listener for each
///   core, as `signal serve` does; `serve_tls_per_core` over TLS;
/// - [`serve_stream`](Self::serve_stream) takes one fresh connection, for a Unix socket or a test
///   pipe;
/// - [`upgrade`](Self::upgrade) and [`accept`](Self::accept) leave HTTP to another server;
/// - [`accept_messages`](Self::accept_messages) leaves WebSocket frames to another server too;
/// - `router` is all of that for axum (feature `axum`).
#[derive(Clone, Debug)]
pub struct Relay {
    pub(crate) shared: Arc<Shared>,
}

impl Relay {
    /// A relay that lets everyone in.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// A relay that asks an authorizer who may come in.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range.
    pub fn with_authorizer(
        config: Config,
        authorizer: impl Authorizer,
    ) -> Result<Self, ConfigError> {
        Self::builder(config).authorizer(authorizer).build()
    }

    /// A relay of more parts than these: one that is a node of a cluster, for instance.
    pub fn builder(config: Config) -> RelayBuilder {
        RelayBuilder::new(config)
    }

    /// A server that sends every message back to its sender: all of a relay's connection code, with
    /// nothing behind it. The Autobahn cases need such a server, and are worth something only if
    /// they test the relay's own frames.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range.
    #[doc(hidden)]
    pub fn echo(config: Config) -> Result<Self, ConfigError> {
        Self::builder(config).echo().build()
    }

    /// Listens, and serves until the relay has [drained](Self::drain), as [`serve`](Self::serve)
    /// does: at an address, or where else [`Listen`](crate::Listen) and [`Listeners`] say.
    ///
    /// # Errors
    ///
    /// If one of the addresses cannot be bound.
    pub async fn listen(&self, listeners: impl Into<Listeners>) -> Result<(), ListenError> {
        accept::listen(&self.shared, listeners.into(), Transport::Plain).await
    }

    /// Serves connections from `listener` until the relay has [drained](Self::drain).
    ///
    /// Connections are tasks of the current runtime. Dropping this future stops accepting and
    /// leaves them running. Those that came before this call have buffers of the system's size:
    /// [`listen`](Self::listen) bounds those of all, as it opens the listener itself.
    ///
    /// What follows TCP's urgent byte, which no WebSocket client sends, is read here when the
    /// client's next packet comes: a read ends at that byte, and tokio takes a short one for the
    /// end of what there is. That delays nobody else, and
    /// [`serve_per_core`](Self::serve_per_core) reads on.
    pub async fn serve(&self, listener: TcpListener) {
        let listener = accept::Listener::Tcp(listener);
        accept::serve(&self.shared, listener, Transport::Plain).await;
    }

    /// Serves connections from `listener` as [`serve`](Self::serve) does, over TLS: `wss://`.
    ///
    /// The handshake must be over, and the request there, within
    /// [`handshake_timeout`](Config::handshake_timeout). A client that speaks plain HTTP is
    /// answered in plain HTTP that this port speaks TLS. `tls` should offer no protocol but
    /// `http/1.1`; give it a resolver to exchange certificates while it serves.
    #[cfg(feature = "tls")]
    pub async fn serve_tls(&self, listener: TcpListener, tls: Arc<rustls::ServerConfig>) {
        let listener = accept::Listener::Tcp(listener);
        accept::serve(&self.shared, listener, Transport::Tls(tls.into())).await;
    }

    /// Serves connections from `listener` until `shutdown` completes, then drains.
    pub async fn serve_with_shutdown(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) {
        let drain = async {
            shutdown.await;
            self.drain().await;
        };
        tokio::join!(self.serve(listener), drain);
    }

    /// Serves one fresh connection, from its HTTP request to its end: a TLS stream, a Unix socket,
    /// a test pipe.
    ///
    /// Set TCP_NODELAY on a TCP socket before: without it a message may wait some 40 ms for the
    /// client to acknowledge the one before it. The relay sees a stream of bytes and cannot.
    pub async fn serve_stream<Io>(&self, io: Io, remote: Option<SocketAddr>)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handshake = Handshake::new(&self.shared.door, remote.into());
        if let Some(upgraded) = Box::pin(arrival::run(io, handshake, None)).await {
            let Upgraded {
                io,
                read_ahead,
                admission,
            } = upgraded;
            let rooms = Arc::clone(&self.shared.rooms);
            connection::run(Foreign(io), read_ahead, admission, rooms).await;
        }
    }

    /// Answers a request that another HTTP/1.1 server has read.
    ///
    /// Every request has an answer: upgrades, `/healthz`, `/readyz` and `/limits`, and `okay` to
    /// the rest.
    pub async fn upgrade(&self, request: &Parts, remote: Option<SocketAddr>) -> Upgrade {
        answer(&self.shared.door, request, remote.into()).await
    }

    /// Takes a place for a connection that was authorized elsewhere. `client` is the client's own
    /// address, not that of a proxy: the limits per address count by it.
    ///
    /// # Errors
    ///
    /// If the relay is full or draining, or the address or the subject exceeds its limits.
    pub fn admit(
        &self,
        permit: impl Into<Permit>,
        client: Option<IpAddr>,
    ) -> Result<Admission, Refusal> {
        let admission = upgrade::take_place(&self.shared.door, client, Judging::Cheap)
            .and_then(|place| Admission::new(place, permit.into()));
        let (admission, _protocol) =
            admission.inspect_err(|refusal| self.shared.counters.count_refusal(refusal.cause()))?;
        Ok(admission)
    }

    /// Lets somebody else judge from now on: after keys were changed, for instance. Those who are
    /// connected stay, with the grants they have.
    pub fn set_authorizer(&self, authorizer: impl Authorizer) {
        self.shared.door.set_authorizer(Arc::new(authorizer));
    }

    /// Gives out credentials for these TURN servers from now on, at `GET /turn`: as JSON, whose
    /// `iceServers` are those that an `RTCPeerConnection` takes. Without any the answer is 404.
    ///
    /// Who asks is judged as for an upgrade, by the limits of the address and by the authorizer,
    /// and is given credentials that end with the grant at the latest. A page of an origin that may
    /// connect may read the answer.
    #[cfg(feature = "tokens")]
    pub fn set_turn_servers(&self, servers: impl Into<Option<TurnServers>>) {
        self.shared.door.set_turn_servers(servers.into());
    }

    /// Runs a connection that has been upgraded, until it ends. `read_ahead` is what the HTTP
    /// server had read beyond the request.
    ///
    /// Dropping the future ends the connection and removes its peer at once. The admission is one
    /// of this relay; another's would be counted there and talk here. Set TCP_NODELAY on the
    /// socket, as for [`serve_stream`](Self::serve_stream).
    pub async fn accept<Io>(&self, io: Io, read_ahead: Bytes, admission: Admission)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let rooms = Arc::clone(&self.shared.rooms);
        connection::run(Foreign(io), read_ahead, admission, rooms).await;
    }

    /// Runs a connection whose frames somebody else reads and writes: any stream and sink of
    /// WebSocket messages, such as tokio-tungstenite's `WebSocketStream`. Pings and closes are
    /// answered by that side, which must also bound the size of messages; the relay cannot see a
    /// header before the payload here.
    pub async fn accept_messages<S, E>(&self, socket: S, admission: Admission)
    where
        S: Stream<Item = Result<Message, E>> + Sink<Message> + Unpin,
    {
        let rooms = Arc::clone(&self.shared.rooms);
        Connection::new(Messages::new(socket), admission, rooms, None)
            .run()
            .await;
    }

    /// Ends the relay without a herd: not ready and no upgrades from now on, closes spread over
    /// [`drain_seconds`](Config::drain_seconds), then [`serve`](Self::serve) returns. Completes
    /// when all peers have gone.
    ///
    /// A second call waits for the first.
    pub async fn drain(&self) {
        drain::drain(&self.shared).await;
    }

    /// What the relay holds and has done. Looks at the queue of every peer, so ask once a second
    /// rather than once a message.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            lifecycle: self.shared.door.lifecycle(),
            peers: self.shared.places.gate.peers() as u64,
            peers_max: self.shared.config.peers_max as u64,
            handshakes: self.shared.door.unfinished.count() as u64,
            queue_bytes_max: self.shared.config.outbound_bytes_max as u64,
            ..Stats::default()
        };
        self.shared.counters.fill(&mut stats);
        self.shared.rooms.fill(&mut stats);
        stats
    }

    /// How the relay is as a node of a cluster; `None` if it is none. Feature `cluster`.
    #[cfg(feature = "cluster")]
    pub fn cluster_stats(&self) -> Option<crate::cluster::ClusterStats> {
        let node = self.shared.node.as_ref();
        node.map(|node| node.stats())
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The time as this relay counts it, for the expiry of grants.
    pub fn now(&self) -> Instant {
        self.shared.clock.now()
    }
}

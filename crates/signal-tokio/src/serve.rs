//! Listeners.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::http1::{self, Upgraded};
use crate::mailbox::Mailbox;
use crate::shared::{Lifecycle, Shared};
use crate::socket;

/// How long to wait after an accept that failed for want of descriptors or memory, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a listener's connections speak.
#[derive(Clone)]
pub(crate) enum Transport {
    /// TCP alone. Who is upgraded lives in the reactor of the thread, if there is one, or is a task.
    Plain(Option<Arc<Mailbox>>),
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// A connection that has not been upgraded yet.
pub(crate) struct Arrival {
    pub(crate) shared: Arc<Shared>,
    pub(crate) remote: SocketAddr,
    /// By when it must have sent its request.
    pub(crate) deadline: Instant,
    /// Given back once it is upgraded or gone.
    _handshake: OwnedSemaphorePermit,
}

/// Accepts until the relay has drained: a draining relay still answers that it is.
pub(crate) async fn serve(shared: &Arc<Shared>, listener: TcpListener, transport: Transport) {
    let mut lifecycle = shared.lifecycle.subscribe();
    let accept = accept_all(shared, listener, &transport);
    tokio::select! {
        () = accept => {}
        _ = lifecycle.wait_for(|now| *now == Lifecycle::Drained) => {}
    }
}

async fn accept_all(shared: &Arc<Shared>, listener: TcpListener, transport: &Transport) {
    let mut pauses = 0_u64;
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                // Once, and then every minute that it lasts.
                if pauses % 600 == 0 {
                    tracing::warn!(%error, "cannot accept connections; check the limit on open files");
                }
                pauses += 1;
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        pauses = 0;
        shared.counters.connections.fetch_add(1, Ordering::Relaxed);
        // Never closed, so this waits and does not fail; meanwhile others wait in the kernel's backlog.
        let handshakes = Arc::clone(&shared.handshakes);
        let Ok(handshake) = handshakes.acquire_owned().await else {
            return;
        };
        let arrival = Arrival {
            shared: Arc::clone(shared),
            remote,
            deadline: shared.handshake_deadline(),
            _handshake: handshake,
        };
        // Messages are small and each is written whole; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        match transport {
            Transport::Plain(reactor) => {
                let reactor = reactor.clone();
                drop(tokio::spawn(async move {
                    match (arrival.upgrade(stream).await, reactor) {
                        (Some(upgraded), Some(reactor)) => reactor.adopt(upgraded),
                        (Some(upgraded), None) => spawn(upgraded),
                        (None, _) => {}
                    }
                }));
            }
            #[cfg(feature = "tls")]
            Transport::Tls(acceptor) => {
                drop(tokio::spawn(crate::tls::serve(
                    acceptor.clone(),
                    stream,
                    arrival,
                )));
            }
        }
    }
}

impl Arrival {
    /// Answers its request, and runs it as a task if that is an upgrade.
    #[cfg(feature = "tls")]
    pub(crate) async fn serve<Io>(self, io: Io)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if let Some(upgraded) = self.upgrade(io).await {
            spawn(upgraded);
        }
    }

    /// Answers its request.
    async fn upgrade<Io>(self, io: Io) -> Option<Upgraded<Io>>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        http1::serve(&self.shared, io, Some(self.remote), self.deadline).await
    }
}

/// Runs a connection as a task of its own, so that it does not carry the size of the handshake all its life.
fn spawn<Io>(upgraded: Upgraded<Io>)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    drop(tokio::spawn(socket::run(upgraded)));
}

/// Whether the error is of a connection that ended before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

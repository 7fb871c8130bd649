//! A connection before its request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::handshake::http1;
use crate::serve::connection;
use crate::shared::Shared;

/// A connection that has not been upgraded yet.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) shared: Arc<Shared>,
    pub(crate) remote: SocketAddr,
    /// By when it must have sent its request.
    pub(crate) deadline: Instant,
    /// Given back once it is upgraded or gone.
    handshake: OwnedSemaphorePermit,
}

impl Arrival {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        remote: SocketAddr,
        handshake: OwnedSemaphorePermit,
    ) -> Self {
        shared.counters.connections.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: Arc::clone(shared),
            remote,
            deadline: shared.handshake_deadline(),
            handshake,
        }
    }

    /// Answers its request and, if that is an upgrade, runs it.
    pub(crate) async fn serve<Io>(self, io: Io)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let upgraded = http1::serve(&self.shared, io, Some(self.remote), self.deadline).await;
        drop(self.handshake);
        if let Some(upgraded) = upgraded {
            // A task of its own, so that the connection does not carry the size of the handshake
            // all its life.
            tokio::spawn(connection::run(upgraded));
        }
    }
}

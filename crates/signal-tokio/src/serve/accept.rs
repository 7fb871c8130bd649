//! Listeners.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::serve::arrival::Arrival;
use crate::shared::Shared;

/// How long to wait after an accept that failed for want of descriptors or memory, instead of
/// spinning.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a listener's connections speak.
#[derive(Clone)]
pub(crate) enum Transport {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// Accepts until the relay has drained.
pub(crate) async fn serve(shared: &Arc<Shared>, listener: TcpListener, transport: Transport) {
    tokio::select! {
        () = accept_all(shared, listener, &transport) => {}
        () = shared.drained() => {}
    }
}

async fn accept_all(shared: &Arc<Shared>, listener: TcpListener, transport: &Transport) {
    let mut failures = Failures::default();
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                failures.note(&error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        failures = Failures::default();
        // Never closed, so this waits and does not fail; meanwhile others wait in the kernel's
        // backlog.
        let handshakes = Arc::clone(&shared.handshakes);
        let Ok(handshake) = handshakes.acquire_owned().await else {
            return;
        };
        let arrival = Arrival::new(shared, remote, handshake);
        // Messages are small and each is written whole; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        match transport {
            Transport::Plain => drop(tokio::spawn(arrival.serve(stream))),
            #[cfg(feature = "tls")]
            Transport::Tls(acceptor) => {
                drop(tokio::spawn(crate::serve::tls::serve(
                    acceptor.clone(),
                    stream,
                    arrival,
                )));
            }
        }
    }
}

/// Accepts that have failed for want of descriptors or memory, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    count: u64,
}

impl Failures {
    /// Tells of it: once, and then every minute that it lasts.
    pub(crate) fn note(&mut self, error: &io::Error) {
        if self.count % 600 == 0 {
            tracing::warn!(%error, "cannot accept connections; check the limit on open files");
        }
        self.count += 1;
    }
}

/// Whether the error is of a connection that ended before it was accepted.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

//! One single-threaded runtime per core.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::relay::Relay;
use crate::serve::accept::{self, Transport};
#[cfg(unix)]
use crate::serve::listen::SocketFile;
use crate::serve::listen::{Bound, ListenError, Listener, Listeners, LocalAddress};
#[cfg(unix)]
use crate::serve::reactor::Reactor;

/// Threads that serve a relay; see [`Relay::serve_per_core`].
#[derive(Debug)]
#[must_use = "a program that does not join its threads ends with them"]
pub struct Serving {
    local_addresses: Vec<LocalAddress>,
    threads: Vec<JoinHandle<()>>,
    runtimes: Vec<Handle>,
    #[cfg(unix)]
    _files: Vec<SocketFile>,
}

impl Serving {
    /// Where the relay listens. The ports are the real ones where 0 was asked for.
    pub fn local_addresses(&self) -> &[LocalAddress] {
        &self.local_addresses
    }

    /// The first of them that is reached by TCP.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.local_addresses.iter().find_map(LocalAddress::tcp)
    }

    /// Waits until each thread has had a turn. False if one has ended, and forever if one hangs: a
    /// watchdog should bite then.
    pub async fn has_turned(&self) -> bool {
        let turns: Vec<_> = self
            .runtimes
            .iter()
            .map(|runtime| runtime.spawn(async {}))
            .collect();
        for turn in turns {
            // It is cancelled if the runtime of its thread is gone.
            if turn.await.is_err() {
                return false;
            }
        }
        true
    }

    /// Blocks until the relay has [drained](Relay::drain) and all threads have ended.
    pub fn join(self) {
        for thread in self.threads {
            // A thread that panicked has said so on stderr; the others serve on.
            let _ = thread.join();
        }
    }
}

impl Relay {
    /// Serves an address, or whatever else [`Listen`](crate::Listen) and [`Listeners`] say, with
    /// `threads` threads, each with a runtime and, where the system can share a port, a listener of
    /// its own.
    ///
    /// A connection stays on the thread that accepted it. So what many peers of a thread have to
    /// say in one moment is gathered and written at once, which a work-stealing runtime spoils, and
    /// nobody is woken across threads for their own reads. On Unix one task drives all connections
    /// of a thread, which takes half the memory of a task for each; those of Unix sockets, where
    /// there is a proxy that takes more, and those over TLS have their tasks.
    ///
    /// # Errors
    ///
    /// If one of the addresses cannot be bound, for instance because another process, another relay
    /// included, listens there already; or if a thread cannot be started.
    pub fn serve_per_core(
        &self,
        listeners: impl Into<Listeners>,
        threads: usize,
    ) -> Result<Serving, ListenError> {
        self.start_threads(listeners.into(), threads, &Transport::Plain)
    }

    /// Serves as [`serve_per_core`](Self::serve_per_core) does, over TLS; see
    /// [`serve_tls`](Self::serve_tls).
    ///
    /// # Errors
    ///
    /// As there.
    #[cfg(feature = "tls")]
    pub fn serve_tls_per_core(
        &self,
        listeners: impl Into<Listeners>,
        threads: usize,
        tls: Arc<rustls::ServerConfig>,
    ) -> Result<Serving, ListenError> {
        self.start_threads(listeners.into(), threads, &Transport::Tls(tls.into()))
    }

    fn start_threads(
        &self,
        listeners: Listeners,
        threads: usize,
        transport: &Transport,
    ) -> Result<Serving, ListenError> {
        let bound = listeners.bind(threads.max(1), &self.shared.config)?;
        self.start_bound(bound, transport)
            .map_err(ListenError::Runtime)
    }

    fn start_bound(&self, bound: Bound, transport: &Transport) -> io::Result<Serving> {
        let mut serving = Serving {
            local_addresses: bound.addresses,
            threads: Vec::new(),
            runtimes: Vec::new(),
            #[cfg(unix)]
            _files: bound.files,
        };
        for (number, listeners) in bound.per_thread.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            serving.runtimes.push(runtime.handle().clone());
            let (relay, transport) = (self.clone(), transport.clone());
            let thread = thread::Builder::new()
                .name(format!("signal-{number}"))
                .spawn(move || {
                    if let Err(error) = runtime.block_on(serve_here(relay, listeners, transport)) {
                        tracing::error!(%error, "cannot serve a listener");
                    }
                })?;
            serving.threads.push(thread);
        }
        Ok(serving)
    }
}

/// Serves listeners on this thread.
async fn serve_here(
    relay: Relay,
    listeners: Vec<Listener>,
    transport: Transport,
) -> io::Result<()> {
    let shared = Arc::clone(&relay.shared);
    // Not as the runtime's main future: waking that costs a system call each time.
    let mut tasks = JoinSet::new();
    #[cfg(unix)]
    let mut in_reactor = Vec::new();
    for listener in listeners {
        let listener = match listener {
            // One that speaks TLS has tasks for its connections, because the TLS library reads and
            // writes as one.
            #[cfg(unix)]
            Listener::Tcp(listener) if matches!(transport, Transport::Plain) => {
                in_reactor.push(listener);
                continue;
            }
            listener => accept::Listener::try_from(listener)?,
        };
        let (shared, transport) = (Arc::clone(&shared), transport.clone());
        tasks.spawn(async move { accept::serve(&shared, listener, transport).await });
    }
    #[cfg(unix)]
    if !in_reactor.is_empty() {
        let reactor = Reactor::new(Arc::clone(&shared), in_reactor)?;
        tasks.spawn(async move { match reactor.run().await {} });
    }
    // A panic has reported itself, and ends the thread.
    tokio::select! {
        _ = tasks.join_next() => {}
        () = shared.drained() => {}
    }
    Ok(())
}

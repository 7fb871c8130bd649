//! One single-threaded runtime per core.

use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::runtime::Handle;

use crate::config::Config;
use crate::relay::Relay;
use crate::serve::accept::{self, Transport};
#[cfg(unix)]
use crate::serve::reactor::Reactor;

/// Connections that may wait in the kernel to be accepted: as many as Linux allows by default, so
/// that a crowd that comes at once waits there instead of trying again after a second.
const BACKLOG: i32 = 4_096;
/// Whether the system spreads connections over several listeners on one port.
const CAN_SHARE_PORT: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd"
));

/// Threads that serve a relay; see [`Relay::serve_per_core`].
#[derive(Debug)]
#[must_use = "a program that does not join its threads ends with them"]
pub struct Serving {
    local_address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
    runtimes: Vec<Handle>,
}

impl Serving {
    /// Where the relay listens. The port is the real one if 0 was asked for.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
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
    /// Serves `address` with `threads` threads, each with a runtime and, where the system can share
    /// a port, a listener of its own.
    ///
    /// A connection stays on the thread that accepted it. So what many peers of a thread have to
    /// say in one moment is gathered and written at once, which a work-stealing runtime spoils, and
    /// nobody is woken across threads for their own reads. On Unix one task drives all connections
    /// of a thread, which takes half the memory of a task for each.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, for instance because another process, another relay
    /// included, listens there already; or if a thread cannot be started.
    pub fn serve_per_core(&self, address: SocketAddr, threads: usize) -> io::Result<Serving> {
        self.start_threads(address, threads, &Transport::Plain)
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
        address: SocketAddr,
        threads: usize,
        tls: std::sync::Arc<rustls::ServerConfig>,
    ) -> io::Result<Serving> {
        self.start_threads(address, threads, &Transport::Tls(tls.into()))
    }

    fn start_threads(
        &self,
        address: SocketAddr,
        threads: usize,
        transport: &Transport,
    ) -> io::Result<Serving> {
        let listeners = bind(address, threads.max(1), &self.shared.config)?;
        let local_address = listeners[0].local_addr()?;
        let mut serving = Serving {
            local_address,
            threads: Vec::new(),
            runtimes: Vec::new(),
        };
        for (number, listener) in listeners.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            serving.runtimes.push(runtime.handle().clone());
            let (relay, transport) = (self.clone(), transport.clone());
            let thread = thread::Builder::new()
                .name(format!("signal-{number}"))
                .spawn(move || {
                    if let Err(error) = runtime.block_on(serve_here(relay, listener, transport)) {
                        tracing::error!(%error, "cannot serve a listener");
                    }
                })?;
            serving.threads.push(thread);
        }
        Ok(serving)
    }
}

/// Serves a listener on this thread.
async fn serve_here(relay: Relay, listener: TcpListener, transport: Transport) -> io::Result<()> {
    // One that speaks TLS has tasks for its connections, because the TLS library reads and writes
    // as one.
    #[cfg(unix)]
    if matches!(transport, Transport::Plain) {
        let shared = Arc::clone(&relay.shared);
        let reactor = tokio::spawn(Reactor::new(Arc::clone(&shared), listener)?.run());
        // A panic has reported itself, and ends the thread.
        tokio::select! {
            _ = reactor => {}
            () = shared.drained() => {}
        }
        return Ok(());
    }
    let listener = tokio::net::TcpListener::from_std(listener)?;
    // Not as the runtime's main future: waking that costs a system call each time.
    let accept = tokio::spawn(async move {
        accept::serve(&relay.shared, listener, transport).await;
    });
    // As above.
    let _ = accept.await;
    Ok(())
}

/// As many listeners on one address; at least one.
fn bind(address: SocketAddr, count: usize, config: &Config) -> io::Result<Vec<TcpListener>> {
    if count == 1 || !CAN_SHARE_PORT {
        let first = listen(address, false, config)?;
        let mut listeners = (1..count)
            .map(|_| first.try_clone())
            .collect::<io::Result<Vec<_>>>()?;
        listeners.push(first);
        return Ok(listeners);
    }
    // With a shared port a second relay on it would not be an error and would take half of the
    // connections. So first see whether the port is free, without sharing.
    let probe = listen(address, false, config)?;
    let address = probe.local_addr()?;
    drop(probe);
    (0..count).map(|_| listen(address, true, config)).collect()
}

fn listen(address: SocketAddr, is_shared: bool, config: &Config) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    socket.set_reuse_port(is_shared)?;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    let _ = is_shared;
    socket.set_nonblocking(true)?;
    // Its connections inherit it on Linux, which saves a system call for each; elsewhere they are
    // told themselves. Messages are small and each is written whole; waiting for more would only
    // delay them.
    socket.set_tcp_nodelay(true)?;
    accept::bound_buffers(SockRef::from(&socket), config)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

//! Listeners.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::config::Config;
use crate::handshake::remote::Remote;
use crate::serve::arrival::Arrival;
use crate::serve::bytes::Fresh;
use crate::serve::listen::{self, ListenError, Listeners, bound_buffers};
use crate::shared::Shared;

/// How long to wait after an accept that failed for want of descriptors or memory, instead of
/// spinning.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts that may fail one after the other, for reasons of their own, before the listener is
/// taken to be broken.
pub(crate) const FAILURES_IN_A_ROW: u64 = 100;

/// What a listener's connections speak.
#[derive(Clone)]
pub(crate) enum Transport {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// A listener whose connections are tasks.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl TryFrom<listen::Listener> for Listener {
    type Error = io::Error;

    /// The same in the current runtime.
    fn try_from(listener: listen::Listener) -> io::Result<Self> {
        Ok(match listener {
            listen::Listener::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            #[cfg(unix)]
            listen::Listener::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }
}

/// Listens, and accepts in this runtime until the relay has drained.
pub(crate) async fn listen(
    shared: &Arc<Shared>,
    listeners: Listeners,
    transport: Transport,
) -> Result<(), ListenError> {
    // The files of sockets stay for as long as this.
    let mut bound = listeners.bind(1, &shared.config)?;
    let sockets = bound.per_thread.drain(..).flatten();
    let sockets = sockets
        .map(Listener::try_from)
        .collect::<io::Result<Vec<_>>>();
    let sockets = sockets.map_err(ListenError::Runtime)?;
    let all = sockets
        .into_iter()
        .map(|socket| serve(shared, socket, transport.clone()));
    futures_util::future::join_all(all).await;
    drop(bound);
    Ok(())
}

/// Accepts until the relay has drained.
pub(crate) async fn serve(shared: &Arc<Shared>, listener: Listener, transport: Transport) {
    if let Listener::Tcp(listener) = &listener {
        if let Err(error) = bound_buffers(SockRef::from(listener), &shared.config) {
            tracing::warn!(%error, "cannot bound the buffers of a listener's connections");
        }
    }
    tokio::select! {
        () = accept_all(shared, listener, &transport) => {}
        () = shared.drained() => {}
    }
}

async fn accept_all(shared: &Arc<Shared>, listener: Listener, transport: &Transport) {
    let mut failures = Failures::default();
    loop {
        room(shared).await;
        let accepted = match listener.accept(&shared.config).await {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(pause) = failures.note(&error) {
                    tokio::time::sleep(pause).await;
                }
                continue;
            }
        };
        failures = Failures::default();
        match accepted {
            Accepted::Tcp(stream, remote) => greet(shared, stream, remote, transport),
            #[cfg(unix)]
            Accepted::Unix(stream) => greet(shared, stream, Remote::Local, transport),
        }
    }
}

/// Begins to serve a connection, in a task.
fn greet(shared: &Arc<Shared>, stream: impl Fresh, remote: Remote, transport: &Transport) {
    let Some(arrival) = Arrival::new(shared, remote) else {
        return;
    };
    match transport {
        Transport::Plain => drop(tokio::spawn(arrival.serve(stream))),
        #[cfg(feature = "tls")]
        Transport::Tls(acceptor) => {
            let acceptor = acceptor.clone();
            drop(tokio::spawn(crate::serve::tls::serve(
                acceptor, stream, arrival,
            )));
        }
    }
}

/// A connection that was accepted.
enum Accepted {
    Tcp(TcpStream, Remote),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Listener {
    async fn accept(&self, config: &Config) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Messages are small and each is written whole; waiting for more would only delay
                // them.
                let _ = stream.set_nodelay(true);
                Ok(Accepted::Tcp(stream, Remote::at(address)))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                // Not inherited here.
                bound_buffers(SockRef::from(&stream), config)?;
                Ok(Accepted::Unix(stream))
            }
        }
    }
}

/// Waits until there is room for another handshake; meanwhile others wait in the kernel's backlog.
async fn room(shared: &Shared) {
    loop {
        let ask = |cx: &mut Context<'_>| {
            let (now, config) = (shared.clock.now(), &shared.config);
            Poll::Ready(shared.door.unfinished.poll_room(now, config, cx.waker()))
        };
        let Err(again) = std::future::poll_fn(ask).await else {
            return;
        };
        let mut is_asleep = false;
        let woken = std::future::poll_fn(|_| match std::mem::replace(&mut is_asleep, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        // Either way it is asked again.
        let _ = tokio::time::timeout_at(shared.clock.runtime_instant(again), woken).await;
    }
}

/// Accepts that have failed, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// Those that were not a reason to wait.
    count: u64,
    /// Those that were.
    warned: u64,
}

impl Failures {
    /// Notes one and returns how long to wait before the next try, if at all. What fails for want
    /// of descriptors or memory needs a while; other errors are of one connection (Linux gives
    /// those of its network to the accept), and the next may be sound, unless there is no end of
    /// them.
    pub(crate) fn note(&mut self, error: &io::Error) -> Option<Duration> {
        let is_exhausted = is_exhausted(error);
        if !is_exhausted && self.count < FAILURES_IN_A_ROW {
            self.count += 1;
            tracing::debug!(%error, "a connection ended before it was accepted");
            return None;
        }
        // Once, and then every minute that it lasts.
        if self.warned % 600 == 0 {
            let hint = match is_exhausted {
                true => "; check the limit on open files, and memory",
                false => "",
            };
            tracing::warn!(%error, "cannot accept connections{hint}");
        }
        self.warned += 1;
        Some(ACCEPT_PAUSE)
    }
}

/// Whether it failed for want of descriptors or memory.
fn is_exhausted(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let errno = Errno::from_io_error(error);
        errno.is_some_and(|errno| {
            [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].contains(&errno)
        })
    }
    #[cfg(not(unix))]
    {
        // WSAEMFILE and WSAENOBUFS.
        matches!(error.raw_os_error(), Some(10_024 | 10_055))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_want_of_descriptors_or_memory_pauses_a_listener() {
        use rustix::io::Errno;
        let mut failures = Failures::default();
        let mut note = |errno: Errno| failures.note(&errno.into()).is_some();
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(note(errno), "{errno}");
        }
        for errno in [
            Errno::CONNABORTED,
            Errno::CONNRESET,
            Errno::PROTO,
            Errno::PERM,
            Errno::HOSTUNREACH,
            Errno::NETDOWN,
            Errno::TIMEDOUT,
        ] {
            assert!(!note(errno), "{errno}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_listener_that_fails_for_good_does_not_spin() {
        let mut failures = Failures::default();
        let error = io::Error::from(rustix::io::Errno::INVAL);
        let pauses = (0..1_000).filter(|_| failures.note(&error).is_some());
        assert_eq!(pauses.count() as u64, 1_000 - FAILURES_IN_A_ROW);
    }
}

//! Where a relay listens.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
#[cfg(unix)]
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use socket2::SockRef;
use thiserror::Error;

use crate::config::Config;
#[cfg(unix)]
pub(crate) use crate::serve::listen::socket_file::SocketFile;
pub(crate) use crate::serve::listen::tcp::bound_buffers;
use crate::serve::listen::tcp::{Tcp, everywhere, localhost};

#[cfg(unix)]
mod socket_file;
mod tcp;

/// Connections that may wait in the kernel to be accepted: as many as Linux allows by default, so
/// that a crowd that comes at once waits there instead of trying again after a second.
const BACKLOG: i32 = 4_096;
/// Whether the system spreads connections over several listeners on one port.
const CAN_SHARE_PORT: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd"
));

/// A place to listen at, for [`Relay::listen`](crate::Relay::listen) and
/// [`Relay::serve_per_core`](crate::Relay::serve_per_core).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// This address. `[::]` is every interface, by IPv6 and by IPv4, on every system; any other
    /// IPv6 address is for IPv6 alone.
    Address(SocketAddr),
    /// This port, from this machine alone: 127.0.0.1 and ::1, since clients differ in which of them
    /// `localhost` is. If the machine has only one of the two, that one.
    Localhost(u16),
    /// This port on every interface, by IPv6 and IPv4; if the machine has no IPv6, by IPv4.
    Everywhere(u16),
    /// A Unix socket.
    ///
    /// A connection there is taken for one of a proxy on this machine, as only programs can connect
    /// that `mode` lets: what it says of its client is believed, as of
    /// [`trusted_proxies`](Config::trusted_proxies), and a client of which it says nothing counts
    /// as 127.0.0.1.
    ///
    /// A socket that nobody listens at is replaced, any other file is not. The file is removed when
    /// the [`Serving`](crate::Serving) is dropped or joined.
    #[cfg(unix)]
    Unix {
        /// The file.
        path: PathBuf,
        /// Who may connect: `0o660` is its owner and group.
        mode: u32,
    },
}

/// Where a relay is to listen: in one place or several, at sockets that somebody else has opened,
/// or both.
///
/// ```
/// use signal_tokio::{Listen, Listeners};
///
/// # fn main() -> std::io::Result<()> {
/// let opened = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let listeners = Listeners::from(Listen::Localhost(0)).and(opened);
/// # drop(listeners);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Listeners {
    places: Vec<Listen>,
    opened: Vec<Listener>,
}

/// Where a relay can be reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LocalAddress {
    /// By TCP.
    Tcp(SocketAddr),
    /// At a Unix socket.
    Unix(PathBuf),
}

/// Why a relay does not serve.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// This address cannot be listened on, for instance because somebody else does.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which.
        address: LocalAddress,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to listen on.
    #[error("no address to listen on")]
    Nowhere,
    /// A thread or its runtime cannot be started, or does not take a socket.
    #[error("cannot start to serve")]
    Runtime(#[source] io::Error),
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// All that a relay listens at.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) addresses: Vec<LocalAddress>,
    /// The sockets of each thread.
    pub(crate) per_thread: Vec<Vec<Listener>>,
    #[cfg(unix)]
    pub(crate) files: Vec<SocketFile>,
}

impl Listen {
    /// Opens the TCP listeners of this place, for those who serve them otherwise: with
    /// [`Relay::serve`](crate::Relay::serve), or another server beside a relay. They do not block,
    /// as tokio wants them.
    ///
    /// # Errors
    ///
    /// If one of the addresses cannot be bound, or it is a Unix socket.
    pub fn open_tcp(&self) -> Result<Vec<TcpListener>, ListenError> {
        let config = Config::default();
        let opened = self.open(&config)?;
        Ok(opened.into_iter().map(|(_, listener)| listener).collect())
    }

    fn open(&self, config: &Config) -> Result<Vec<(Tcp, TcpListener)>, ListenError> {
        match *self {
            Self::Address(address) => Ok(vec![Tcp::at(address).open(config)?]),
            Self::Localhost(port) => localhost(port, config),
            Self::Everywhere(port) => everywhere(port, config),
            #[cfg(unix)]
            Self::Unix { .. } => Err(ListenError::Nowhere),
        }
    }
}

impl Listeners {
    /// These and those.
    pub fn and(mut self, more: impl Into<Self>) -> Self {
        let more = more.into();
        self.places.extend(more.places);
        self.opened.extend(more.opened);
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.opened.is_empty()
    }

    /// Listens, with as many sockets in each place as there are threads.
    pub(crate) fn bind(self, threads: usize, config: &Config) -> Result<Bound, ListenError> {
        if self.is_empty() {
            return Err(ListenError::Nowhere);
        }
        let mut bound = Bound {
            addresses: Vec::new(),
            per_thread: (0..threads).map(|_| Vec::new()).collect(),
            #[cfg(unix)]
            files: Vec::new(),
        };
        for listener in self.opened {
            let address = listener.local_address();
            let adopted = listener
                .adopt(config)
                .and_then(|()| bound.share(address.clone(), listener));
            adopted.map_err(|source| ListenError::Bind { address, source })?;
        }
        for place in self.places {
            #[cfg(unix)]
            if let Listen::Unix { path, mode } = place {
                bound.unix(path, mode)?;
                continue;
            }
            for (tcp, listener) in place.open(config)? {
                let address = LocalAddress::Tcp(tcp.address);
                bound
                    .tcp(tcp, listener, config)
                    .map_err(|source| ListenError::Bind { address, source })?;
            }
        }
        Ok(bound)
    }
}

impl Bound {
    /// Gives each thread a socket of its own on this address, where the system can share a port.
    fn tcp(&mut self, tcp: Tcp, first: TcpListener, config: &Config) -> io::Result<()> {
        let address = LocalAddress::Tcp(tcp.address);
        if self.per_thread.len() == 1 || !CAN_SHARE_PORT {
            return self.share(address, Listener::Tcp(first));
        }
        // With a shared port a second relay on it would not be an error and would take half of the
        // connections. So the port was taken without sharing first, to see whether it is free.
        drop(first);
        for sockets in &mut self.per_thread {
            sockets.push(Listener::Tcp(tcp.listen(true, config)?));
        }
        self.addresses.push(address);
        Ok(())
    }

    /// Gives each thread the same socket.
    fn share(&mut self, address: LocalAddress, listener: Listener) -> io::Result<()> {
        let (last, others) = self.per_thread.split_last_mut().expect("a thread");
        for sockets in others {
            sockets.push(listener.try_clone()?);
        }
        last.push(listener);
        self.addresses.push(address);
        Ok(())
    }

    #[cfg(unix)]
    fn unix(&mut self, path: PathBuf, mode: u32) -> Result<(), ListenError> {
        let address = LocalAddress::Unix(path.clone());
        let bound = SocketFile::bind(path, mode, BACKLOG).and_then(|(listener, file)| {
            self.files.push(file);
            self.share(address.clone(), Listener::Unix(listener))
        });
        bound.map_err(|source| ListenError::Bind { address, source })
    }
}

impl Listener {
    fn local_address(&self) -> LocalAddress {
        match self {
            Self::Tcp(listener) => {
                let none = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
                LocalAddress::Tcp(listener.local_addr().unwrap_or(none))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.and_then(|address| address.as_pathname().map(PathBuf::from));
                LocalAddress::Unix(path.unwrap_or_default())
            }
        }
    }

    /// Makes one that somebody else has opened what ours are.
    fn adopt(&self, config: &Config) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => {
                must_listen(SockRef::from(listener))?;
                listener.set_nonblocking(true)?;
                SockRef::from(listener).set_tcp_nodelay(true)?;
                bound_buffers(SockRef::from(listener), config)
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                must_listen(SockRef::from(listener))?;
                listener.set_nonblocking(true)
            }
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            #[cfg(unix)]
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}

impl LocalAddress {
    /// The address, if it is reached by TCP.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Localhost(port) => write!(f, "localhost:{port}"),
            Self::Everywhere(port) => write!(f, "*:{port}"),
            #[cfg(unix)]
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl From<Listen> for Listeners {
    fn from(place: Listen) -> Self {
        Self {
            places: vec![place],
            opened: Vec::new(),
        }
    }
}

impl From<SocketAddr> for Listeners {
    fn from(address: SocketAddr) -> Self {
        Listen::Address(address).into()
    }
}

impl From<TcpListener> for Listeners {
    fn from(opened: TcpListener) -> Self {
        Self {
            places: Vec::new(),
            opened: vec![Listener::Tcp(opened)],
        }
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listeners {
    fn from(opened: UnixListener) -> Self {
        Self {
            places: Vec::new(),
            opened: vec![Listener::Unix(opened)],
        }
    }
}

/// Refuses a connection in place of a listener, as far as the system can tell them apart.
fn must_listen(socket: SockRef<'_>) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    if !socket.is_listener()? {
        let kind = io::ErrorKind::InvalidInput;
        return Err(io::Error::new(kind, "the socket does not listen"));
    }
    let _ = socket;
    Ok(())
}

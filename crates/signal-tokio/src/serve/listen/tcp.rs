//! Opening TCP listeners: which addresses a name stands for, on machines that may have IPv4, IPv6
//! or both.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::config::Config;
use crate::serve::listen::{BACKLOG, ListenError, LocalAddress};

/// How often a port is chosen that turns out to be taken on the other loopback.
const FREE_PORT_TRIES: usize = 32;

/// An address to listen on, and what it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tcp {
    pub(super) address: SocketAddr,
    /// Whether IPv4 does not come here too. Systems differ in what they take for granted.
    is_only_v6: bool,
}

impl Tcp {
    pub(super) fn at(address: SocketAddr) -> Self {
        let is_only_v6 = !address.ip().is_unspecified();
        Self {
            address,
            is_only_v6,
        }
    }

    pub(super) fn open(self, config: &Config) -> Result<(Self, TcpListener), ListenError> {
        let opened = self.listen(false, config).and_then(|listener| {
            // With the port that the system has chosen, if it was to.
            let address = listener.local_addr()?;
            Ok((Self { address, ..self }, listener))
        });
        opened.map_err(|source| ListenError::Bind {
            address: LocalAddress::Tcp(self.address),
            source,
        })
    }

    pub(super) fn listen(self, is_shared: bool, config: &Config) -> io::Result<TcpListener> {
        let domain = Domain::for_address(self.address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        if self.address.is_ipv6() {
            socket.set_only_v6(self.is_only_v6)?;
        }
        #[cfg(not(windows))]
        socket.set_reuse_address(true)?;
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        socket.set_reuse_port(is_shared)?;
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        let _ = is_shared;
        socket.set_nonblocking(true)?;
        // Its connections inherit it on Linux, which saves a system call for each; elsewhere they
        // are told themselves. Messages are small and each is written whole; waiting for more would
        // only delay them.
        socket.set_tcp_nodelay(true)?;
        bound_buffers(SockRef::from(&socket), config)?;
        socket.bind(&self.address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }
}

/// Both loopbacks, or the one that there is.
pub(super) fn localhost(
    port: u16,
    config: &Config,
) -> Result<Vec<(Tcp, TcpListener)>, ListenError> {
    let open = |ip: IpAddr, port| Tcp::at(SocketAddr::new(ip, port)).open(config);
    let mut tries = FREE_PORT_TRIES;
    loop {
        let v4 = match open(Ipv4Addr::LOCALHOST.into(), port) {
            Ok(v4) => v4,
            Err(error) if is_absent(&error) => {
                // The first error is the better one if there is neither.
                let v6 = open(Ipv6Addr::LOCALHOST.into(), port);
                return v6.map(|v6| vec![v6]).map_err(|_| error);
            }
            Err(error) => return Err(error),
        };
        match open(Ipv6Addr::LOCALHOST.into(), v4.0.address.port()) {
            Ok(v6) => return Ok(vec![v4, v6]),
            Err(error) if is_absent(&error) => return Ok(vec![v4]),
            // It is free on the one by the system's word, and taken on the other.
            Err(error) if port == 0 && is_taken(&error) && tries > 0 => tries -= 1,
            Err(error) => return Err(error),
        }
    }
}

/// Every interface.
pub(super) fn everywhere(
    port: u16,
    config: &Config,
) -> Result<Vec<(Tcp, TcpListener)>, ListenError> {
    let v4 = Tcp::at(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
    let v6 = Tcp::at(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port));
    if can_be_both() {
        match v6.open(config) {
            Err(error) if is_absent(&error) => {}
            opened => return Ok(vec![opened?]),
        }
    }
    let v4 = v4.open(config)?;
    // For systems whose sockets are for one of the two.
    let v6 = Tcp {
        address: SocketAddr::new(v6.address.ip(), v4.0.address.port()),
        is_only_v6: true,
    };
    match v6.open(config) {
        Ok(v6) => Ok(vec![v4, v6]),
        Err(error) if is_absent(&error) => Ok(vec![v4]),
        Err(error) => Err(error),
    }
}

/// Whether a socket can be for IPv6 and IPv4 at once, which OpenBSD does not allow.
fn can_be_both() -> bool {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP));
    socket.is_ok_and(|socket| socket.set_only_v6(false).is_ok())
}

/// Bounds what the system holds for each connection of a listener, which inherit it.
pub(crate) fn bound_buffers(listener: SockRef<'_>, config: &Config) -> io::Result<()> {
    listener.set_send_buffer_size(config.send_buffer_bytes_max)?;
    listener.set_recv_buffer_size(config.receive_buffer_bytes_max)
}

fn is_taken(error: &ListenError) -> bool {
    kind(error) == Some(io::ErrorKind::AddrInUse)
}

/// Whether the machine has no such address, or not even its family: IPv6 is switched off in many
/// containers.
fn is_absent(error: &ListenError) -> bool {
    let ListenError::Bind { source, .. } = error else {
        return false;
    };
    #[cfg(unix)]
    let is_unknown = {
        use rustix::io::Errno;
        let errno = Errno::from_io_error(source);
        errno.is_some_and(|errno| [Errno::AFNOSUPPORT, Errno::PROTONOSUPPORT].contains(&errno))
    };
    // WSAEAFNOSUPPORT and WSAEPROTONOSUPPORT.
    #[cfg(not(unix))]
    let is_unknown = matches!(source.raw_os_error(), Some(10_047 | 10_043));
    is_unknown || source.kind() == io::ErrorKind::AddrNotAvailable
}

fn kind(error: &ListenError) -> Option<io::ErrorKind> {
    match error {
        ListenError::Bind { source, .. } | ListenError::Runtime(source) => Some(source.kind()),
        ListenError::Nowhere => None,
    }
}

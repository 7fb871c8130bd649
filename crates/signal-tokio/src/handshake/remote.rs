//! The other end of a connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use signal_access::TrustedProxies;

/// Who has connected, as far as the socket says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Remote {
    /// Somebody at this address.
    Address(SocketAddr),
    /// A process of this machine, at a Unix socket. Only those can connect whom the operator lets
    /// use its file: a proxy. So what it says of its clients is believed.
    #[cfg(unix)]
    Local,
    /// Nothing is known.
    Unknown,
}

impl Remote {
    /// Somebody at this address. One that has come by IPv4 to a socket for both is known by it.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::Address(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    pub(crate) fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(address),
            #[cfg(unix)]
            Self::Local => None,
            Self::Unknown => None,
        }
    }

    /// The address by which it is counted. A process of this machine is counted as one.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address.ip()),
            #[cfg(unix)]
            Self::Local => Some(Ipv4Addr::LOCALHOST.into()),
            Self::Unknown => None,
        }
    }

    /// Whether it is one of the operator's own proxies.
    pub(crate) fn is_proxy(self, proxies: &TrustedProxies) -> bool {
        match self {
            Self::Address(address) => proxies.contains(address.ip()),
            #[cfg(unix)]
            Self::Local => true,
            Self::Unknown => false,
        }
    }

    /// The client behind it: who the last of the operator's own proxies says it is, by these values
    /// of the header for it, or else itself.
    pub(crate) fn client<'a>(
        self,
        proxies: &TrustedProxies,
        forwarded: impl DoubleEndedIterator<Item = &'a str>,
    ) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(proxies.client(address.ip(), forwarded)),
            #[cfg(unix)]
            Self::Local => proxies.client_of_proxy(forwarded).or(self.ip()),
            Self::Unknown => None,
        }
    }
}

impl From<Option<SocketAddr>> for Remote {
    fn from(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::Unknown, Self::at)
    }
}

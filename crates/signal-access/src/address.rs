use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A client's address as limits count it: an IPv4 address, or an IPv6 /64, which is what one
/// customer gets.
///
/// An IPv4 address written as IPv6 (`::ffff:203.0.113.7`) is the IPv4 address.
///
/// ```
/// use signal_access::AddressKey;
///
/// let key = |text: &str| text.parse().map(AddressKey::new);
/// assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
/// assert_eq!(key("::ffff:203.0.113.7"), key("203.0.113.7"));
/// assert_ne!(key("203.0.113.8"), key("203.0.113.7"));
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AddressKey(Key);

/// 9 bytes, where an [`IpAddr`] takes 17: servers keep one for each connection.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Key {
    V4(Ipv4Addr),
    /// The first half of the addresses of a network.
    V6Network([u8; 8]),
    /// The one address of its network that is somebody.
    V6Localhost,
}

impl AddressKey {
    /// The key of an address.
    pub const fn new(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V4(ip) => Key::V4(ip),
            IpAddr::V6(Ipv6Addr::LOCALHOST) => Key::V6Localhost,
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Key::V6Network([a, b, c, d, e, f, g, h])
            }
        })
    }

    /// Whether it is an address from which very many come who have nothing to do with each other:
    /// the one that Cloudflare names, in `CF-Connecting-IP` and `X-Forwarded-For`, for requests of
    /// anybody's Workers.
    pub const fn is_shared(&self) -> bool {
        matches!(
            self.0,
            Key::V6Network([0x2a, 0x06, 0x98, 0xc0, 0x36, 0, 0, 0])
        )
    }

    /// The first network of the IPv6 /48 around it, which is what a company gets, or a customer of
    /// a hoster, with 65,536 networks in it.
    pub(crate) const fn site(&self) -> Option<Self> {
        match self.0 {
            Key::V6Network([a, b, c, d, e, f, ..]) => {
                Some(Self(Key::V6Network([a, b, c, d, e, f, 0, 0])))
            }
            Key::V4(_) | Key::V6Localhost => None,
        }
    }

    /// Whether the address is loopback, private, link-local or a cloud provider's inside
    /// (100.64.0.0/10): mostly a proxy, or a developer's own machine.
    pub const fn is_private(&self) -> bool {
        match self.first_address() {
            IpAddr::V4(ip) => {
                ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_carrier_shared(ip)
            }
            IpAddr::V6(ip) => {
                ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
            }
        }
    }

    const fn first_address(&self) -> IpAddr {
        match self.0 {
            Key::V4(ip) => IpAddr::V4(ip),
            Key::V6Network(half) => {
                let network = u64::from_be_bytes(half) as u128;
                IpAddr::V6(Ipv6Addr::from_bits(network << 64))
            }
            Key::V6Localhost => IpAddr::V6(Ipv6Addr::LOCALHOST),
        }
    }
}

impl From<IpAddr> for AddressKey {
    fn from(ip: IpAddr) -> Self {
        Self::new(ip)
    }
}

/// The IPv4 address, or the first address of the IPv6 network.
impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first_address().fmt(f)
    }
}

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AddressKey")
            .field(&self.first_address())
            .finish()
    }
}

const fn is_carrier_shared(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    first == 100 && second & 0xc0 == 64
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn key(text: &str) -> AddressKey {
        AddressKey::new(text.parse().expect("an address"))
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address() {
        assert_eq!(key("2001:db8:1:2::1").to_string(), "2001:db8:1:2::");
        assert_eq!(key("2001:db8:1:2:ffff::9"), key("2001:db8:1:2::1"));
        assert_ne!(key("2001:db8:1:3::1"), key("2001:db8:1:2::1"));
        assert_ne!(key("::2"), key("::1"));
        assert_eq!(key("::2").to_string(), "::");
    }

    #[test]
    fn it_stays_small() {
        assert_eq!(size_of::<AddressKey>(), 9);
        assert_eq!(size_of::<Option<AddressKey>>(), 9);
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_same() {
        assert_eq!(key("::ffff:203.0.113.7").to_string(), "203.0.113.7");
        assert!(key("::ffff:127.0.0.1").is_private());
    }

    #[test]
    fn requests_of_workers_come_from_one_address_that_is_not_one_client() {
        assert!(key("2a06:98c0:3600::103").is_shared());
        for other in [
            "2a06:98c0:3600:1::103",
            "2a06:98c0::103",
            "203.0.113.7",
            "::1",
        ] {
            assert!(!key(other).is_shared(), "{other}");
        }
    }

    #[test]
    fn private_addresses_are_known() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.9",
            "169.254.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(key(private).is_private(), "{private}");
        }
        for public in [
            "203.0.113.7",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "2001:db8::1",
            "::2",
            "fec0::1",
        ] {
            assert!(!key(public).is_private(), "{public}");
        }
    }
}

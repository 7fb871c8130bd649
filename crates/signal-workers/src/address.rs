//! Client addresses, as the limits count them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address or an IPv6 /64, which is what one customer gets.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Address(IpAddr);

impl Address {
    /// The address in a `CF-Connecting-IP` header. None if it is no address, or a private one that is left alone.
    pub(crate) fn limited(header: &str, limit_private_ips: bool) -> Option<Self> {
        let ip: IpAddr = header.trim().parse().ok()?;
        let ip = ip.to_canonical();
        if is_private(ip) && !limit_private_ips {
            return None;
        }
        Some(Self(match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(ip) => network_of(ip).into(),
        }))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn network_of(ip: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(ip) >> 64 << 64)
}

/// Whether the address is one of a developer's own machine or network. Cloudflare's edge sends none of them.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_carrier_shared(ip)
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// 100.64.0.0/10, which cloud providers use inside.
fn is_carrier_shared(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    first == 100 && second & 0xc0 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(header: &str) -> Option<String> {
        Address::limited(header, false).map(|address| address.to_string())
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address() {
        assert_eq!(
            limited("2001:db8:1:2::1").as_deref(),
            Some("2001:db8:1:2::")
        );
        assert_eq!(limited("2001:db8:1:2:ffff::9"), limited("2001:db8:1:2::1"));
        assert_ne!(limited("2001:db8:1:3::1"), limited("2001:db8:1:2::1"));
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_same() {
        assert_eq!(
            limited("::ffff:203.0.113.7").as_deref(),
            Some("203.0.113.7")
        );
    }

    #[test]
    fn private_addresses_are_left_alone_unless_asked() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.9",
            "100.100.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert_eq!(limited(private), None, "{private}");
            assert!(Address::limited(private, true).is_some(), "{private}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in ["", "localhost", "203.0.113.7, 10.0.0.1", "1.2.3"] {
            assert_eq!(limited(text), None, "{text}");
        }
    }
}

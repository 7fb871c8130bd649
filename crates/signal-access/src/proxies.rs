use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

/// The proxies before a relay, whose word on where a client comes from is believed.
///
/// Anyone can write an `X-Forwarded-For` header. What a proxy of one's own appends to it is true,
/// and stands at the right end; so the client is the right-most hop that is not one of your
/// proxies. Without proxies the header means nothing.
///
/// ```
/// use signal_access::TrustedProxies;
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8"])?;
/// let (proxy, forged) = ([10, 0, 0, 1].into(), ["198.51.100.9, 203.0.113.7, 10.0.0.2"]);
/// assert_eq!(proxies.client(proxy, forged.into_iter()).to_string(), "203.0.113.7");
/// let stranger = [192, 0, 2, 1].into();
/// assert_eq!(proxies.client(stranger, forged.into_iter()), stranger);
/// # Ok::<(), signal_access::ProxyError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Proxies by network (`10.0.0.0/8`, `2001:db8::/32`) or by address. `loopback` is this
    /// machine, `private` that and all addresses that are not of the internet: those that
    /// [`AddressKey::is_private`](crate::AddressKey::is_private) says.
    ///
    /// # Errors
    ///
    /// Where one is neither.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, ProxyError> {
        let mut all = Vec::new();
        for text in networks {
            let text = text.trim();
            match NAMED
                .iter()
                .find(|(name, _)| text.eq_ignore_ascii_case(name))
            {
                Some((_, named)) => {
                    for text in *named {
                        all.push(network(text)?);
                    }
                }
                None => all.push(network(text)?),
            }
        }
        Ok(Self(all))
    }

    /// Whether there are no proxies, so that no header is believed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The networks, each to be shown as one would write it.
    pub fn networks(&self) -> impl Iterator<Item = impl fmt::Display + '_> + '_ {
        self.0.iter()
    }

    /// Whether `ip` is one of the proxies.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// The client behind a connection from `remote`, by the values of its `X-Forwarded-For` headers
    /// in the order in which they came. Each value may name several hops, separated by commas, each
    /// an address with or without a port.
    ///
    /// A hop that is not an address ends the search: the last proxy before it then counts as the
    /// client.
    pub fn client<'a>(
        &self,
        remote: IpAddr,
        x_forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    ) -> IpAddr {
        let remote = remote.to_canonical();
        if !self.contains(remote) {
            return remote;
        }
        self.client_of_proxy(x_forwarded_for).unwrap_or(remote)
    }

    /// The client behind a connection from one of the proxies, which has no address to show it: one
    /// at a Unix socket. `None` if the proxy does not say.
    pub fn client_of_proxy<'a>(
        &self,
        x_forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    ) -> Option<IpAddr> {
        let hops = x_forwarded_for.rev().flat_map(|value| value.rsplit(','));
        let mut client = None;
        for hop in hops {
            if client.is_some_and(|client| !self.contains(client)) {
                break;
            }
            let Some(ip) = address(hop.trim()) else { break };
            client = Some(ip);
        }
        client
    }
}

/// Networks that have a name.
const NAMED: [(&str, &[&str]); 2] = [
    ("loopback", &["127.0.0.0/8", "::1/128"]),
    (
        "private",
        &[
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "100.64.0.0/10",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ],
    ),
];

/// The hops of a value of the header `Forwarded` (RFC 7239), as `X-Forwarded-For` would name them.
/// An element without `for` is a hop that does not say, which ends the search for the client.
///
/// ```
/// use signal_access::forwarded_for;
///
/// let value = "for=203.0.113.7;proto=https, For=\"[2001:db8::7]:4711\", by=10.0.0.1";
/// assert_eq!(forwarded_for(value), "203.0.113.7, [2001:db8::7]:4711, unknown");
/// ```
pub fn forwarded_for(value: &str) -> String {
    let elements = value.split(',').map(|element| {
        let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let hop = pairs
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
            .map(|(_, hop)| hop.trim().trim_matches('"'))
            .next();
        hop.unwrap_or("unknown")
    });
    elements.collect::<Vec<_>>().join(", ")
}

/// An entry of the list that is not a network.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is neither an address, a network such as 10.0.0.0/8, loopback nor private")]
pub struct ProxyError(Box<str>);

fn network(text: &str) -> Result<IpNet, ProxyError> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => IpNet::from(
            text.parse::<IpAddr>()
                .map_err(|_| ProxyError(text.into()))?,
        ),
    };
    Ok(canonical(network))
}

/// An IPv4 network written as IPv6 (`::ffff:10.0.0.0/104`) as the IPv4 network.
fn canonical(network: IpNet) -> IpNet {
    let length = network.prefix_len().checked_sub(96);
    match (network.addr().to_canonical(), network, length) {
        (IpAddr::V4(ip), IpNet::V6(_), Some(length)) => {
            Ipv4Net::new(ip, length).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

/// An address as proxies write it: plain, in brackets, with a port.
fn address(hop: &str) -> Option<IpAddr> {
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']');
    let ip = hop
        .parse::<IpAddr>()
        .or_else(|_| bracketed().unwrap_or_default().parse::<IpAddr>())
        .or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    ip.ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString as _;

    use proptest::prelude::*;

    use super::*;

    const NETWORKS: [&str; 3] = ["10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.1"];

    fn client(remote: &str, headers: &[&str]) -> String {
        let proxies = TrustedProxies::new(NETWORKS).expect("networks");
        let remote = remote.parse().expect("an address");
        proxies.client(remote, headers.iter().copied()).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client("203.0.113.7", &["198.51.100.9"]), "203.0.113.7");
        assert_eq!(client("192.0.2.2", &["198.51.100.9"]), "192.0.2.2");
        let none = TrustedProxies::default();
        let remote = [127, 0, 0, 1].into();
        assert_eq!(none.client(remote, ["198.51.100.9"].into_iter()), remote);
    }

    #[test]
    fn the_right_most_hop_that_is_not_a_proxy_is_the_client() {
        for (headers, expected) in [
            (&[][..], "10.0.0.1"),
            (&["203.0.113.7"], "203.0.113.7"),
            (&["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
            (
                &["6.6.6.6", "203.0.113.7, 10.9.9.9", "192.0.2.1"],
                "203.0.113.7",
            ),
            (&["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            (&["203.0.113.7:4711"], "203.0.113.7"),
            (&["[2001:db8::7]:4711"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["::ffff:203.0.113.7 "], "203.0.113.7"),
            (&["203.0.113.7, unknown, 10.2.2.2"], "10.2.2.2"),
            (&["203.0.113.7, "], "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", headers), expected, "{headers:?}");
        }
        assert_eq!(client("::ffff:10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(client("2001:db8:ffff::1", &["203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn networks_have_names_for_this_machine_and_for_what_is_not_the_internet() {
        let loopback = TrustedProxies::new(["Loopback"]).expect("a name");
        let private = TrustedProxies::new([" private ", "203.0.113.0/24"]).expect("a name");
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for text in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(
                loopback.contains(ip(text)) && private.contains(ip(text)),
                "{text}"
            );
        }
        let edges = [
            "9.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "172.32.0.0",
            "192.168.0.0",
            "192.169.0.0",
            "169.254.0.1",
            "100.64.0.1",
            "100.128.0.0",
            "8.8.8.8",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "2001:db8::1",
            "::2",
        ];
        for text in edges {
            let is_private = crate::AddressKey::new(ip(text)).is_private();
            assert_eq!(private.contains(ip(text)), is_private, "{text}");
            assert!(!loopback.contains(ip(text)), "{text}");
        }
        assert!(private.contains(ip("203.0.113.9")));
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        let mapped = TrustedProxies::new(["::ffff:10.0.0.0/104"]).expect("a network");
        let shown: Vec<String> = mapped
            .networks()
            .map(|network| network.to_string())
            .collect();
        assert_eq!(shown, ["10.0.0.0/8"]);
        assert!(mapped.contains([10, 255, 0, 1].into()));
        assert!(!mapped.contains([11, 0, 0, 1].into()));
        for wrong in ["", "10.0.0.0/33", "proxy.example", "10.0.0.0/", "10.0.0"] {
            let error = TrustedProxies::new([wrong]).expect_err(wrong);
            assert_eq!(error, ProxyError(wrong.into()));
        }
    }

    /// Written the long way round: all hops in one list, then the last one that is either a
    /// stranger or the end.
    fn naive(remote: u8, hops: &[Option<u8>], trusted: &[bool]) -> u8 {
        let mut chain = alloc::vec![Some(remote)];
        chain.extend(hops.iter().rev());
        let mut client = remote;
        for hop in chain {
            let Some(hop) = hop else { return client };
            client = hop;
            if !trusted[usize::from(hop)] {
                return client;
            }
        }
        client
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_walk(
            trusted in prop::collection::vec(any::<bool>(), 8),
            remote in 0..8u8,
            hops in prop::collection::vec(prop::option::weighted(0.9, 0..8u8), 0..10),
            headers in 1..4usize,
        ) {
            let ip = |last: u8| format!("203.0.113.{last}");
            let networks: Vec<String> = (0..8).filter(|last| trusted[usize::from(*last)]).map(ip).collect();
            let proxies = TrustedProxies::new(networks.iter().map(String::as_str)).expect("addresses");
            let texts: Vec<String> = hops.iter().map(|hop| hop.map_or("unknown".into(), ip)).collect();
            let size = texts.len().div_ceil(headers).max(1);
            let values: Vec<String> = texts.chunks(size).map(|some| some.join(", ")).collect();
            let remote_ip = ip(remote).parse().expect("an address");
            let client = proxies.client(remote_ip, values.iter().map(String::as_str));
            prop_assert_eq!(client.to_string(), ip(naive(remote, &hops, &trusted)));
        }

        #[test]
        fn any_header_is_survived(values in prop::collection::vec(any::<String>(), 0..4)) {
            let proxies = TrustedProxies::new(["0.0.0.0/0", "::/0"]).expect("networks");
            proxies.client([10, 0, 0, 1].into(), values.iter().map(String::as_str));
        }
    }
}

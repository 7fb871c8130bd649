use core::time::Duration;

/// More of anything than a machine can serve.
const MANY: u64 = 100_000_000;

signal_core::limits! {
    /// What the connections of one address may take of a relay: of an IPv4 address or an IPv6 /64,
    /// and beside it of the IPv6 /48 around it, a *site*, which is what a customer of a hoster
    /// gets.
    ///
    /// The table stands here once, for every host: on Workers the relay is one object.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct AddressLimits {}

    /// All of them, in the order of help and tables. A new one is a new row here, and nothing else
    /// but the code that keeps it.
    pub const ALL = [
        peers_per_ip_max: u32 { default: 100, unit: Count, range: 1..=MANY, scope: Address,
            what: "Peers at once from one IPv4 address or IPv6 /64",
            past: "HTTP 429 with Retry-After",
            why: "a school behind one address" },
        peers_per_site_max: u32 { default: 500, unit: Count, range: 1..=MANY, scope: Address,
            what: "Peers at once from one IPv6 /48, beside the limit for each /64 in it",
            past: "HTTP 429 with Retry-After",
            why: "five such schools; a hoster gives each customer 65,536 networks of 64 bits" },
        /// All at once or spread. Upgrades refused with 401 or 403 have a budget of their own: as
        /// large, and as large again for each peer from there that behaves. If they are
        /// [cheap](crate::Judging::Cheap) to judge it has no end while somebody there behaves.
        ///
        /// Connections that end in an offence have such a budget too, and those on which nothing is
        /// said, where the host knows, are not counted at all. So one client's loop does not keep
        /// its neighbours out.
        connects_per_minute_per_ip: u32 { default: 120, unit: Count, range: 1..=60_000, scope: Address,
            what: "Upgrades in a minute from one IPv4 address or IPv6 /64; those refused with 401 or 403 or closed for an offence count apart",
            past: "HTTP 429 with Retry-After",
            why: "such a school comes back after an outage" },
        connects_per_minute_per_site: u32 { default: 600, unit: Count, range: 1..=60_000, scope: Address,
            what: "Upgrades in a minute from one IPv6 /48, beside the limit for each /64 in it",
            past: "HTTP 429 with Retry-After",
            why: "five such schools" },
        /// They are nearly always a proxy that is not named as trusted.
        limit_private_ips: bool { default: 0, unit: Switch, range: 0..=1, scope: Address,
            what: "Hold loopback and private addresses to the limits per address too; they are mostly proxies",
            past: "as these limits",
            why: "a relay behind a proxy must not take the world for one client" },
        /// While a peer from there behaves, the address is not refused: it has been connected for
        /// ten to twenty seconds and has not offended, or left so within the last minute.
        offences_per_minute_per_ip: u32 { default: 12, unit: Count, range: 1..=60_000, scope: Address,
            what: "Closes with 1002, 1007, 1009 and 4429 in a minute, of peers from one IPv4 address or IPv6 /64 where no peer behaves",
            past: "refused for refuse_after_close",
            why: "one mistake is not a flood; a client that is closed and comes back at once makes 12 in a second" },
        refuse_after_close: Duration { default: 10_000, unit: Millis, range: 0..=3_600_000, scope: Address,
            what: "How long an address is refused that is past offences_per_minute_per_ip",
            past: "HTTP 429 until then",
            why: "a refused stock client backs off to a try each 1.3 s, a closed one does not" },
    ];
}

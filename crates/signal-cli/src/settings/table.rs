use std::time::Duration;

use crate::settings::setting::{Field, Limit, Setting, Unit, millis};
use crate::settings::text::{
    name_of, parse_admin_listen, parse_filter, parse_listen, parse_log_format, parse_log_ips,
    parse_origins, parse_path, parse_proxies, show_admin_listen, show_origins, show_path,
    show_proxies,
};

const OPEN_FILES: &str = "from the limit on open files";

/// All settings, in the order of help and README.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        what: "Where to listen: an address and a port, or a port on this machine alone. 0.0.0.0:4444 is every \
               interface, 127.0.0.1:0 a port that is free",
        limit: None,
        default: None,
        field: Field::Text {
            form: "IP:PORT",
            read: |s| s.listen.to_string(),
            write: |s, text| parse_listen(text).map(|listen| s.listen = listen),
        },
    },
    Setting {
        name: "admin_listen",
        what: "Where to serve metrics, health and a page with live numbers, as 127.0.0.1:9444; anybody who reaches it can \
               read it. off serves none",
        limit: None,
        default: None,
        field: Field::Text {
            form: "IP:PORT",
            read: |s| show_admin_listen(s.admin_listen),
            write: |s, text| parse_admin_listen(text).map(|listen| s.admin_listen = listen),
        },
    },
    Setting {
        name: "threads",
        what: "Threads that serve, each with a listener of its own",
        limit: None,
        default: Some("the number of cores"),
        field: Field::Number {
            unit: Unit::Count,
            read: |s| s.threads as u64,
            write: |s, n| s.threads = n.try_into().unwrap_or(usize::MAX),
        },
    },
    Setting {
        name: "tls_cert",
        what: "PEM file with the certificate for wss://, first the server's own, then its issuers'; read again on SIGHUP",
        limit: None,
        default: Some("none"),
        field: Field::Text {
            form: "FILE",
            read: |s| show_path(s.tls_cert.as_deref()),
            write: |s, text| {
                s.tls_cert = parse_path(text);
                Ok(())
            },
        },
    },
    Setting {
        name: "tls_key",
        what: "PEM file with the private key of tls_cert, without a passphrase; read again on SIGHUP",
        limit: None,
        default: Some("none"),
        field: Field::Text {
            form: "FILE",
            read: |s| show_path(s.tls_key.as_deref()),
            write: |s, text| {
                s.tls_key = parse_path(text);
                Ok(())
            },
        },
    },
    Setting {
        name: "token_key_file",
        what: "File with the keys, a JWK or a JWK Set, by which every client must show a signed token; `signal token key` \
               makes one. Read again on SIGHUP",
        limit: None,
        default: Some("none: tokens are not asked for"),
        field: Field::Text {
            form: "FILE",
            read: |s| show_path(s.token_key_file.as_deref()),
            write: |s, text| {
                s.token_key_file = parse_path(text);
                Ok(())
            },
        },
    },
    Setting {
        name: "token_audience",
        what: "Name of this relay, which each token must have as its aud; without a name, tokens must have none",
        limit: None,
        default: Some("none"),
        field: Field::Text {
            form: "NAME",
            read: |s| s.token_audience.clone().unwrap_or_default(),
            write: |s, text| {
                let name = text.trim();
                s.token_audience = (!name.is_empty()).then(|| name.to_owned());
                Ok(())
            },
        },
    },
    Setting {
        name: "origins",
        what: "Web pages that may connect, by origin, with commas between them: https://app.example.org, \
               https://*.example.org. Clients that are no browsers are let through",
        limit: None,
        default: Some("all"),
        field: Field::Text {
            form: "ORIGIN,ORIGIN",
            read: |s| show_origins(&s.origins),
            write: |s, text| parse_origins(text).map(|origins| s.origins = origins),
        },
    },
    Setting {
        name: "log",
        what: "What to log: error, warn, info, debug or trace, or a filter such as warn,signal_tokio=debug",
        limit: None,
        default: None,
        field: Field::Text {
            form: "FILTER",
            read: |s| s.log.clone(),
            write: |s, text| parse_filter(text).map(|filter| s.log = filter),
        },
    },
    Setting {
        name: "log_ips",
        what: "How much of a client's address stands in the log: short, which is an IPv4 /24 or an IPv6 /48, full, or none",
        limit: None,
        default: None,
        field: Field::Text {
            form: "HOW",
            read: |s| s.relay.log_ips.name().to_owned(),
            write: |s, text| parse_log_ips(text).map(|log_ips| s.relay.log_ips = log_ips),
        },
    },
    Setting {
        name: "log_format",
        what: "How log lines look: text, json, or auto, which is text on a terminal and json elsewhere",
        limit: None,
        default: None,
        field: Field::Text {
            form: "FORMAT",
            read: |s| name_of(s.log_format),
            write: |s, text| parse_log_format(text).map(|format| s.log_format = format),
        },
    },
    Setting {
        name: "trusted_proxies",
        what: "Proxies before the relay, by network or address, with commas between them: behind them the client is whom \
               X-Forwarded-For names last. From anywhere else the header means nothing",
        limit: None,
        default: Some("none"),
        field: Field::Text {
            form: "CIDR,CIDR",
            read: |s| show_proxies(&s.relay.trusted_proxies),
            write: |s, text| parse_proxies(text).map(|proxies| s.relay.trusted_proxies = proxies),
        },
    },
    // What one peer may send.
    limit(
        "message_bytes_max",
        "Longest message a peer may send",
        "held for close_hold, then closed with 1009; the frame's header decides",
        "a stock client's largest message measured 1.4 KB, session descriptions with many media lines stay under 10 KB",
        Field::Number {
            unit: Unit::Bytes,
            read: |s| s.relay.core.message_bytes_max.into(),
            write: |s, n| s.relay.core.message_bytes_max = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "depth_max",
        "Deepest nesting of a message",
        "ignored, and counted as invalid",
        "no session description comes near it; the reference closes every receiver at some 4,000 levels",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.depth_max.into(),
            write: |s, n| s.relay.core.depth_max = n.try_into().unwrap_or(u8::MAX),
        },
    ),
    limit(
        "topics_per_peer_max",
        "Topics a peer may be subscribed to at once",
        "further topics are skipped",
        "a stock client has one topic for each open document",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.topics_per_peer_max.into(),
            write: |s, n| s.relay.core.topics_per_peer_max = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "topic_bytes_max",
        "Longest topic",
        "the topic is skipped",
        "room names are words or hashes",
        Field::Number {
            unit: Unit::Bytes,
            read: |s| s.relay.core.topic_bytes_max.into(),
            write: |s, n| s.relay.core.topic_bytes_max = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "messages_per_second",
        "Messages a peer may send each second, pings apart",
        "dropped, and a strike",
        "two stock clients that meet and part send 17 together, then nothing",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.messages_per_second.into(),
            write: |s, n| s.relay.core.messages_per_second = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "messages_burst",
        "Messages a peer may send at once after a pause",
        "dropped, and a strike",
        "joining a room of 34 peers takes some 400 messages",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.messages_burst.into(),
            write: |s, n| s.relay.core.messages_burst = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "fan_out_per_second",
        "Deliveries each second that a peer's publishes may cause",
        "dropped, and a strike",
        "a 64 KiB publish to 1,000 peers is not one message",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.fan_out_per_second.into(),
            write: |s, n| s.relay.core.fan_out_per_second = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "fan_out_burst",
        "Deliveries a peer's publishes may cause at once after a pause",
        "dropped, and a strike",
        "a join into a room of 34 with 20 candidates for each peer",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.fan_out_burst.into(),
            write: |s, n| s.relay.core.fan_out_burst = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "pings_per_second",
        "Ping messages a peer may send each second",
        "dropped, and a strike",
        "a stock client pings each 15 s; own budget, so that nothing else starves its pongs",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.pings_per_second.into(),
            write: |s, n| s.relay.core.pings_per_second = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "pings_burst",
        "Ping messages a peer may send at once after a pause",
        "dropped, and a strike",
        "a client that was suspended catches up",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.pings_burst.into(),
            write: |s, n| s.relay.core.pings_burst = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "strikes_per_second",
        "Strikes that are forgiven each second",
        "they add up",
        "who was too fast once is not marked for ever",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.strikes_per_second.into(),
            write: |s, n| s.relay.core.strikes_per_second = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "strikes_burst",
        "Strikes a peer may collect",
        "held for close_hold, then closed with 4429",
        "two seconds past the rate of messages is an accident, more is not",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.strikes_burst.into(),
            write: |s, n| s.relay.core.strikes_burst = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "invalid_messages_max",
        "Messages in a row that may be no JSON",
        "held for close_hold, then closed with 1007",
        "a confused tool gets a chance, a scanner does not",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.core.invalid_messages_max.into(),
            write: |s, n| s.relay.core.invalid_messages_max = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "ping_interval",
        "Time between two WebSocket pings to a peer",
        "closed with 4408, if nothing came since the last ping",
        "as y-webrtc's server; under the idle timeout of common proxies, 60 s",
        Field::Number {
            unit: Unit::Millis,
            read: |s| millis(s.relay.core.ping_interval),
            write: |s, n| s.relay.core.ping_interval = Duration::from_millis(n),
        },
    ),
    limit(
        "close_hold",
        "How long a refused peer is held, unread and unserved, so that it cannot reconnect at once",
        "the connection ends",
        "a stock client that is closed comes back after 4 ms, for ever",
        Field::Number {
            unit: Unit::Millis,
            read: |s| millis(s.relay.core.close_hold),
            write: |s, n| s.relay.core.close_hold = Duration::from_millis(n),
        },
    ),
    // What may wait for one peer.
    limit(
        "outbound_bytes_max",
        "Bytes that may wait for one peer",
        "closed with 1013",
        "the burst of a full room, on a slow phone",
        Field::Number {
            unit: Unit::Bytes,
            read: |s| s.relay.outbound_bytes_max as u64,
            write: |s, n| s.relay.outbound_bytes_max = n.try_into().unwrap_or(usize::MAX),
        },
    ),
    limit(
        "outbound_frames_max",
        "Messages that may wait for one peer",
        "closed with 1013",
        "small frames cost more memory than they weigh",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.outbound_frames_max as u64,
            write: |s, n| s.relay.outbound_frames_max = n.try_into().unwrap_or(usize::MAX),
        },
    ),
    limit(
        "write_deadline",
        "How long a peer may take nothing of what waits for it",
        "TCP reset",
        "a phone that changes networks is back in less; a dead one should not hold 1 MiB longer",
        Field::Number {
            unit: Unit::Millis,
            read: |s| millis(s.relay.write_deadline),
            write: |s, n| s.relay.write_deadline = Duration::from_millis(n),
        },
    ),
    limit(
        "close_timeout",
        "How long a close may take",
        "TCP reset",
        "one round trip of the slowest network, and some",
        Field::Number {
            unit: Unit::Millis,
            read: |s| millis(s.relay.close_timeout),
            write: |s, n| s.relay.close_timeout = Duration::from_millis(n),
        },
    ),
    // What is judged before the upgrade.
    limit(
        "handshake_timeout",
        "How long a client may take for its HTTP request",
        "HTTP 408",
        "a request is one packet; who needs longer is holding a place",
        Field::Number {
            unit: Unit::Millis,
            read: |s| millis(s.relay.handshake_timeout),
            write: |s, n| s.relay.handshake_timeout = Duration::from_millis(n),
        },
    ),
    limit(
        "header_bytes_max",
        "Longest request head",
        "HTTP 431",
        "what other servers accept; enough for cookies and a token",
        Field::Number {
            unit: Unit::Bytes,
            read: |s| s.relay.header_bytes_max as u64,
            write: |s, n| s.relay.header_bytes_max = n.try_into().unwrap_or(usize::MAX),
        },
    ),
    limit(
        "headers_max",
        "Headers of a request",
        "HTTP 431",
        "browsers send about 20, a proxy adds a few",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.headers_max as u64,
            write: |s, n| s.relay.headers_max = n.try_into().unwrap_or(usize::MAX),
        },
    ),
    machine_limit(
        "handshakes_max",
        "Connections that may be in their HTTP request at once",
        "new ones wait in the kernel",
        "unfinished requests must not use up the places of peers",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.handshakes_max as u64,
            write: |s, n| s.relay.handshakes_max = n.try_into().unwrap_or(usize::MAX),
        },
    ),
    machine_limit(
        "peers_max",
        "Peers at once",
        "HTTP 503 with Retry-After",
        "a peer is an open file; the process needs some itself",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.peers_max as u64,
            write: |s, n| s.relay.peers_max = n.try_into().unwrap_or(usize::MAX),
        },
    ),
    limit(
        "peers_per_ip_max",
        "Peers at once from one IPv4 address or IPv6 /64",
        "HTTP 429 with Retry-After",
        "a school behind one address",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.peers_per_ip_max as u64,
            write: |s, n| s.relay.peers_per_ip_max = n.try_into().unwrap_or(usize::MAX),
        },
    ),
    limit(
        "connects_per_minute_per_ip",
        "Upgrades in a minute from one IPv4 address or IPv6 /64",
        "HTTP 429 with Retry-After",
        "such a school comes back after an outage",
        Field::Number {
            unit: Unit::Count,
            read: |s| s.relay.connects_per_minute_per_ip.into(),
            write: |s, n| s.relay.connects_per_minute_per_ip = n.try_into().unwrap_or(u32::MAX),
        },
    ),
    limit(
        "limit_private_ips",
        "Hold loopback and private addresses to the limits per address too; they are mostly proxies",
        "as these two limits",
        "a relay behind a proxy must not take the world for one client",
        Field::Number {
            unit: Unit::Switch,
            read: |s| s.relay.limit_private_ips.into(),
            write: |s, n| s.relay.limit_private_ips = n != 0,
        },
    ),
    limit(
        "refuse_after_close",
        "How long an address is refused after one of its peers broke a limit",
        "HTTP 429 until then",
        "a refused stock client backs off to a try each 1.3 s, a closed one does not",
        Field::Number {
            unit: Unit::Millis,
            read: |s| millis(s.relay.refuse_after_close),
            write: |s, n| s.relay.refuse_after_close = Duration::from_millis(n),
        },
    ),
    limit(
        "drain_seconds",
        "Over how long a shutdown spreads the closes, so that not all come back at once",
        "the process ends",
        "a thousand clients come back at 100 a second",
        Field::Number {
            unit: Unit::Seconds,
            read: |s| s.relay.drain_seconds.into(),
            write: |s, n| s.relay.drain_seconds = n.try_into().unwrap_or(u32::MAX),
        },
    ),
];

const fn limit(
    name: &'static str,
    what: &'static str,
    past: &'static str,
    why: &'static str,
    field: Field,
) -> Setting {
    Setting {
        name,
        what,
        limit: Some(Limit { past, why }),
        default: None,
        field,
    }
}

/// A limit whose default depends on the machine.
const fn machine_limit(
    name: &'static str,
    what: &'static str,
    past: &'static str,
    why: &'static str,
    field: Field,
) -> Setting {
    Setting {
        name,
        what,
        limit: Some(Limit { past, why }),
        default: Some(OPEN_FILES),
        field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn every_setting_is_read_back_as_it_was_written() {
        let default = Settings::default();
        for setting in SETTINGS {
            let shown = setting.show(&default);
            let mut changed = Settings::default();
            setting
                .set(&mut changed, &shown)
                .unwrap_or_else(|error| panic!("{}: {error}", setting.name));
            assert_eq!(setting.show(&changed), shown, "{}", setting.name);
            assert_eq!(changed.relay, default.relay, "{}", setting.name);
        }
    }

    #[test]
    fn every_number_reaches_a_field_of_its_own() {
        let default = Settings::default();
        for setting in SETTINGS {
            let Field::Number { read, write, .. } = setting.field else {
                continue;
            };
            let mut changed = default.clone();
            write(&mut changed, read(&default) ^ 1);
            for other in SETTINGS {
                let differs = other.show(&changed) != other.show(&default);
                assert_eq!(
                    differs,
                    other.name == setting.name,
                    "{} in {}",
                    other.name,
                    setting.name
                );
            }
        }
    }

    /// The settings of the libraries by their own account: their `Debug` form names each field.
    #[test]
    fn no_limit_of_the_libraries_is_missing() {
        let debug = format!("{:#?}", signal_tokio::Config::default());
        let fields: Vec<_> = debug
            .lines()
            .filter_map(|line| line.trim().split_once(": "))
            .map(|(name, _)| name)
            .filter(|name| *name != "core")
            .collect();
        let no_limits = ["trusted_proxies", "log_ips"];
        assert!(fields.len() > 25, "{debug}");
        for field in &fields {
            assert!(
                SETTINGS.iter().any(|setting| setting.name == *field),
                "{field} is missing"
            );
        }
        let limits = SETTINGS
            .iter()
            .filter(|setting| setting.limit.is_some())
            .count();
        assert_eq!(limits, fields.len() - no_limits.len());
    }
}

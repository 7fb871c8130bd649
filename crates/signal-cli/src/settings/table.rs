use std::sync::LazyLock;

use signal_access::{AddressLimits, trim_unseen};
use signal_core::{Limit, LimitValue, Limits, Scope, Unit};
use signal_tokio::Config;

use crate::settings::listen::{
    parse_admin_listen, parse_listen, parse_mode, show_admin_listen, show_mode,
};
use crate::settings::setting::{Place, Setting, text};
use crate::settings::text::{
    name_of, parse_carriers, parse_default_topics, parse_filter, parse_header, parse_hosts,
    parse_jwks_url, parse_log_format, parse_log_ips, parse_origins, parse_proxies, parse_turn_urls,
    parse_webhook_url, show_origins, show_path, show_proxies,
};
use crate::settings::{Settings, cluster};

/// All settings, in the order of help and README: our own, then the limits as the libraries declare
/// them. A limit that is added there is a setting here.
pub(crate) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let mut settings = own();
    settings.extend(cluster::own());
    let core = Limits::ALL.iter();
    settings.extend(core.map(|limit| Setting::limit(limit, Place::Core)));
    let addresses = AddressLimits::ALL.iter();
    settings.extend(addresses.map(|limit| Setting::limit(limit, Place::Addresses)));
    let relay = Config::LIMITS.iter();
    settings.extend(relay.map(|limit| Setting::limit(limit, Place::Relay)));
    settings.extend(cluster::limits());
    settings
});

const THREADS: Limit<Settings> = Limit {
    name: "threads",
    unit: Unit::Count,
    range: 1..=1_024,
    zero: false,
    default: || Settings::default().threads.into_number(),
    default_from: Some("the number of cores"),
    scope: Scope::Relay,
    what: "Threads that serve, each with a listener of its own",
    past: "",
    why: "",
    get: |settings| settings.threads.into_number(),
    set: |settings, number| settings.threads = LimitValue::from_number(number),
};

const TURN_TTL: Limit<Settings> = Limit {
    name: "turn_ttl",
    unit: Unit::Millis,
    range: 60_000..=30 * 24 * 3_600_000,
    zero: false,
    default: || Settings::default().turn_ttl.into_number(),
    default_from: None,
    scope: Scope::Relay,
    what: "How long TURN credentials are good for, from GET /turn on; with tokens, no longer than the token",
    past: "",
    why: "",
    get: |settings| settings.turn_ttl.into_number(),
    set: |settings, number| settings.turn_ttl = LimitValue::from_number(number),
};

const PROXY_PROTOCOL: Limit<Config> = Limit {
    name: "proxy_protocol",
    unit: Unit::Switch,
    range: 0..=1,
    zero: false,
    default: || 0,
    default_from: None,
    scope: Scope::Relay,
    what: "Whether these proxies begin each connection with a PROXY header, version 1 or 2; one without is closed",
    past: "",
    why: "",
    get: |config| config.proxy_protocol.into_number(),
    set: |config, number| config.proxy_protocol = LimitValue::from_number(number),
};

/// The settings that are not limits.
///
/// What keeps someone out says with `guards` what leaving it out means: only that opens the door.
/// Written down and empty, it is a mistake.
fn own() -> Vec<Setting> {
    vec![
        text(
            "listen",
            "IP:PORT",
            "localhost:4444",
            "Where to listen: localhost:4444 is this machine alone, by IPv4 and IPv6; a port alone is every \
             interface, by both; 127.0.0.1:4444 is one address, and port 0 a port that is free. \
             unix:/run/signal/signal.sock is a Unix socket, for a proxy on this machine",
            |s| s.listen.to_string(),
            |s, text| parse_listen(text).map(|listen| s.listen = listen),
        ),
        text(
            "socket_mode",
            "OCTAL",
            "660",
            "Who may connect to the Unix socket of listen, as chmod takes it: 660 is its owner and group, 666 everybody on \
             this machine. What they say of their clients is believed, as of trusted_proxies",
            |s| show_mode(s.socket_mode),
            |s, text| parse_mode(text).map(|mode| s.socket_mode = mode),
        ),
        text(
            "admin_listen",
            "IP:PORT",
            "localhost:9444",
            "Where to serve metrics, health and a page with live numbers, as localhost:9444; anyone who reaches it can \
             read it. A port alone is for this machine, off serves none",
            |s| show_admin_listen(s.admin_listen.as_ref()),
            |s, text| parse_admin_listen(text).map(|listen| s.admin_listen = listen),
        ),
        text(
            "admin_hosts",
            "NAME,NAME",
            "signal.internal",
            "Names by which the admin address may be called, with commas between them; IP addresses and localhost always may. \
             Requests by other names are refused, so that no page elsewhere can read it by a name of its own",
            |s| s.admin_hosts.join(","),
            |s, text| parse_hosts(text).map(|hosts| s.admin_hosts = hosts),
        )
        .guards("none", "answer to IP addresses and localhost alone"),
        text(
            "admin_key_file",
            "FILE",
            "/etc/signal/admin.key",
            "File with the key of the admin API, 32 characters at least, by which programs list topics, publish, and close \
             connections at the admin address. Read again when it changes, and on SIGHUP",
            |s| show_path(s.admin_key_file.as_deref()),
            |s, text| {
                s.admin_key_file = Some(text.trim().into());
                Ok(())
            },
        )
        .guards("none: the admin API is off", "have no admin API"),
        text(
            "webhook_url",
            "URL",
            "https://app.example.org/signal-events",
            "Address to which events are sent: topics that open and empty, peers that come and go, refusals. https, or http on \
             this machine",
            |s| s.webhook_url.as_ref().map_or_else(String::new, |url| url.as_str().to_owned()),
            |s, text| parse_webhook_url(text).map(|url| s.webhook_url = Some(url)),
        )
        .guards("none", "send no events"),
        text(
            "webhook_secret_file",
            "FILE",
            "/etc/signal/webhook.secret",
            "File with the secret that events are signed with, as Standard Webhooks writes it: whsec_ and 24 to 64 bytes in \
             Base64. Read again when it changes, and on SIGHUP",
            |s| show_path(s.webhook_secret_file.as_deref()),
            |s, text| {
                s.webhook_secret_file = Some(text.trim().into());
                Ok(())
            },
        )
        .guards("none", "send no events"),
        text(
            "webhook_events",
            "EVENT,EVENT",
            "topic_opened,topic_emptied",
            "Which events are sent: all, or some of topic_opened, topic_emptied, peer_in, peer_out and refused, with commas \
             between them",
            |s| s.webhook_events.to_string(),
            |s, text| text.parse().map(|kinds| s.webhook_events = kinds),
        ),
        Setting {
            limit: None,
            ..Setting::limit(&THREADS, Place::Own)
        },
        text(
            "tls_cert",
            "FILE",
            "/etc/signal/fullchain.pem",
            "PEM file with the certificate for wss://, first the server's own, then its issuers'; read again when it changes, and on SIGHUP",
            |s| show_path(s.tls_cert.as_deref()),
            |s, text| {
                s.tls_cert = Some(text.trim().into());
                Ok(())
            },
        )
        .guards("none", "serve ws:// unencrypted"),
        text(
            "tls_key",
            "FILE",
            "/etc/signal/privkey.pem",
            "PEM file with the private key of tls_cert, without a passphrase; read again when it changes, and on SIGHUP",
            |s| show_path(s.tls_key.as_deref()),
            |s, text| {
                s.tls_key = Some(text.trim().into());
                Ok(())
            },
        )
        .guards("none", "serve ws:// unencrypted"),
        text(
            "token_key_file",
            "FILE",
            "/etc/signal/relay.jwk",
            "File with the keys, a JWK or a JWK Set, by which every client must show a signed token; `signal token key` \
             makes one. Read again when it changes, and on SIGHUP",
            |s| show_path(s.token_key_file.as_deref()),
            |s, text| {
                s.token_key_file = Some(text.trim().into());
                Ok(())
            },
        )
        .guards("none: tokens are not asked for", "ask no one for a token"),
        text(
            "token_audience",
            "NAME",
            "signal.example.org",
            "Name of this relay, which each token must have as its aud; without a name, tokens must have none",
            |s| s.token_audience.clone().unwrap_or_default(),
            |s, text| {
                s.token_audience = Some(trim_unseen(text).to_owned());
                Ok(())
            },
        )
        .guards("none", "accept tokens without an aud"),
        text(
            "token_jwks_url",
            "URL",
            "https://tenant.eu.auth0.com/.well-known/jwks.json",
            "Address at which an identity provider publishes its keys as a JWK Set, in place of token_key_file; https, or \
             http on this machine. Fetched at the start, every 10 minutes, and when a token names a key that is not known",
            |s| s.token_jwks_url.as_ref().map_or_else(String::new, |url| url.as_str().to_owned()),
            |s, text| parse_jwks_url(text).map(|url| s.token_jwks_url = Some(url)),
        )
        .guards("none", "fetch no keys"),
        text(
            "token_issuer",
            "ISS",
            "https://tenant.eu.auth0.com/",
            "Issuer that each token must have as its iss, letter by letter, with the slash at its end if it has one",
            |s| s.token_issuer.clone().unwrap_or_default(),
            |s, text| {
                s.token_issuer = Some(trim_unseen(text).to_owned());
                Ok(())
            },
        )
        .guards("any", "accept tokens of any issuer that the keys have signed"),
        text(
            "token_topics_claim",
            "CLAIM",
            "https://app.example.org/topics",
            "Claim that names the topics of a token, in place of topics, subscribe and publish; with a slash before it \
             a way into objects, as /app_metadata/topics",
            |s| s.token_topics_claim.clone().unwrap_or_default(),
            |s, text| {
                s.token_topics_claim = Some(trim_unseen(text).to_owned());
                Ok(())
            },
        )
        .guards("topics, subscribe and publish", "read the claims topics, subscribe and publish"),
        text(
            "token_topics_default",
            "TOPIC,TOPIC",
            "lobby,user/{sub}/*",
            "Topics of a token that names none: none, or patterns with commas between them, in which {sub} is the \
             token's subject",
            |s| s.token_topics_default.to_string(),
            |s, text| parse_default_topics(text).map(|topics| s.token_topics_default = topics),
        ),
        text(
            "token_in",
            "PLACE,PLACE",
            "query",
            "Where in a request its token is: any, or of query (?token=…), header (Authorization) and protocol \
             (signal-token, …) those that count, with commas between them. Behind a proxy with an Authorization of its \
             own, such as oauth2-proxy, write query",
            |s| s.token_in.to_string(),
            |s, text| parse_carriers(text).map(|carriers| s.token_in = carriers),
        )
        .guards("any", "look for tokens in every place"),
        text(
            "origins",
            "ORIGIN,ORIGIN",
            "https://app.example.org",
            "Web pages that may connect, by origin, with commas between them: https://app.example.org, \
             https://*.example.org, http://localhost:*, moz-extension://*, null. Requests without an origin, or with \
             that of the relay itself, do not come from a page elsewhere and are let through",
            |s| show_origins(&s.origins),
            |s, text| parse_origins(text).map(|origins| s.origins = origins),
        )
        .guards("all", "let the pages of every site connect"),
        text(
            "turn_urls",
            "URL,URL",
            "turn:turn.example.org:3478",
            "TURN servers for whose use GET /turn gives credentials to everyone who may connect, by address, with commas \
             between them: turn:turn.example.org:3478, turns:turn.example.org:443?transport=tcp; stun: may be among them",
            |s| s.turn_urls.as_ref().map_or_else(String::new, ToString::to_string),
            |s, text| parse_turn_urls(text).map(|urls| s.turn_urls = Some(urls)),
        )
        .guards("none", "give out no TURN credentials"),
        text(
            "turn_secret_file",
            "FILE",
            "/etc/signal/turn.secret",
            "File with the secret that these servers have, which is static-auth-secret of coturn with use-auth-secret; \
             `openssl rand -hex 32` makes one. Read again when it changes, and on SIGHUP",
            |s| show_path(s.turn_secret_file.as_deref()),
            |s, text| {
                s.turn_secret_file = Some(text.trim().into());
                Ok(())
            },
        )
        .guards("none", "give out no TURN credentials"),
        Setting {
            limit: None,
            ..Setting::limit(&TURN_TTL, Place::Own)
        },
        text(
            "log",
            "FILTER",
            "info",
            "What to log: error, warn, info, debug or trace, or a filter such as warn,signal_tokio=debug",
            |s| s.log.clone(),
            |s, text| parse_filter(text).map(|filter| s.log = filter),
        ),
        text(
            "log_ips",
            "HOW",
            "short",
            "How much of a client's address stands in the log: short, which is an IPv4 /24 or an IPv6 /48, full, or none",
            |s| s.relay.log_ips.name().to_owned(),
            |s, text| parse_log_ips(text).map(|log_ips| s.relay.log_ips = log_ips),
        ),
        text(
            "log_format",
            "FORMAT",
            "auto",
            "How log lines look: text, json, or auto, which is text on a terminal and json elsewhere",
            |s| name_of(s.log_format),
            |s, text| parse_log_format(text).map(|format| s.log_format = format),
        ),
        text(
            "trusted_proxies",
            "CIDR,CIDR",
            "127.0.0.1",
            "Proxies before the relay, by network or address, or as loopback and private, with commas between them. Of a \
             connection from one of them, the client is the last address in forwarded_header that is not such a proxy; \
             from anywhere else the header means nothing",
            |s| show_proxies(&s.relay.trusted_proxies),
            |s, text| parse_proxies(text).map(|proxies| s.relay.trusted_proxies = proxies),
        )
        .guards("none", "believe no proxy"),
        text(
            "forwarded_header",
            "NAME",
            "x-forwarded-for",
            "Header in which these proxies name their clients: x-forwarded-for, cf-connecting-ip, x-real-ip or another \
             one of addresses, or forwarded (RFC 7239). They must set it themselves, whatever a client has written there",
            |s| s.relay.forwarded_header.as_str().to_owned(),
            |s, text| parse_header(text).map(|name| s.relay.forwarded_header = name),
        )
        .guards("x-forwarded-for", "read X-Forwarded-For"),
        Setting {
            limit: None,
            ..Setting::limit(&PROXY_PROTOCOL, Place::Relay)
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::setting::Field;

    #[test]
    fn every_setting_is_read_back_as_it_was_written() {
        let default = Settings::default();
        for setting in SETTINGS.iter() {
            let shown = setting.show(&default);
            if shown.is_empty() {
                continue; // Nothing stands for a file that is not named.
            }
            let mut changed = Settings::default();
            setting
                .set(&mut changed, &shown)
                .unwrap_or_else(|error| panic!("{}: {error}", setting.name));
            assert_eq!(setting.show(&changed), shown, "{}", setting.name);
            assert_eq!(changed.relay, default.relay, "{}", setting.name);
        }
    }

    #[test]
    fn every_example_is_right() {
        for setting in SETTINGS.iter() {
            if let Field::Text(text) = &setting.field {
                let mut settings = Settings::default();
                let set = setting.set(&mut settings, text.example);
                assert_eq!(set, Ok(()), "{} = {}", setting.name, text.example);
                assert!(setting.show(&settings).contains(text.example));
            }
        }
    }

    #[test]
    fn what_is_not_there_by_default_guards_and_is_a_mistake_when_it_is_empty() {
        // Their defaults let more in, or believe more.
        const WIDE: [&str; 2] = ["token_in", "forwarded_header"];
        for setting in SETTINGS.iter() {
            let is_unset = setting.show(&Settings::default()).is_empty();
            let is_wide = WIDE.contains(&setting.name) || setting.is_switch();
            assert_eq!(setting.is_guard(), is_unset || is_wide, "{}", setting.name);
            for empty in ["", "  ", ",", " , ,", "\u{200b}", "\u{feff} ,"] {
                let set = setting.set(&mut Settings::default(), empty);
                assert!(set.is_err(), "{} = {empty:?}", setting.name);
            }
        }
    }

    #[test]
    fn every_number_reaches_a_field_of_its_own() {
        let default = Settings::default();
        for setting in SETTINGS.iter() {
            let Field::Number(number) = &setting.field else {
                continue;
            };
            let mut changed = default.clone();
            number.write(&mut changed, number.read(&default) ^ 1);
            for other in SETTINGS.iter() {
                let differs = other.show(&changed) != other.show(&default);
                let is_same = other.name == setting.name;
                assert_eq!(differs, is_same, "{} in {}", other.name, setting.name);
            }
        }
    }

    /// The settings of the libraries by their own account: their `Debug` form names each field.
    #[test]
    fn every_field_of_the_libraries_is_a_setting() {
        let debug = format!("{:#?}", Config::default());
        let fields = debug
            .lines()
            .filter_map(|line| line.trim().split_once(": "));
        let nested = ["core", "addresses"];
        for (field, _) in fields.filter(|(name, _)| !nested.contains(name)) {
            let is_known = SETTINGS.iter().any(|setting| setting.name == field);
            assert!(is_known, "{field} is missing");
        }
    }
}

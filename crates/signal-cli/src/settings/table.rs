use std::sync::LazyLock;

use signal_core::{Limit, LimitValue, Limits, Scope, Unit};
use signal_tokio::Config;

use crate::settings::Settings;
use crate::settings::setting::{Field, Place, Setting};
use crate::settings::text::{
    name_of, parse_admin_listen, parse_filter, parse_listen, parse_log_format, parse_log_ips,
    parse_origins, parse_path, parse_proxies, show_admin_listen, show_origins, show_path,
    show_proxies,
};

/// All settings, in the order of help and README: our own, then the limits as the libraries declare
/// them. A limit that is added there is a setting here.
pub(crate) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let mut settings = own();
    let core = Limits::ALL.iter();
    settings.extend(core.map(|limit| Setting::limit(limit, Place::Core)));
    let relay = Config::LIMITS.iter();
    settings.extend(relay.map(|limit| Setting::limit(limit, Place::Relay)));
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

/// The settings that are not limits.
fn own() -> Vec<Setting> {
    vec![
        Setting {
            name: "listen",
            what: "Where to listen: an address and a port, or a port on this machine alone. 0.0.0.0:4444 is every \
               interface, 127.0.0.1:0 a port that is free",
            limit: None,
            default: None,
            field: Field::Text {
                form: "IP:PORT",
                example: "127.0.0.1:4444",
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
                example: "127.0.0.1:9444",
                read: |s| show_admin_listen(s.admin_listen),
                write: |s, text| parse_admin_listen(text).map(|listen| s.admin_listen = listen),
            },
        },
        Setting {
            limit: None,
            ..Setting::limit(&THREADS, Place::Own)
        },
        Setting {
            name: "tls_cert",
            what: "PEM file with the certificate for wss://, first the server's own, then its issuers'; read again on SIGHUP",
            limit: None,
            default: Some("none"),
            field: Field::Text {
                form: "FILE",
                example: "/etc/signal/fullchain.pem",
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
                example: "/etc/signal/privkey.pem",
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
                example: "/etc/signal/relay.jwk",
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
                example: "signal.example.org",
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
                example: "https://app.example.org",
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
                example: "info",
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
                example: "short",
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
                example: "auto",
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
                example: "127.0.0.1",
                read: |s| show_proxies(&s.relay.trusted_proxies),
                write: |s, text| {
                    parse_proxies(text).map(|proxies| s.relay.trusted_proxies = proxies)
                },
            },
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_read_back_as_it_was_written() {
        let default = Settings::default();
        for setting in SETTINGS.iter() {
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
    fn every_example_is_right() {
        for setting in SETTINGS.iter() {
            if let Field::Text { example, .. } = setting.field {
                let set = setting.set(&mut Settings::default(), example);
                assert_eq!(set, Ok(()), "{} = {example}", setting.name);
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
        for (field, _) in fields.filter(|(name, _)| *name != "core") {
            let is_known = SETTINGS.iter().any(|setting| setting.name == field);
            assert!(is_known, "{field} is missing");
        }
    }
}

//! The settings that are not numbers.

use std::path::Path;

use clap::ValueEnum;
use http::HeaderName;
use http::header::FORWARDED;
use signal_access::{
    Carriers, CarriersError, DefaultTopics, DefaultTopicsError, JwksUrl, JwksUrlError, Origins,
    TurnUrls, TurnUrlsError,
};
use signal_tokio::{LogIps, TrustedProxies};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::LogFormat;

/// Reads names of hosts with commas between them.
pub(super) fn parse_hosts(text: &str) -> Result<Vec<String>, String> {
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let read = |name: &str| {
        if name.bytes().all(is_fine) {
            Ok(name.trim_end_matches('.').to_ascii_lowercase())
        } else {
            Err(format!(
                "`{name}` is not a name of a host, without scheme and port"
            ))
        }
    };
    names.map(read).collect()
}

pub(super) fn show_path(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

pub(super) fn parse_filter(text: &str) -> Result<String, String> {
    let form = "write off, error, warn, info, debug, trace or target=level";
    // A word that is not a level would be a target, of which nobody logs anything.
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let words: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_part = |word: &str| word.contains(['=', '[']);
    if let Some(word) = words.iter().find(|word| !is_part(word) && !is_level(word)) {
        return Err(format!("`{word}` is not a level; {form}"));
    }
    let filter = words.join(",");
    match EnvFilter::builder().parse(&filter) {
        Ok(_) => Ok(filter),
        Err(_) => Err(format!("not a log filter; {form}")),
    }
}

pub(super) fn parse_log_format(text: &str) -> Result<LogFormat, String> {
    let format = LogFormat::from_str(text.trim(), true);
    format.map_err(|_| "write text, json or auto".to_owned())
}

/// How headers begin that are easily taken for one with the client's address, or that clients
/// write.
const NOT_OF_CLIENTS: [&str; 9] = [
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-request-",
    "user-agent",
    "accept-",
    "content-",
    "sec-",
];

/// Reads the name of a header.
pub(super) fn parse_header(text: &str) -> Result<HeaderName, String> {
    let name = text.trim().trim_end_matches(':');
    let header: HeaderName = name
        .parse()
        .map_err(|_| format!("`{name}` is not the name of a header"))?;
    // All that there are have a hyphen, but for the one of the standard. A word such as `off` would
    // be a header that no proxy sets, so that each client could name itself.
    if header != FORWARDED && !name.contains('-') {
        return Err(format!(
            "`{name}` is not a header in which proxies name their clients"
        ));
    }
    // As would those that say something else, which many clients write themselves.
    let shown = header.as_str();
    let is_other = NOT_OF_CLIENTS.iter().any(|begin| shown.starts_with(begin));
    if is_other {
        return Err(format!(
            "{shown} does not have the address of a client in it"
        ));
    }
    Ok(header)
}

/// Reads networks with commas between them.
pub(super) fn parse_proxies(text: &str) -> Result<TrustedProxies, String> {
    let networks = text.split(',').filter(|network| !network.trim().is_empty());
    TrustedProxies::new(networks).map_err(|error| error.to_string())
}

pub(super) fn show_proxies(proxies: &TrustedProxies) -> String {
    let networks: Vec<String> = proxies
        .networks()
        .map(|network| network.to_string())
        .collect();
    networks.join(",")
}

/// Reads origins with commas between them.
pub(super) fn parse_origins(text: &str) -> Result<Origins, String> {
    let origins = text.split(',').filter(|origin| !origin.trim().is_empty());
    Origins::new(origins).map_err(|error| error.to_string())
}

pub(super) fn show_origins(origins: &Origins) -> String {
    let origins: Vec<String> = origins.patterns().map(|one| one.to_string()).collect();
    origins.join(",")
}

pub(super) fn parse_carriers(text: &str) -> Result<Carriers, String> {
    text.parse()
        .map_err(|error: CarriersError| error.to_string())
}

pub(super) fn parse_jwks_url(text: &str) -> Result<JwksUrl, String> {
    text.parse()
        .map_err(|error: JwksUrlError| error.to_string())
}

pub(super) fn parse_webhook_url(text: &str) -> Result<JwksUrl, String> {
    text.parse().map_err(|error| {
        let problem = match error {
            JwksUrlError::Plain => {
                "http is for this machine alone, as on its way events could be read; write https"
            }
            JwksUrlError::Credentials => {
                "an address with a name or password in it cannot be used; events are signed instead"
            }
            JwksUrlError::Form | _ => "not an address of the form https://HOST/PATH",
        };
        problem.to_owned()
    })
}

pub(super) fn parse_default_topics(text: &str) -> Result<DefaultTopics, String> {
    text.parse()
        .map_err(|error: DefaultTopicsError| error.to_string())
}

pub(super) fn parse_turn_urls(text: &str) -> Result<TurnUrls, String> {
    text.parse()
        .map_err(|error: TurnUrlsError| error.to_string())
}

pub(super) fn parse_log_ips(text: &str) -> Result<LogIps, String> {
    let text = text.trim().to_ascii_lowercase();
    let known = LogIps::ALL.into_iter().find(|how| how.name() == text);
    known.ok_or_else(|| "write short, full or none".to_owned())
}

pub(super) fn name_of(format: LogFormat) -> String {
    let value = format.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_commas_between_them() {
        let origins =
            parse_origins("https://App.example.org:443, https://*.example.org,").expect("origins");
        assert_eq!(
            show_origins(&origins),
            "https://app.example.org,https://*.example.org"
        );
        let error = parse_origins("app.example.org").expect_err("no scheme");
        assert!(
            error.contains("`app.example.org` is not an origin such as"),
            "{error}"
        );
    }

    #[test]
    fn hosts_are_names_with_commas_between_them() {
        let hosts = parse_hosts("Signal.internal., signal,").expect("names");
        assert_eq!(hosts, ["signal.internal", "signal"]);
        for wrong in ["http://signal", "signal:9444", "*", "a b"] {
            assert!(parse_hosts(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_header_is_named_without_its_value() {
        let name = parse_header(" CF-Connecting-IP: ").expect("a name");
        assert_eq!(name, "cf-connecting-ip");
        for wrong in ["X Real IP", "x-real-ip: 1.2.3.4", "ä"] {
            assert!(parse_header(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_word_that_is_meant_to_switch_something_off_is_not_a_header() {
        for word in ["off", "none", "null", "false", "no", "0", "X_Real_IP", "*"] {
            assert!(parse_header(word).is_err(), "{word}");
        }
        for name in [
            "Forwarded",
            "x-real-ip",
            "CF-Connecting-IP",
            "Fly-Client-IP:",
        ] {
            assert!(parse_header(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_header_that_says_something_else_is_not_one_of_addresses() {
        for name in [
            "X-Forwarded-Proto",
            "x-forwarded-host",
            "X-Forwarded-Port",
            "User-Agent",
            "Accept-Language",
            "Content-Length",
            "Sec-WebSocket-Key",
            "X-Request-Id",
        ] {
            let error = parse_header(name).expect_err(name);
            assert!(error.contains("does not have the address"), "{error}");
        }
        for name in ["X-Forwarded-For", "x-envoy-external-address", "X-Client-IP"] {
            assert!(parse_header(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn proxies_are_networks_with_commas_between_them() {
        let proxies = parse_proxies("10.0.0.0/8, 192.0.2.1,").expect("networks");
        assert_eq!(show_proxies(&proxies), "10.0.0.0/8,192.0.2.1/32");
        let error = parse_proxies("10.0.0.0/8,proxy.example").expect_err("a name");
        assert!(error.contains("`proxy.example` is neither"), "{error}");
    }
}

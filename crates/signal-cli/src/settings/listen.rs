//! Where to listen, as people write it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use signal_tokio::Listen;

use crate::settings::{ADMIN_PORT, PORT};

const OFF: &str = "off";
const UNIX: &str = "unix:";
/// A reverse proxy is in the group of the socket, or runs as its owner; others have no business
/// there.
pub(super) const SOCKET_MODE: u32 = 0o660;

pub(super) fn parse_listen(text: &str) -> Result<Listen, String> {
    let text = text.trim();
    if let Some(path) = text.strip_prefix(UNIX) {
        return parse_unix(path);
    }
    match text.parse() {
        // As platforms mean it that say a port and no more.
        Ok(port) => Ok(Listen::Everywhere(port)),
        Err(_) => parse_place(text, PORT),
    }
}

#[cfg(unix)]
fn parse_unix(path: &str) -> Result<Listen, String> {
    if !path.starts_with('/') {
        return Err(
            "the path of a socket begins with a slash: unix:/run/signal/signal.sock".to_owned(),
        );
    }
    Ok(Listen::Unix {
        path: path.into(),
        mode: SOCKET_MODE,
    })
}

#[cfg(not(unix))]
fn parse_unix(_path: &str) -> Result<Listen, String> {
    Err("there are no Unix sockets on this system".to_owned())
}

pub(super) fn parse_admin_listen(text: &str) -> Result<Option<Listen>, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case(OFF) {
        return Ok(None);
    }
    if text.starts_with(UNIX) {
        return Err("the admin address is one of TCP".to_owned());
    }
    match text.parse() {
        // Not for others, unless somebody says so.
        Ok(port) => Ok(Some(Listen::Localhost(port))),
        Err(_) => parse_place(text, ADMIN_PORT).map(Some),
    }
}

pub(super) fn show_admin_listen(listen: Option<&Listen>) -> String {
    listen.map_or(OFF.to_owned(), Listen::to_string)
}

fn parse_place(text: &str, usual_port: u16) -> Result<Listen, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address.into());
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let place = rest.split('/').next().unwrap_or_default();
        return Err(format!(
            "an address to listen on has no {scheme}:// before it; write {place}"
        ));
    }
    // `::1:4444` is an address too, and is not what anybody means by it.
    let place = text.rsplit_once(':');
    let place = place.filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok());
    if let Some((host, port)) = place {
        return Err(format!(
            "an IPv6 address stands in brackets before its port; write [{host}]:{port}"
        ));
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(text).parse::<IpAddr>() {
        let address = SocketAddr::new(ip, usual_port);
        return Err(format!("the port is missing; write {address}"));
    }
    if text.starts_with('/') {
        return Err(format!(
            "a path of a socket stands behind unix:; write {UNIX}{text}"
        ));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    if port.parse::<u64>().is_ok_and(|port| port > u16::MAX.into()) {
        return Err(format!("{port} is not a port: ports end at 65535"));
    }
    let port = port.parse::<u16>().ok().filter(|_| text.contains(':'));
    if let Some(port) = port {
        return match host.to_ascii_lowercase().as_str() {
            "localhost" => Ok(Listen::Localhost(port)),
            "" | "*" => Ok(Listen::Everywhere(port)),
            _ => Err(format!(
                "{host} is not an IP address; names are not looked up here"
            )),
        };
    }
    if text.trim_end_matches(':').eq_ignore_ascii_case("localhost") {
        return Err(format!("the port is missing; write localhost:{usual_port}"));
    }
    Err("not an address with a port".to_owned())
}

/// Reads who may use a Unix socket, as `chmod` does.
pub(super) fn parse_mode(text: &str) -> Result<u32, String> {
    let digits = text.trim();
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 && digits.len() <= 4 => Ok(mode),
        _ => Err("not the permissions of a file, as chmod takes them in digits".to_owned()),
    }
}

pub(super) fn show_mode(mode: u32) -> String {
    format!("{mode:03o}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_listen_is_read_in_the_usual_forms() {
        for (text, listen) in [
            ("127.0.0.1:0", Listen::Address(([127, 0, 0, 1], 0).into())),
            ("8080", Listen::Everywhere(8_080)),
            (":8080", Listen::Everywhere(8_080)),
            ("*:8080", Listen::Everywhere(8_080)),
            ("localhost:8080", Listen::Localhost(8_080)),
            (" LocalHost:8080 ", Listen::Localhost(8_080)),
            ("0", Listen::Everywhere(0)),
            (
                "[::1]:0",
                Listen::Address(([0, 0, 0, 0, 0, 0, 0, 1], 0).into()),
            ),
            ("[::]:4444", Listen::Address(([0; 8], 4_444).into())),
        ] {
            assert_eq!(parse_listen(text), Ok(listen), "{text}");
        }
        for (text, hint) in [
            ("0.0.0.0", "write 0.0.0.0:4444"),
            ("localhost", "write localhost:4444"),
            ("localhost:", "write localhost:4444"),
            ("65536", "65536 is not a port: ports end at 65535"),
            ("tcp://0.0.0.0:80", "no tcp:// before it; write 0.0.0.0:80"),
            (
                "ws://localhost:4444/",
                "no ws:// before it; write localhost:4444",
            ),
            ("/run/signal.sock", "write unix:/run/signal.sock"),
            ("-1", "not an address with a port"),
            ("localhost 4444", "not an address with a port"),
            ("example.org:80", "names are not looked up"),
            ("ws://localhost:80/", "write localhost:80"),
            ("nonsense", "not an address with a port"),
            ("127.0.0.1:80000", "80000 is not a port: ports end at 65535"),
            ("unix:signal.sock", "begins with a slash: unix:/run/"),
            ("::1:4444", "write [::1]:4444"),
            ("[::1]", "write [::1]:4444"),
            ("::1", "write [::1]:4444"),
        ] {
            let error = parse_listen(text).expect_err(text);
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn a_port_alone_opens_the_relay_and_not_the_admin_address() {
        assert_eq!(
            parse_admin_listen("9444"),
            Ok(Some(Listen::Localhost(9_444)))
        );
        assert_eq!(parse_admin_listen("off"), Ok(None));
        assert_eq!(parse_admin_listen(" OFF "), Ok(None));
        let everywhere = parse_admin_listen("*:9444");
        assert_eq!(everywhere, Ok(Some(Listen::Everywhere(9_444))));
        let error = parse_admin_listen("::1").expect_err("no port");
        assert!(error.contains("write [::1]:9444"), "{error}");
        let error = parse_admin_listen("unix:/run/admin.sock").expect_err("TCP alone");
        assert!(error.contains("one of TCP"), "{error}");
    }

    #[test]
    fn a_socket_mode_is_read_as_chmod_does() {
        assert_eq!(parse_mode("660"), Ok(0o660));
        assert_eq!(parse_mode("0666"), Ok(0o666));
        for wrong in ["", "888", "1777", "rw-rw----", "-1", "00660"] {
            assert!(parse_mode(wrong).is_err(), "{wrong}");
        }
        assert_eq!(show_mode(0o60), "060");
    }
}

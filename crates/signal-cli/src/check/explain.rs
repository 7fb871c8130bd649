//! What went wrong in words, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::Response;
use http::header::{HeaderValue, LOCATION, RETRY_AFTER};

use crate::check::refusals;
use crate::check::report::Problem;
use crate::check::target::Target;
use crate::show;

pub(crate) fn name_not_found(target: &Target, error: &io::Error) -> Problem {
    Problem::new(
        format!("the name {} cannot be resolved: {error}", target.host),
        "check the spelling, and that the DNS record exists (a new one takes a while)",
    )
}

pub(crate) fn no_addresses(target: &Target) -> Problem {
    Problem::new(
        format!("the name {} has no address", target.host),
        "add an A or AAAA record for it",
    )
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "there are forty kinds, few of which concern us"
)]
pub(crate) fn tcp(target: &Target, address: SocketAddr, error: &io::Error) -> Problem {
    let what = format!("no TCP connection to {address}: {error}");
    match error.kind() {
        io::ErrorKind::ConnectionRefused if target.is_loopback() => Problem::new(
            format!("connection refused: nothing listens on {address}"),
            format!(
                "is the relay running? start it: signal serve --listen {}:{}",
                target.host_in_url(),
                target.port
            ),
        ),
        io::ErrorKind::ConnectionRefused => Problem::new(
            format!("connection refused: nothing listens on {address}"),
            "is the relay running there, on this port and on an address that is reachable from \
             outside (not 127.0.0.1)?",
        ),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            Problem::new(what, "check this machine's network, and the address")
        }
        _ => Problem::new(
            what,
            "check that the port is open in every firewall on the way",
        ),
    }
}

pub(crate) fn tls(target: &Target, error: &io::Error) -> Problem {
    use rustls::{CertificateError as Cert, Error as Tls};
    let plain = target.other_scheme();
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<Tls>());
    match cause {
        Some(Tls::InvalidCertificate(Cert::Expired | Cert::ExpiredContext { .. })) => Problem::new(
            "the certificate has expired",
            "renew it, and reload the server",
        ),
        Some(Tls::InvalidCertificate(Cert::NotValidYet | Cert::NotValidYetContext { .. })) => {
            Problem::new(
                "the certificate is not valid yet",
                "check the clocks of this machine and of the server",
            )
        }
        Some(Tls::InvalidCertificate(
            Cert::NotValidForName | Cert::NotValidForNameContext { .. },
        )) => Problem::new(
            format!("the certificate is not for {}", target.host),
            "get one that names this host, or use the name that is in it",
        ),
        // A bad signature is that of an authority with the name of a known one.
        Some(Tls::InvalidCertificate(Cert::UnknownIssuer | Cert::BadSignature)) => Problem::new(
            "the certificate comes from an authority this machine does not know",
            "serve the whole chain; for an authority of your own, name its certificate in \
             SSL_CERT_FILE",
        ),
        Some(Tls::InvalidMessage(_)) => Problem::new(
            "the server does not speak TLS on this port",
            format!("try {plain}, or the port of the TLS proxy"),
        ),
        Some(Tls::AlertReceived(alert)) => Problem::new(
            format!("the server refused the TLS handshake: {alert:?}"),
            format!("does the server have a certificate for {}?", target.host),
        ),
        Some(other) => Problem::new(
            format!("no TLS connection: {other}"),
            "check the certificate and the TLS settings of the server",
        ),
        None => Problem::new(
            format!("the connection ended in the TLS handshake: {error}"),
            format!("if this port has no TLS, try {plain}"),
        ),
    }
}

/// The server answered the upgrade with something else.
pub(crate) fn refused(target: &Target, response: &Response<Option<Vec<u8>>>) -> Problem {
    let status = response.status();
    let header = |name| {
        response
            .headers()
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let wait = header(RETRY_AFTER).map(|seconds| format!(" (it says: retry after {seconds} s)"));
    let wait = wait.unwrap_or_default();
    let secure = || {
        let other = target.other_scheme();
        format!("if the server has TLS on this port, try {other}")
    };
    let body = response.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(body);
    let body = body.trim();
    let general = || {
        match status.as_u16() {
        200..=299 => "this is a web server that did not upgrade: check the path, and that a proxy \
                      in between passes the `Upgrade` and `Connection` headers on"
            .to_owned(),
        300..=399 => match header(LOCATION) {
            Some(location) => format!("browsers do not follow this; use {} instead", ws(location)),
            None => "use the address that the server redirects to".to_owned(),
        },
        400 if !target.secure => {
            format!(
                "{}; otherwise the path is not that of a WebSocket",
                secure()
            )
        }
        400 => "a proxy may have dropped the `Upgrade` headers, or the path is not that of a \
                WebSocket"
            .to_owned(),
        401 => "the server asks for credentials: pass --token-file FILE, perhaps with --token-in header, \
                or --header 'Authorization: …'"
            .to_owned(),
        403 => "the server does not let this client in: pass the page's address as --origin \
                https://your.app, or a token that it accepts as --token-file FILE"
            .to_owned(),
        404 | 405 => "there is no WebSocket at this path: check the path of the address".to_owned(),
        408 | 504 => {
            "the request took too long on its way: is the relay behind the proxy up?".to_owned()
        }
        426 => "the server did not see the `Upgrade` header: make the proxy in between pass \
                `Upgrade` and `Connection` on, with HTTP/1.1"
            .to_owned(),
        429 => format!("the server limits who may connect how often: wait and try again{wait}"),
        431 => "the request is too large: fewer or shorter --header, or a shorter token".to_owned(),
        502 => "the proxy does not reach the relay: is it running, and is its port right in the \
                proxy's settings?"
            .to_owned(),
        503 => format!("the relay is full or restarts: try again, or look at its /readyz{wait}"),
        500..=599 => "look into the server's log".to_owned(),
        _ => "check the address".to_owned(),
    }
    };
    let fix = refusals::fix(body).map_or_else(general, str::to_owned);
    let is_page = body.starts_with('<');
    let said = if body.is_empty() || is_page {
        String::new()
    } else {
        format!(", {}", show::quoted(body, 120))
    };
    Problem::new(
        format!("the upgrade was answered with HTTP {status}{said}"),
        fix,
    )
}

fn ws(location: &str) -> String {
    match location.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        _ => location.to_owned(),
    }
}

pub(crate) fn not_http(target: &Target, error: &impl std::fmt::Display) -> Problem {
    let other = target.other_scheme();
    Problem::new(
        format!("the upgrade was not answered with HTTP: {error}"),
        format!("check the port; if it is right, try {other}"),
    )
}

pub(crate) fn timed_out(step: &str, timeout: Duration) -> Problem {
    let timeout = show::time(timeout);
    match step {
        "resolve" => Problem::new(
            format!("the name was not resolved within {timeout}"),
            "check this machine's name server",
        ),
        "tcp" => Problem::new(
            format!("no answer to the TCP connection within {timeout}"),
            "a firewall drops the packets, or the address is not in use: check both",
        ),
        "tls" => Problem::new(
            format!("the TLS handshake did not end within {timeout}"),
            "if this port has no TLS, try ws://",
        ),
        "upgrade" => Problem::new(
            format!("the server took the connection but gave no answer within {timeout}"),
            "is this an HTTP port? a relay that hangs needs a restart",
        ),
        "subscribe" => Problem::new(
            format!(
                r#"the WebSocket opened, but {{"type":"ping"}} got no answer within {timeout}"#
            ),
            "this is a WebSocket server, but no y-webrtc signaling server: check the path",
        ),
        "second client" => Problem::new(
            format!("a second client was not connected and subscribed within {timeout}"),
            "does the server, or the proxy before it, serve more than one connection at a time?",
        ),
        "publish" => Problem::new(
            format!("a message did not reach the other client within {timeout}"),
            "with a token: does it allow such a topic? name a beginning that it allows with \
             --topic-prefix; without: do all connections reach the same process? several instances \
             behind one address must share their topics",
        ),
        _ => Problem::new(
            format!("no answer within {timeout}"),
            "look into the server's log, or try a longer --timeout",
        ),
    }
}

/// Publishes wait for the client's acknowledgement of what was sent before.
pub(crate) fn stalled(publishes: Duration, ping: Duration) -> Problem {
    Problem::new(
        format!(
            "two publishes take {}, and a ping {}: the server keeps messages back",
            show::time(publishes),
            show::time(ping)
        ),
        "set TCP_NODELAY on the connections it accepts; in axum: \
         listener.tap_io(|tcp| { let _ = tcp.set_nodelay(true); })",
    )
}

pub(crate) fn slow(step: &str, limit: Duration) -> Problem {
    let limit = show::time(limit);
    let fix = match step {
        "resolve" => "the name server is slow; is it the right one?",
        "tcp" => "the server is far away, or its queue is full: try from another network",
        _ => "the server is far away or busy: look at its load, or try from another network",
    };
    Problem::new(format!("slower than {limit}"), fix)
}

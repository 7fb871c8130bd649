//! What went wrong in words, and what to do about it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use signal_tokio::TlsFault;

use crate::check::report::Problem;
use crate::check::target::Target;
use crate::show;

pub(crate) fn name_not_found(target: &Target, error: &io::Error) -> Problem {
    if error.to_string().contains("Temporary failure") {
        return Problem::new(
            format!(
                "the name {} cannot be resolved: no name server answers",
                target.host
            ),
            "check this machine's network, and its name servers; or the name has a server that does not answer",
        );
    }
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
    let plain = target.other_scheme();
    let fault = TlsFault::of(error);
    let fix = match &fault {
        TlsFault::Expired => "renew it, and reload the server".to_owned(),
        TlsFault::NotYet => "check the clocks of this machine and of the server".to_owned(),
        TlsFault::OtherName => {
            return Problem::new(
                format!("the certificate is not for {}", target.host),
                "get one that names this host, or use the name that is in it",
            );
        }
        TlsFault::UnknownAuthority => {
            "serve the whole chain; for an authority of your own, or a certificate that signs itself, name its file: --ca FILE, \
             or SSL_CERT_FILE"
                .to_owned()
        }
        TlsFault::OtherPurpose => {
            "get one for serverAuth, or without an extended key usage".to_owned()
        }
        TlsFault::Authority => format!(
            "plain `openssl req -x509` makes such; add to it: -addext basicConstraints=critical,CA:FALSE \
             -addext subjectAltName={}",
            alternative_name(target)
        ),
        TlsFault::Version1 => format!(
            "make one of version 3: with openssl, add -addext subjectAltName={}",
            alternative_name(target)
        ),
        TlsFault::NotTls => format!("try {plain}, or the port of the TLS proxy"),
        TlsFault::Refused(_) => format!("does the server have a certificate for {}?", target.host),
        TlsFault::Ended(_) => format!("if this port has no TLS, try {plain}"),
        TlsFault::Other(_) | _ => {
            "check the certificate and the TLS settings of the server".to_owned()
        }
    };
    Problem::new(fault.to_string(), fix)
}

/// The host as a certificate has it.
fn alternative_name(target: &Target) -> String {
    match target.host.parse::<IpAddr>() {
        Ok(ip) => format!("IP:{ip}"),
        Err(_) => format!("DNS:{}", target.host),
    }
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
             --topic-prefix; does it allow two clients there (clients_max)? without: do all \
             connections reach the same process? several instances behind one address must share \
             their topics",
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

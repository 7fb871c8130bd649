//! What a server did wrong, or refused, in words, and what to do about it.

use std::time::Duration;

use signal_core::client;

use crate::error::BenchError;
use crate::net::ended::Ended;
use crate::net::links::Links;

/// The settings of `signal serve` that no load of ours reaches.
const RATES: &str = "--messages-per-second 1000000 --messages-burst 4000000000 \
                     --fan-out-per-second 1000000000 --fan-out-burst 4000000000 \
                     --bytes-per-second 4000000000 --bytes-burst 4000000000 \
                     --fan-out-bytes-per-second 1000GiB --fan-out-bytes-burst 1000GiB";

/// What to do when a server holds the load to its rates.
pub(crate) fn raise_rates() -> String {
    format!(
        "a load exceeds what a relay grants a single browser; for the measurement, raise it: signal serve {RATES}"
    )
}

/// The connection ended, but should have stayed.
pub(crate) fn ended(links: &Links, id: usize, how: &Ended) -> BenchError {
    let number = id + 1;
    let server = links.name(id);
    match how {
        Ended::Closed(code, reason) => {
            let code_shown =
                code.map_or("without a code".to_owned(), |code| format!("with {code}"));
            let reason = if reason.is_empty() {
                String::new()
            } else {
                format!(" {reason:?}")
            };
            let what = format!("{server} closed connection {number} {code_shown}{reason}");
            let fix = match code {
                Some(4429 | 1008) => raise_rates(),
                Some(1013) => {
                    "more waited for one connection than the server keeps: use a smaller --window, or signal serve \
                     --outbound-frames-max 100000 --outbound-bytes-max 64MiB"
                        .to_owned()
                }
                Some(1009) => "the message is too long for it: use fewer --bytes, or signal serve \
                               --message-bytes-max 1MiB"
                    .to_owned(),
                _ => "look at the server's log".to_owned(),
            };
            BenchError::new(what, fix)
        }
        Ended::Cut(why) => BenchError::new(
            format!("{server} cut connection {number}: {why}"),
            "did the server end, or run out of memory or files? look at its log",
        ),
    }
}

/// The upgrade was answered with something else. `head` is the answer up to its empty line.
pub(crate) fn refused(server: &str, number: usize, head: &str) -> BenchError {
    let line = head.lines().next().unwrap_or_default();
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse::<u16>().ok());
    let what = format!("{server} answered the upgrade of connection {number} with {line:?}");
    let fix = match status {
        Some(101) => "it is not a WebSocket server: its Sec-WebSocket-Accept is wrong",
        Some(401 | 403) => "pass a --token, --origin or --header that it accepts",
        Some(404) => "check the path of the address",
        Some(429) => {
            "it limits connections from one address: raise that for the measurement, signal serve \
             --peers-per-ip-max 1000000 --connects-per-minute-per-ip 1000000"
        }
        Some(503) => {
            "it is full: raise its limit, signal serve --peers-max 100000, and its limit on open files, ulimit -n"
        }
        Some(_) => "look at the server's log",
        None => "this port does not speak HTTP: check the address",
    };
    BenchError::new(what, fix)
}

/// Not all connections were opened.
pub(crate) fn stuck(server: &str, ready: usize, all: usize, timeout: Duration) -> BenchError {
    BenchError::new(
        format!(
            "{server}: {ready} of {all} connections were ready, and no other within {} s",
            timeout.as_secs_f64()
        ),
        format!(
            "each is upgraded, subscribes, and sends {}, which must be answered: does the server speak \
             y-webrtc's protocol? try signal check",
            client::PING
        ),
    )
}

/// What one connection publishes does not arrive at another one, on another node perhaps.
pub(crate) fn apart(links: &Links, from: usize, to: usize, timeout: u64) -> BenchError {
    let [from, to] = [from, to].map(|id| links.name(id));
    let seconds = Duration::from_nanos(timeout).as_secs_f64();
    BenchError::new(
        format!("what is published on {from} did not arrive on {to} within {seconds} s"),
        "several addresses are put under load as one service: are they nodes of one cluster, and ready (GET /readyz)?",
    )
}

/// The server broke RFC 6455.
pub(crate) fn malformed(links: &Links, id: usize, what: &str) -> BenchError {
    BenchError::new(
        format!("{} sent connection {} {what}", links.name(id), id + 1),
        "the server breaks RFC 6455; nothing it sends after that can be read",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_setting_that_helps() {
        for (head, hint) in [
            (
                "HTTP/1.1 429 Too Many Requests",
                "--connects-per-minute-per-ip",
            ),
            ("HTTP/1.1 503 Service Unavailable", "--peers-max"),
            ("HTTP/1.1 401 Unauthorized", "--token"),
            ("HTTP/1.1 403 Forbidden", "--origin"),
            ("HTTP/1.1 404 Not Found", "path"),
            ("SSH-2.0-OpenSSH", "HTTP"),
        ] {
            let error = refused("ws://a", 7, head);
            assert!(error.what.contains("connection 7"), "{error:?}");
            assert!(error.fix.contains(hint), "{error:?}");
        }
    }
}

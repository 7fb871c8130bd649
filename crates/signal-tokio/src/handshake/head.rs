//! The heads of an upgrade, read and written without I/O and without a task.
//!
//! Nearly every request to a relay is an upgrade that has arrived whole. That one needs no state
//! machine: it is parsed where it lies, with the parser that hyper uses, and answered in the same
//! turn. Whatever is not that plain is left to hyper ([`http1`](crate::handshake::http1)), which knows all of
//! HTTP/1.1.

use std::time::SystemTime;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, DATE, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use httparse::{EMPTY_HEADER, Status};

use crate::config::Config;
use crate::handshake::upgrade::Body;

/// The most headers of a plain upgrade: browsers send about 15, a proxy adds a few.
const HEADERS_PLAIN: usize = 32;
/// About as much as an answer takes.
const ANSWER_BYTES: usize = 256;

/// A request as hyper would give it out too, and what followed it.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) request: Parts,
    pub(crate) read_ahead: Bytes,
}

/// The plain upgrade at the start of `input`: whole, within the limits, a GET of HTTP/1.1 without a
/// body. `None` if it is anything else, or not there yet.
pub(crate) fn parse(input: &Bytes, config: &Config) -> Option<Head> {
    let mut headers = [EMPTY_HEADER; HEADERS_PLAIN];
    let headers = &mut headers[..HEADERS_PLAIN.min(config.headers_max)];
    let mut parsed = httparse::Request::new(headers);
    let Ok(Status::Complete(length)) = parsed.parse(input) else {
        return None;
    };
    let is_plain = parsed.method == Some("GET") && parsed.version == Some(1);
    if !is_plain || length > config.header_bytes_max {
        return None;
    }
    let (mut request, ()) = Request::new(()).into_parts();
    request.method = Method::GET;
    request.version = Version::HTTP_11;
    let path = input.slice_ref(parsed.path?.as_bytes());
    request.uri = Uri::from_maybe_shared(path).ok()?;
    request.headers.reserve(parsed.headers.len());
    for header in &*parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(input.slice_ref(header.value)).ok()?;
        if [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT].contains(&name) {
            return None;
        }
        request.headers.append(name, value);
    }
    let is_upgrade = request.headers.contains_key(UPGRADE);
    is_upgrade.then(|| Head {
        request,
        read_ahead: input.slice(length..),
    })
}

/// An answer as it is sent.
pub(crate) fn encode(response: Response<Body>) -> Vec<u8> {
    let (head, body) = response.into_parts();
    // It is there, whole.
    let body = body.collect().now_or_never();
    let body = body.map_or_else(Bytes::new, |Ok(body)| body.to_bytes());
    let mut output = Vec::with_capacity(ANSWER_BYTES + body.len());
    output.extend_from_slice(b"HTTP/1.1 ");
    output.extend_from_slice(head.status.as_str().as_bytes());
    output.extend_from_slice(b" ");
    let reason = head.status.canonical_reason().unwrap_or_default();
    output.extend_from_slice(reason.as_bytes());
    output.extend_from_slice(b"\r\n");
    let mut push = |name: &HeaderName, value: &[u8]| {
        output.extend_from_slice(name.as_str().as_bytes());
        output.extend_from_slice(b": ");
        output.extend_from_slice(value);
        output.extend_from_slice(b"\r\n");
    };
    for (name, value) in &head.headers {
        push(name, value.as_bytes());
    }
    // By RFC 9110, 8.6 and 6.6.1, a 101 has no length and needs no date.
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        push(&CONTENT_LENGTH, body.len().to_string().as_bytes());
        push(&DATE, httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    }
    output.extend_from_slice(b"\r\n");
    output.extend_from_slice(&body);
    output
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use http::header::RETRY_AFTER;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncWriteExt;

    use super::*;

    const UPGRADE: &str = "GET /room?x=1 HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Origin: https://example.org\r\nCookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    fn parse(input: &[u8]) -> Option<Head> {
        super::parse(&Bytes::copy_from_slice(input), &Config::default())
    }

    /// The request that hyper finds in these bytes.
    fn ask_hyper(input: &[u8]) -> Option<Parts> {
        let config = Config::default();
        let found = Mutex::new(None);
        let service = service_fn(|request: Request<hyper::body::Incoming>| {
            *found.lock().expect("no panic") = Some(request.into_parts().0);
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::default())))
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(64 * 1024);
            client.write_all(input).await.expect("room");
            client.shutdown().await.expect("open");
            let connection = http1::Builder::new()
                .half_close(true)
                .keep_alive(false)
                .max_headers(config.headers_max)
                .max_header_size(config.header_bytes_max)
                .max_buf_size(config.header_bytes_max)
                .serve_connection(TokioIo::new(server), service);
            // An error is an answer too.
            let _ = connection.await;
        });
        found.into_inner().expect("no panic")
    }

    #[test]
    fn a_plain_upgrade_is_read_with_what_follows_it() {
        let head = parse(&[UPGRADE.as_bytes(), b"\x81\x80abcd"].concat()).expect("plain");
        assert_eq!(head.read_ahead, b"\x81\x80abcd"[..]);
        assert_eq!(head.request.uri, "/room?x=1");
        let cookies = head.request.headers.get_all("cookie");
        assert_eq!(cookies.iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(head.request.headers["x-empty"], "");
    }

    #[test]
    fn anything_else_is_left_to_hyper() {
        for end in 0..UPGRADE.len() {
            assert!(parse(&UPGRADE.as_bytes()[..end]).is_none(), "{end} bytes");
        }
        let replace = |from: &str, to: &str| UPGRADE.replace(from, to);
        let many = "X-Many: 1\r\n".repeat(HEADERS_PLAIN);
        let long = format!("Host: {}", "x".repeat(Config::default().header_bytes_max));
        for unusual in [
            replace("GET", "POST"),
            replace("GET", "get"),
            replace("HTTP/1.1", "HTTP/1.0"),
            replace("HTTP/1.1", "HTTP/2.0"),
            replace("Upgrade: ", "Downgrade: "),
            replace("X-Empty:", "Content-Length: 0"),
            replace("X-Empty:", "Transfer-Encoding: chunked"),
            replace("X-Empty:", "Expect: 100-continue"),
            replace("X-Empty:", "X Empty:"),
            replace("X-Empty:", &format!("{many}X-Empty:")),
            replace("Host: localhost", &long),
            replace("/room", "room"),
        ] {
            assert!(parse(unusual.as_bytes()).is_none(), "{unusual}");
        }
        let config = Config {
            headers_max: 8,
            ..Config::default()
        };
        let input = Bytes::from_static(UPGRADE.as_bytes());
        assert!(super::parse(&input, &config).is_none(), "9 headers");
    }

    #[test]
    fn what_is_read_here_hyper_would_read_alike() {
        /// What mutations put in: separators, and what each parser might see differently.
        const PIECES: [&[u8]; 16] = [
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b":",
            b",",
            b"\0",
            b"\x7f",
            b"\xff",
            b"\"",
            b"%00",
            b"#",
            b"\\",
            b"Content-Length: 5\r\n",
            b"upgrade: h2c\r\n",
        ];
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut plain = 0;
        for case in 0..3_000 {
            let mut input = UPGRADE.as_bytes().to_vec();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..input.len());
                let until = (at + random.usize(..3)).min(input.len());
                let piece = match random.usize(..PIECES.len() + 4) {
                    known if known < PIECES.len() => PIECES[known].to_vec(),
                    _ => vec![random.u8(..)],
                };
                input.splice(at..until, piece);
            }
            let Some(head) = parse(&input) else { continue };
            plain += 1;
            let shown = input.escape_ascii();
            let Some(known) = ask_hyper(&input) else {
                panic!("seed {seed}, case {case}: hyper does not take {shown}");
            };
            let seen = |parts: &Parts| {
                let Parts {
                    method,
                    uri,
                    version,
                    headers,
                    ..
                } = parts;
                (method.clone(), uri.clone(), *version, headers.clone())
            };
            assert_eq!(
                seen(&head.request),
                seen(&known),
                "seed {seed}, case {case}: {shown}"
            );
            assert!(
                input.ends_with(&head.read_ahead),
                "seed {seed}, case {case}: {shown}"
            );
        }
        assert!(plain > 100, "seed {seed}: only {plain} were plain");
    }

    #[test]
    fn any_bytes_can_be_read() {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..20_000 {
            let input: Vec<u8> = (0..random.usize(..64)).map(|_| random.u8(..)).collect();
            assert!(
                parse(&input).is_none(),
                "seed {seed}: {}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn answers_are_written_as_http() {
        let mut switching = Response::new(Body::default());
        *switching.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        switching
            .headers_mut()
            .insert(http::header::UPGRADE, HeaderValue::from_static("websocket"));
        assert_eq!(
            encode(switching),
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"
        );
        let mut refused = Response::new(Body::from("too many"));
        *refused.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        refused
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(7));
        let refused = String::from_utf8(encode(refused)).expect("text");
        let (head, date_and_body) = refused.split_once("date: ").expect("a date");
        assert_eq!(
            head,
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 8\r\n"
        );
        let (date, body) = date_and_body.split_once("\r\n\r\n").expect("a body");
        assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
        assert_eq!(body, "too many");
    }
}

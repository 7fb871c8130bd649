use std::convert::Infallible;
use std::sync::Mutex;

use http::header::RETRY_AFTER;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::*;

const UPGRADE: &str = "GET /room?x=1 HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Origin: https://example.org\r\nCookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What the reader makes of an input that comes at once.
fn read(input: &[u8]) -> Result<Option<Head>, BadHead> {
    HeadReader::default().read(input, &Config::default())
}

/// The same, in pieces of these lengths and the rest.
fn read_pieces(
    input: &[u8],
    lengths: impl IntoIterator<Item = usize>,
) -> Result<Option<Head>, BadHead> {
    let mut reader = HeadReader::default();
    let mut rest = input;
    let mut lengths = lengths.into_iter();
    while !rest.is_empty() {
        let length = lengths.next().unwrap_or(rest.len()).clamp(1, rest.len());
        let (piece, later) = rest.split_at(length);
        rest = later;
        if let Some(mut head) = reader.read(piece, &Config::default())? {
            head.read_ahead = [&head.read_ahead, rest].concat().into();
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// The request that hyper finds in these bytes.
fn ask_hyper(runtime: &tokio::runtime::Runtime, input: &[u8]) -> Option<Parts> {
    let config = Config::default();
    let found = Mutex::new(None);
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        // Of requests that follow on the same connection, the first counts.
        found
            .lock()
            .expect("no panic")
            .get_or_insert(request.into_parts().0);
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    });
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

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
}

fn seen(parts: &Parts) -> (Method, Uri, Version, HeaderMap) {
    let Parts {
        method,
        uri,
        version,
        headers,
        ..
    } = parts;
    (method.clone(), uri.clone(), *version, headers.clone())
}

#[test]
fn a_request_is_read_with_what_follows_it() {
    let input = [UPGRADE.as_bytes(), b"\x81\x80abcd"].concat();
    let head = read(&input).expect("sound").expect("whole");
    assert_eq!(head.read_ahead, b"\x81\x80abcd"[..]);
    assert_eq!(head.request.uri, "/room?x=1");
    let cookies = head.request.headers.get_all("cookie");
    assert_eq!(cookies.iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(head.request.headers["x-empty"], "");
}

#[test]
fn a_request_is_the_same_in_whatever_pieces_it_comes() {
    let input = ["\r\n\r\n", UPGRADE, "\u{1}\u{2}"].concat();
    let whole = read(input.as_bytes()).expect("sound").expect("whole");
    for cut in 1..input.len() {
        let head = read_pieces(input.as_bytes(), [cut]).expect("sound");
        let head = head.unwrap_or_else(|| panic!("not whole after a cut at {cut}"));
        assert_eq!(seen(&head.request), seen(&whole.request), "cut at {cut}");
        assert_eq!(head.read_ahead, whole.read_ahead, "cut at {cut}");
    }
    let bytes = read_pieces(input.as_bytes(), std::iter::repeat(1));
    assert!(bytes.is_ok_and(|head| head.is_some()), "byte by byte");
    for end in 0..UPGRADE.len() {
        let part = read(&UPGRADE.as_bytes()[..end]);
        assert!(part.is_ok_and(|head| head.is_none()), "{end} bytes");
    }
}

#[test]
fn limits_are_exact() {
    let config = Config::default();
    let with_bytes = |bytes: usize| {
        let filler = "x".repeat(bytes - UPGRADE.len());
        UPGRADE.replace("Cookie: a=1", &format!("Cookie: a=1{filler}"))
    };
    let longest = with_bytes(config.header_bytes_max);
    assert_eq!(longest.len(), config.header_bytes_max);
    let too_long = with_bytes(config.header_bytes_max + 1);
    let with_headers = |count| {
        let lines = "X: 1\r\n".repeat(count - 10);
        UPGRADE.replace("Origin", &format!("{lines}X-Last: 1\r\nOrigin"))
    };
    for step in [1, 7, 5_000, usize::MAX] {
        let read = |input: &str| {
            let head = read_pieces(input.as_bytes(), std::iter::repeat(step));
            head.map(|head| head.expect("whole").request.headers.len())
        };
        assert_eq!(read(&longest), Ok(9), "in steps of {step}");
        assert_eq!(read(&too_long), Err(BadHead::TooLarge));
        assert_eq!(read(&with_headers(config.headers_max)), Ok(500));
        let too_many = read(&with_headers(config.headers_max + 1));
        assert_eq!(too_many, Err(BadHead::TooManyHeaders));
    }
}

#[test]
fn what_is_not_http_is_noticed_before_its_end() {
    for (input, expected) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00"[..], BadHead::Malformed),
        (b"PRI * HTTP/2.0\r\n\r\n", BadHead::Malformed),
        (b"GET / HTTP/3.0\r\n", BadHead::Malformed),
        (b"SSH-2.0-client\r\n", BadHead::Malformed),
        (b"GET / HTTP/1.1\r\nno colon\r\n", BadHead::Malformed),
    ] {
        assert_eq!(
            read(input).err(),
            Some(expected),
            "{}",
            input.escape_ascii()
        );
    }
    let endless = vec![b'a'; Config::default().header_bytes_max];
    let in_bytes = read_pieces(&endless, std::iter::repeat(1));
    assert_eq!(in_bytes.err(), Some(BadHead::TooLarge));
    let blank = vec![b'\n'; Config::default().header_bytes_max];
    let in_bytes = read_pieces(&blank, std::iter::repeat(1));
    assert_eq!(in_bytes.err(), Some(BadHead::TooLarge));
}

/// Requests of all kinds, changed at random and cut into pieces at random. What hyper reads is read
/// here alike, and what it refuses is refused, but for one kind: where two headers say how long a
/// body is, hyper chooses one; no honest client sends that, and who else reads it may choose the
/// other.
#[test]
fn requests_are_read_as_hyper_reads_them() {
    /// What mutations put in: separators, and what each parser might see differently.
    const PIECES: [&[u8]; 24] = [
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
        b"\r\n folded",
        b"\r\n\tfolded: too",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"Content-Length: 5\r\n",
        b"content-length: +5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Expect: 100-continue\r\n",
        b"upgrade: h2c\r\n",
    ];
    let many = |count| UPGRADE.replace("Origin", &("X: 1\r\n".repeat(count) + "Origin"));
    let bases = [
        UPGRADE.to_owned(),
        UPGRADE.to_owned() + "\u{1}\u{0}frames",
        UPGRADE.replace("HTTP/1.1", "HTTP/1.0"),
        UPGRADE.repeat(2),
        many(53),
        many(54),
        many(55),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "HEAD /limits HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            .to_owned(),
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "CONNECT relay.example:443 HTTP/1.1\r\nHost: relay.example\r\n\r\n".to_owned(),
        "GET ws://relay.example/room HTTP/1.1\nHost: relay.example\n\nrest".to_owned(),
    ];
    let runtime = runtime();
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut sound, mut refused) = (0, 0);
    for case in 0..6_000 {
        let base = random.usize(..bases.len());
        let mut input = bases[base].clone().into_bytes();
        for _ in 0..random.usize(..4) {
            let at = random.usize(..input.len());
            let until = (at + random.usize(..3)).min(input.len());
            let piece = match random.usize(..PIECES.len() + 6) {
                known if known < PIECES.len() => PIECES[known].to_vec(),
                _ => vec![random.u8(..)],
            };
            input.splice(at..until, piece);
        }
        let lengths: Vec<usize> = (0..8).map(|_| random.usize(1..80)).collect();
        let shown = format!("seed {seed}, case {case}: {}", input.escape_ascii());
        let ours = read_pieces(&input, lengths);
        let whole = read(&input);
        // That it is not HTTP may be noticed later in pieces.
        assert_eq!(
            matches!(ours, Ok(Some(_))),
            matches!(whole, Ok(Some(_))),
            "in pieces and whole, {shown}"
        );
        match (ours, ask_hyper(&runtime, &input)) {
            (Ok(Some(head)), Some(known)) => {
                sound += 1;
                assert_eq!(seen(&head.request), seen(&known), "{shown}");
                assert!(input.ends_with(&head.read_ahead), "{shown}");
            }
            (Ok(Some(_)), None) => panic!("hyper does not take it, {shown}"),
            (Err(_), Some(known)) => assert!(is_said_twice(&known.headers, &input), "{shown}"),
            (Ok(None), Some(_)) => panic!("it is not seen to be whole, {shown}"),
            (Ok(None) | Err(_), None) => refused += 1,
        }
    }
    assert!(
        sound > 1_000 && refused > 500,
        "seed {seed}: only {sound} were sound and {refused} not"
    );
}

/// Whether there is more than one header about the length of the body. hyper leaves one out of what
/// it gives out.
fn is_said_twice(headers: &HeaderMap, input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input).to_ascii_lowercase();
    let count = |name: &str| text.matches(&format!("\n{name}:")).count();
    (headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING))
        && count("content-length") + count("transfer-encoding") > 1
}

#[test]
fn any_bytes_can_be_read() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..20_000 {
        let input: Vec<u8> = (0..random.usize(..64)).map(|_| random.u8(..)).collect();
        let cut = random.usize(1..64);
        let head = read_pieces(&input, [cut]);
        assert!(
            head.is_err() || head.is_ok_and(|head| head.is_none()),
            "seed {seed}: {}",
            input.escape_ascii()
        );
    }
}

#[test]
fn answers_are_written_as_http() {
    let mut switching = Response::new(Bytes::new());
    *switching.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let value = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    switching
        .headers_mut()
        .insert(http::header::SEC_WEBSOCKET_ACCEPT, value);
    assert_eq!(
        encode(&switching, false).escape_ascii().to_string(),
        r"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    let mut refused = Response::new(Bytes::from("too many"));
    *refused.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    refused
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(7));
    for (is_for_head, expected) in [(false, "too many"), (true, "")] {
        let refused = String::from_utf8(encode(&refused, is_for_head)).expect("text");
        let (head, date_and_body) = refused.split_once("Date: ").expect("a date");
        assert_eq!(
            head,
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nConnection: close\r\nContent-Length: 8\r\n"
        );
        let (date, body) = date_and_body.split_once("\r\n\r\n").expect("a body");
        assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
        assert_eq!(body, expected);
    }
}

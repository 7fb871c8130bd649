//! The upgrade, written and read here: libraries say no more of an answer that is not right than
//! that it is not.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::check::recorder::{Done, Work};
use crate::check::report::Problem;
use crate::check::status;
use crate::check::stream::{Credentials, Socket, Stream};
use crate::check::target::Target;
use crate::show;

/// More than any server sends before an answer, with the cookies of a login page.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;
/// As much of a page as its title takes, and how long to wait for that.
const BODY_BYTES_MAX: usize = 8 * 1024;
const BODY_PATIENCE: Duration = Duration::from_secs(1);
/// More than any message of a check, and not so much that a hostile server could fill the memory.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// An answer's head, and what came behind it.
#[derive(Debug)]
pub(super) struct Answer {
    /// Of HTTP/1: 0 or 1.
    version: u8,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) rest: Vec<u8>,
}

/// Asks for a WebSocket.
pub(crate) async fn upgrade(
    target: &Target,
    credentials: &Credentials,
    mut stream: Stream,
) -> Work<Socket> {
    let key = generate_key();
    let request = request(target, credentials, &key);
    let written = async {
        stream.write_all(&request).await?;
        stream.flush().await
    };
    if let Err(error) = written.await {
        return Err(broke_off(target, &[], Some(&error)));
    }
    let mut answer = read(target, &mut stream).await?;
    if answer.status != StatusCode::SWITCHING_PROTOCOLS {
        // What is there of it is enough.
        let _ = tokio::time::timeout(BODY_PATIENCE, read_body(&mut stream, &mut answer)).await;
        let mut response = Response::new(answer.rest);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        return Err(status::refused(target, &response));
    }
    judge(&answer, credentials, &key)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let rest = answer.rest;
    let socket =
        WebSocketStream::from_partially_read(stream, rest, Role::Client, Some(config)).await;
    Ok(Done::new(socket, "HTTP 101, a WebSocket"))
}

fn request(target: &Target, credentials: &Credentials, key: &str) -> Vec<u8> {
    let start = format!(
        "GET {} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n",
        target.path
    );
    with_credentials(start, target, credentials)
}

/// The head of a request that begins so, with all that is to be sent to this target.
pub(super) fn with_credentials(
    start: String,
    target: &Target,
    credentials: &Credentials,
) -> Vec<u8> {
    let mut request = start.into_bytes();
    let mut add = |name: &str, value: &[u8]| {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    };
    if !credentials.headers.iter().any(|(name, _)| name == HOST) {
        add("Host", target.authority().as_bytes());
    }
    if let Some(origin) = &credentials.origin {
        add("Origin", origin.as_bytes());
    }
    for (name, value) in &credentials.headers {
        add(name.as_str(), value.as_bytes());
    }
    request.extend(b"\r\n");
    request
}

/// Reads the head of an answer.
async fn read(target: &Target, stream: &mut Stream) -> Result<Answer, Problem> {
    let mut input = Vec::new();
    loop {
        let read = stream.read_buf(&mut input).await;
        let problem = match read {
            Ok(0) => Some(broke_off(target, &input, None)),
            Ok(_) => None,
            Err(error) => Some(broke_off(target, &input, Some(&error))),
        };
        match parse(&input) {
            Ok(Some(answer)) => return Ok(answer),
            Err(()) => return Err(not_http(target, &input)),
            Ok(None) if input.len() > HEAD_BYTES_MAX => return Err(not_http(target, &input)),
            Ok(None) => {}
        }
        if let Some(problem) = problem {
            return Err(problem);
        }
    }
}

/// The answer, once its head is there.
pub(super) fn parse(input: &[u8]) -> Result<Option<Answer>, ()> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(input).map_err(drop)?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let status = response.code.ok_or(())?;
    let mut all = HeaderMap::new();
    for header in response.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(drop)?;
        let value = HeaderValue::from_bytes(header.value).map_err(drop)?;
        all.append(name, value);
    }
    Ok(Some(Answer {
        version: response.version.ok_or(())?,
        status: StatusCode::from_u16(status).map_err(drop)?,
        headers: all,
        rest: input[length..].to_vec(),
    }))
}

async fn read_body(stream: &mut Stream, answer: &mut Answer) {
    let length = answer.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let length = length.unwrap_or(BODY_BYTES_MAX).min(BODY_BYTES_MAX);
    while answer.rest.len() < length {
        // An error is an end.
        if !matches!(stream.read_buf(&mut answer.rest).await, Ok(1..)) {
            return;
        }
    }
}

/// What is wrong with a 101, if anything.
fn judge(answer: &Answer, credentials: &Credentials, key: &str) -> Result<(), Problem> {
    let headers = &answer.headers;
    if answer.version == 0 {
        return Err(Problem::new(
            "HTTP 101 came by HTTP/1.0, so browsers do not open the WebSocket",
            "have the server, or the proxy before it, answer in HTTP/1.1",
        ));
    }
    for (name, shown) in [
        (SEC_WEBSOCKET_PROTOCOL, "Sec-WebSocket-Protocol"),
        (SEC_WEBSOCKET_EXTENSIONS, "Sec-WebSocket-Extensions"),
    ] {
        let is_asked_for = credentials.headers.iter().any(|(asked, _)| *asked == name);
        if let Some(value) = headers.get(&name).filter(|_| !is_asked_for) {
            return Err(Problem::new(
                format!(
                    "HTTP 101 came with `{shown}: {}`, which was not asked for: browsers do not open the WebSocket",
                    String::from_utf8_lossy(value.as_bytes())
                ),
                "the server has to leave it out where a client does not send it: RFC 6455, 4.1",
            ));
        }
    }
    let says = |name: HeaderName, token: &str| {
        let values = headers.get_all(name).iter();
        let mut tokens = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        tokens.any(|one| one.trim().eq_ignore_ascii_case(token))
    };
    for (name, token) in [(UPGRADE, "websocket"), (CONNECTION, "upgrade")] {
        if !says(name.clone(), token) {
            let shown = if name == UPGRADE {
                "Upgrade"
            } else {
                "Connection"
            };
            return Err(Problem::new(
                format!(
                    "HTTP 101 came without `{shown}: {token}`, so browsers do not open the WebSocket"
                ),
                "the server, or a proxy in between that drops the header, has to send it: RFC 6455, 4.2.2",
            ));
        }
    }
    let right = derive_accept_key(key.as_bytes());
    match headers.get(SEC_WEBSOCKET_ACCEPT) {
        None => Err(Problem::new(
            "HTTP 101 came without `Sec-WebSocket-Accept`, so browsers do not open the WebSocket",
            "does a proxy in between answer by itself, or drop that header? the server computes it from the request's \
             `Sec-WebSocket-Key`: RFC 6455, 4.2.2",
        )),
        Some(accept) if accept.as_bytes().trim_ascii() == right.as_bytes() => Ok(()),
        Some(accept) => Err(Problem::new(
            format!(
                "HTTP 101 came with a wrong `Sec-WebSocket-Accept`, {}: browsers do not open the WebSocket",
                show::quoted(&String::from_utf8_lossy(accept.as_bytes()), 60)
            ),
            "the answer is to another request: does a proxy in between keep answers, or change `Sec-WebSocket-Key`? the server \
             computes the one from the other: RFC 6455, 4.2.2",
        )),
    }
}

/// What is on the port instead.
fn not_http(target: &Target, input: &[u8]) -> Problem {
    let other = target.other_scheme();
    // An alert, which is what TLS says to a request in plain text.
    if !target.secure && input.starts_with(&[0x15, 3]) {
        return Problem::new("the server speaks TLS on this port", format!("try {other}"));
    }
    if input.starts_with(b"HTTP/") {
        let line = input.split(|byte| b"\r\n".contains(byte)).next();
        let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
        return Problem::new(
            format!(
                "the answer begins with {} and is malformed or without an end",
                show::quoted(&line, 60)
            ),
            "the server, or a proxy in between, has to answer in HTTP/1.1: look into its log",
        );
    }
    // A frame of settings, with which a server of HTTP/2 begins.
    if input.starts_with(&[0, 0]) && input.get(3) == Some(&4) {
        return Problem::new(
            "the server answered in HTTP/2, which browsers do not use for this WebSocket",
            "have it, or the proxy before it, speak HTTP/1.1 on this port",
        );
    }
    let begin = String::from_utf8_lossy(&input[..input.len().min(60)]).into_owned();
    Problem::new(
        format!(
            "the upgrade was not answered with HTTP, but with {}",
            show::quoted(&begin, 60)
        ),
        format!("check the port; if it is right, try {other}"),
    )
}

/// The connection ended in place of an answer.
fn broke_off(target: &Target, input: &[u8], error: Option<&std::io::Error>) -> Problem {
    let how = match error {
        None => "closed the connection".to_owned(),
        Some(error) => format!("ended the connection ({error})"),
    };
    if !input.is_empty() {
        return Problem::new(
            format!(
                "the server {how} in the middle of its answer, after {}",
                show::count(input.len(), "byte")
            ),
            "did the server, or a proxy in between, end? look into their logs",
        );
    }
    let fix = if target.secure {
        "does it, or the proxy before it, refuse this address, or reach no relay? look into its log"
            .to_owned()
    } else {
        let other = target.other_scheme();
        format!(
            "if the port has TLS, try {other}; otherwise, does it, or the proxy before it, refuse this address, expect a PROXY \
             header, or reach no relay? look into its log"
        )
    };
    Problem::new(
        format!("the server {how} without an answer to the upgrade"),
        fix,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_its_head_is_there() {
        let whole = b"HTTP/1.0 502 Bad Gateway\r\nCache-Control: no-cache\r\n\r\n<html>";
        for end in 0..whole.len() - 6 {
            assert!(matches!(parse(&whole[..end]), Ok(None)), "{end}");
        }
        let answer = parse(whole).expect("HTTP").expect("a head");
        assert_eq!(
            (answer.status.as_u16(), &answer.rest[..]),
            (502, &b"<html>"[..])
        );
        for wrong in [
            &b"SSH-2.0-OpenSSH\r\n"[..],
            b"HTTP/2 200\r\n\r\n",
            b"\x15\x03\x01\0\x02\x02\x46",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}

//! Heads of requests and answers.

use std::mem::MaybeUninit;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};
use httparse::Status;

use crate::config::Config;

/// Headers that a request may have without an allocation for them.
const HEADERS_FEW: usize = 64;
/// About as much as an answer takes.
const ANSWER_BYTES: usize = 256;

/// A request, and what followed it.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) request: Parts,
    pub(crate) read_ahead: Bytes,
}

/// What is wrong with a head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BadHead {
    /// It is not HTTP/1.0 or HTTP/1.1, or something else instead.
    Malformed,
    /// It is longer than [`Config::header_bytes_max`].
    TooLarge,
    /// It has more headers than [`Config::headers_max`].
    TooManyHeaders,
    /// The path and query are longer than a [`Uri`] can be.
    TargetTooLong,
}

impl BadHead {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge | Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
        }
    }

    pub(crate) fn body(self) -> &'static str {
        match self {
            Self::Malformed => "this is not an HTTP/1.1 request",
            Self::TooLarge => "the head of the request is too long",
            Self::TooManyHeaders => "the request has too many headers",
            Self::TargetTooLong => "the path of the request is too long",
        }
    }
}

/// Collects a head that comes in pieces.
///
/// It is parsed where it ends, and else only when it has doubled since the last look, so that what
/// is not HTTP is noticed early and a head that comes byte by byte costs no more than a few times
/// one that comes whole.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    input: Vec<u8>,
    /// Where the request begins: behind empty lines, if any came first (RFC 9112, 2.2).
    begin: usize,
    /// Up to here there is no end of a head.
    searched: usize,
    /// The length at which to look at an unfinished head again.
    look_at: usize,
}

impl HeadReader {
    /// Whether nothing has come yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// Takes the next piece; returns the head if that was its last.
    pub(crate) fn read(&mut self, piece: &[u8], config: &Config) -> Result<Option<Head>, BadHead> {
        self.input.extend_from_slice(piece);
        if !self.has_end() && self.input.len() < self.look_at {
            return Ok(None);
        }
        let input = Bytes::from(std::mem::take(&mut self.input));
        match parse(&input, config)? {
            Some(head) => Ok(Some(head)),
            None if input.len() >= config.header_bytes_max => Err(BadHead::TooLarge),
            None => {
                self.look_at = (2 * input.len()).min(config.header_bytes_max);
                self.input = input.into();
                Ok(None)
            }
        }
    }

    /// Whether an empty line has come behind the request's first.
    fn has_end(&mut self) -> bool {
        let blank = self.input[self.begin..].iter();
        self.begin += blank.take_while(|byte| b"\r\n".contains(byte)).count();
        let new = &self.input[self.begin.max(self.searched)..];
        // An end may begin in this piece and come to its own in the next.
        self.searched = self.input.len().saturating_sub(2);
        new.windows(2).any(|pair| pair == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n")
    }
}

/// The request at the start of `input`; `None` if it is not all there.
fn parse(input: &Bytes, config: &Config) -> Result<Option<Head>, BadHead> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_FEW];
    let few = config.headers_max.min(HEADERS_FEW);
    match parse_into(input, config, &mut headers[..few]) {
        Err(BadHead::TooManyHeaders) if few < config.headers_max => {
            let mut headers = vec![MaybeUninit::uninit(); config.headers_max];
            parse_into(input, config, &mut headers)
        }
        parsed => parsed,
    }
}

fn parse_into<'a>(
    input: &'a Bytes,
    config: &Config,
    headers: &mut [MaybeUninit<httparse::Header<'a>>],
) -> Result<Option<Head>, BadHead> {
    let mut parsed = httparse::Request::new(&mut []);
    let length = match parsed.parse_with_uninit_headers(input, headers) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(BadHead::TooManyHeaders),
        Err(_) => return Err(BadHead::Malformed),
    };
    if length > config.header_bytes_max {
        return Err(BadHead::TooLarge);
    }
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(BadHead::Malformed);
    };
    let (mut request, ()) = Request::new(()).into_parts();
    request.method = Method::from_bytes(method.as_bytes()).map_err(|_| BadHead::Malformed)?;
    request.version = match minor {
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    if target.len() > usize::from(u16::MAX - 1) {
        return Err(BadHead::TargetTooLong);
    }
    let target = input.slice_ref(target.as_bytes());
    request.uri = Uri::from_maybe_shared(target).map_err(|_| BadHead::Malformed)?;
    request.headers.reserve(parsed.headers.len());
    for header in &*parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(input.slice_ref(header.value));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(BadHead::Malformed);
        };
        request.headers.append(name, value);
    }
    if !has_sound_length(request.version, &request.headers) {
        return Err(BadHead::Malformed);
    }
    Ok(Some(Head {
        request,
        read_ahead: input.slice(length..),
    }))
}

/// Whether everybody agrees how long the body is (RFC 9112, 6.3). None is read here, but a proxy on
/// the way that sees another end than its client would take the rest for the next request.
fn has_sound_length(version: Version, headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    if lengths.next().is_some() {
        return false;
    }
    match (
        length,
        headers.get_all(TRANSFER_ENCODING).iter().next_back(),
    ) {
        (None, None) => true,
        (Some(length), None) => is_number(length.as_bytes()),
        (None, Some(codings)) => version == Version::HTTP_11 && ends_chunked(codings),
        (Some(_), Some(_)) => false,
    }
}

/// Whether these are digits and a number that fits.
fn is_number(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

fn ends_chunked(codings: &HeaderValue) -> bool {
    let codings = codings.to_str().unwrap_or_default();
    let last = codings.rsplit(',').next().unwrap_or_default();
    last.trim().eq_ignore_ascii_case("chunked")
}

/// An answer as it is sent. It is the only one on its connection, and says so unless it switches
/// protocols.
pub(crate) fn encode(response: &Response<Bytes>, is_for_head: bool) -> Vec<u8> {
    let (status, body) = (response.status(), response.body());
    let mut output = Vec::with_capacity(ANSWER_BYTES + body.len());
    output.extend_from_slice(b"HTTP/1.1 ");
    output.extend_from_slice(status.as_str().as_bytes());
    output.extend_from_slice(b" ");
    let reason = status.canonical_reason().unwrap_or_default();
    output.extend_from_slice(reason.as_bytes());
    output.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        push(&mut output, name, value.as_bytes());
    }
    // By RFC 9110, 8.6 and 6.6.1, a 101 has no length and needs no date.
    if status != StatusCode::SWITCHING_PROTOCOLS {
        push(&mut output, &CONNECTION, b"close");
        push(
            &mut output,
            &CONTENT_LENGTH,
            body.len().to_string().as_bytes(),
        );
        let date = httpdate::fmt_http_date(SystemTime::now());
        push(&mut output, &DATE, date.as_bytes());
    }
    output.extend_from_slice(b"\r\n");
    if !is_for_head {
        output.extend_from_slice(body);
    }
    output
}

fn push(output: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    push_name(output, name.as_str());
    output.extend_from_slice(b": ");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}

/// Writes a name as specifications do, since there are small clients that compare it so:
/// `Sec-WebSocket-Accept`.
fn push_name(output: &mut Vec<u8>, name: &str) {
    for (number, word) in name.split('-').enumerate() {
        if number > 0 {
            output.push(b'-');
        }
        match (word, word.as_bytes()) {
            ("websocket", _) => output.extend_from_slice(b"WebSocket"),
            ("www", _) => output.extend_from_slice(b"WWW"),
            (_, [first, rest @ ..]) => {
                output.push(first.to_ascii_uppercase());
                output.extend_from_slice(rest);
            }
            (_, []) => {}
        }
    }
}

#[cfg(test)]
mod tests;

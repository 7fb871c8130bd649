//! The server's half of WebSocket (RFC 6455), as much as a relay needs of it.

use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use sha1::{Digest, Sha1};
use signal_core::{CloseReason, Limits};

const HEAD_BYTES_MAX: u64 = 16 * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a frame may take from its first byte to its last; so late is a deadline at most.
const FRAME_TIMEOUT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(3_600);

pub(crate) const TEXT: u8 = 1;
const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The answer to a request, and whether that is an upgrade.
pub(crate) fn answer(head: &str, has_place: bool) -> (String, bool) {
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    if !head.starts_with("GET ") {
        return page("405 Method Not Allowed\r\nAllow: GET", "");
    }
    if !header("Upgrade").is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket")) {
        return page("200 OK", "okay");
    }
    if header("Sec-WebSocket-Version") != Some("13") {
        return page("426 Upgrade Required\r\nSec-WebSocket-Version: 13", "");
    }
    let Some(key) = header("Sec-WebSocket-Key") else {
        return page("400 Bad Request", "");
    };
    if !has_place {
        return page("503 Service Unavailable\r\nRetry-After: 10", "");
    }
    let accept = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = Base64::encode_string(&accept);
    // Browsers fail an upgrade that selects none of those they asked for.
    let first = header("Sec-WebSocket-Protocol").and_then(|all| all.split(',').next());
    let protocol = first.map(|name| format!("Sec-WebSocket-Protocol: {}\r\n", name.trim()));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{}\r\n",
        protocol.unwrap_or_default()
    );
    (answer, true)
}

fn page(status: &str, text: &str) -> (String, bool) {
    let answer = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n\r\n{text}",
        text.len()
    );
    (answer, false)
}

/// A frame of the server's, shared by all its receivers.
pub(crate) type Frame = Arc<[u8]>;

pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Frame {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ ..126 => frame.push(length as u8),
        length @ 126..0x1_0000 => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame.into()
}

pub(crate) fn close_frame(reason: CloseReason) -> Frame {
    let code = reason.code().to_be_bytes();
    frame(CLOSE, &[&code, reason.text().as_bytes()].concat())
}

/// What a client has sent.
pub(crate) enum Event {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    /// A pong of so many bytes, or a fragment, whose bytes count with its message.
    Other(usize),
    /// A close frame, with what to answer.
    Closed(Vec<u8>),
    /// The header of a frame announces too long a message.
    TooBig,
    /// A frame that cannot be read.
    Broken(CloseReason),
}

/// Reads a request, and then frames.
pub(crate) struct Reader {
    input: BufReader<Timed>,
    /// The opcode and the beginning of a message in fragments.
    opcode: Option<u8>,
    message: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(socket: TcpStream) -> Self {
        let end = Instant::now() + HEAD_TIMEOUT;
        Self {
            input: BufReader::new(Timed { socket, end }),
            opcode: None,
            message: Vec::new(),
        }
    }

    /// Waits for the head of a request.
    pub(crate) fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        let mut input = (&mut self.input).take(HEAD_BYTES_MAX);
        while !head.ends_with("\r\n\r\n") {
            if input.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(head)
    }

    /// Waits for the next message or frame. `None` if there is none in time.
    pub(crate) fn next(&mut self, timeout: Duration) -> io::Result<Option<Event>> {
        self.input.get_mut().end = Instant::now() + timeout.min(LONG);
        match self.input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(None),
            _ => self.input.get_mut().end = Instant::now() + FRAME_TIMEOUT,
        }
        self.frame().map(Some)
    }

    /// Reads on to the end of the stream. A socket that is closed with bytes unread is reset, and
    /// our close frame may be lost.
    pub(crate) fn drain(&mut self, timeout: Duration) -> io::Result<()> {
        self.input.get_mut().end = Instant::now() + timeout;
        io::copy(&mut self.input, &mut io::sink()).map(drop)
    }

    fn frame(&mut self) -> io::Result<Event> {
        let [first, second] = self.bytes()?;
        let (is_final, opcode) = (first & 0x80 != 0, first & 0x0f);
        let (is_masked, is_control) = (second & 0x80 != 0, opcode >= CLOSE);
        let length = match second & 0x7f {
            126 => u16::from_be_bytes(self.bytes()?).into(),
            127 => u64::from_be_bytes(self.bytes()?),
            length => length.into(),
        };
        if first & 0x70 != 0 || !is_masked || (is_control && (!is_final || length > 125)) {
            return Ok(Event::Broken(CloseReason::Protocol));
        }
        let room = Limits::default().message_bytes_max as usize - self.message.len();
        if !is_control && length > room as u64 {
            return Ok(Event::TooBig);
        }
        let mask: [u8; 4] = self.bytes()?;
        let mut payload = vec![0; length as usize];
        self.input.read_exact(&mut payload)?;
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        match (opcode, self.opcode) {
            (PING | PONG | CLOSE, _) => return Ok(control(opcode, payload)),
            (TEXT | BINARY, None) => self.opcode = Some(opcode),
            (0, Some(_)) => {}
            _ => return Ok(Event::Broken(CloseReason::Protocol)),
        }
        self.message.append(&mut payload);
        if is_final {
            return Ok(self.message());
        }
        Ok(Event::Other(0))
    }

    fn message(&mut self) -> Event {
        let message = std::mem::take(&mut self.message);
        if self.opcode.take() == Some(BINARY) {
            return Event::Binary(message);
        }
        let text = String::from_utf8(message).map(Event::Text);
        text.unwrap_or(Event::Broken(CloseReason::Invalid))
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map(|()| bytes)
    }
}

/// A socket that is read until a time, in however many pieces the bytes come.
struct Timed {
    socket: TcpStream,
    end: Instant,
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.read(into).map_err(|error| {
            let is_late = error.kind() == io::ErrorKind::WouldBlock;
            if is_late {
                io::ErrorKind::TimedOut.into()
            } else {
                error
            }
        })
    }
}

fn control(opcode: u8, payload: Vec<u8>) -> Event {
    match (opcode, payload.split_first_chunk()) {
        (PING, _) => Event::Ping(payload),
        (PONG, _) => Event::Other(payload.len()),
        (_, None) if payload.is_empty() => Event::Closed(payload),
        (_, Some((code, text))) if is_close(u16::from_be_bytes(*code), text) => {
            Event::Closed(code.to_vec())
        }
        _ => Event::Broken(CloseReason::Protocol),
    }
}

/// Whether a close frame may have this code and this text.
fn is_close(code: u16, text: &[u8]) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) && std::str::from_utf8(text).is_ok()
}

//! RFC 6455 frames, as a server reads and writes them.
//!
//! The relay has its own decoder because of what a connection costs while it is quiet and while it talks. tungstenite's keeps
//! its buffers for as long as the connection lives, reserves the whole announced length on the header alone, and cannot say
//! whether it is at rest. This one works in place on a buffer that the thread lends it, holds nothing between two frames, and
//! copies only a frame that arrived in pieces. The Autobahn cases in `tests/autobahn.rs` hold it to the RFC.

use std::ops::ControlFlow;

use bytes::{BufMut, Bytes, BytesMut};

/// The longest control frame payload the RFC allows.
const CONTROL_BYTES_MAX: usize = 125;
/// The longest header of a server's frame: two bytes, and eight of extended length.
pub(crate) const HEADER_BYTES_MAX: usize = 10;

/// What a frame carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// One whole message, or one control frame, lent to the handler.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Incoming<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    /// The code, if there was one, and the reason.
    Close(Option<(u16, &'a str)>),
}

/// Why the stream of frames cannot go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FrameError {
    /// A frame broke the RFC.
    Protocol,
    /// A frame, or the message its fragments make, is longer than allowed; decided on the header.
    TooBig,
    /// A text or a close reason is not UTF-8.
    InvalidUtf8,
}

/// Takes masked client frames apart.
///
/// ```text
///             whole frame in the input: handled in place
///            ┌──┐
///            │  ▼      the input ends inside a frame
///  ──▶ at rest ─────────────────────────▶ partial
///            ▲                                │ the rest of the frame arrives
///            └────────────────────────────────┘
/// ```
/// `fragments` is a second, independent dimension: control frames may come between the fragments of a message.
#[derive(Debug)]
pub(crate) struct Decoder {
    message_bytes_max: usize,
    /// The bytes of a frame of which the end is missing.
    partial: Vec<u8>,
    fragments: Option<Box<Fragments>>,
}

/// The beginning of a fragmented message.
#[derive(Debug)]
struct Fragments {
    is_text: bool,
    bytes: Vec<u8>,
    /// How many of `bytes` are known to be UTF-8.
    valid_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    is_final: bool,
    opcode: Opcode,
    mask: [u8; 4],
    header_bytes: usize,
    payload_bytes: usize,
}

/// What the beginning of a frame says.
enum Start {
    /// The header is not all there; it has this many bytes as far as can be told.
    Needs(usize),
    Header(Header),
}

impl Decoder {
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            partial: Vec::new(),
            fragments: None,
        }
    }

    /// Decodes `input`, which it unmasks in place, and hands each message to `handle` until that breaks.
    pub(crate) fn decode(
        &mut self,
        mut input: &mut [u8],
        handle: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        while !input.is_empty() {
            let flow = if self.partial.is_empty() {
                let (frame, rest) = match self.start(input)? {
                    Start::Header(header) if header.frame_bytes() <= input.len() => {
                        let (frame, rest) = input.split_at_mut(header.frame_bytes());
                        ((header, frame), rest)
                    }
                    Start::Header(_) | Start::Needs(_) => {
                        self.partial = input.to_vec();
                        return Ok(());
                    }
                };
                input = rest;
                self.frame(frame.0, &mut frame.1[frame.0.header_bytes..], handle)?
            } else {
                let Some((header, mut frame, rest)) = self.complete(input)? else {
                    return Ok(());
                };
                input = rest;
                self.frame(header, &mut frame[header.header_bytes..], handle)?
            };
            if flow.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Adds input to the partial frame; returns the frame and what follows it once it is whole.
    #[expect(
        clippy::type_complexity,
        reason = "a private helper; a struct would only rename the three"
    )]
    fn complete<'i>(
        &mut self,
        mut input: &'i mut [u8],
    ) -> Result<Option<(Header, Vec<u8>, &'i mut [u8])>, FrameError> {
        loop {
            let wanted = match self.start(&self.partial)? {
                Start::Needs(bytes) => bytes,
                Start::Header(header) if header.frame_bytes() <= self.partial.len() => {
                    return Ok(Some((header, std::mem::take(&mut self.partial), input)));
                }
                Start::Header(header) => header.frame_bytes(),
            };
            if input.is_empty() {
                return Ok(None);
            }
            let taken = (wanted - self.partial.len()).min(input.len());
            let (head, rest) = input.split_at_mut(taken);
            self.partial.extend_from_slice(head);
            input = rest;
        }
    }

    /// Reads a frame header and judges all that a header can be judged by.
    fn start(&self, bytes: &[u8]) -> Result<Start, FrameError> {
        let &[first, second, ..] = bytes else {
            return Ok(Start::Needs(2));
        };
        let opcode = Opcode::from_bits(first & 0x0f).ok_or(FrameError::Protocol)?;
        let is_final = first & 0x80 != 0;
        let (has_reserved_bits, is_masked) = (first & 0x70 != 0, second & 0x80 != 0);
        let short_length = usize::from(second & 0x7f);
        if has_reserved_bits || !is_masked {
            return Err(FrameError::Protocol);
        }
        if opcode.is_control() && (!is_final || short_length > CONTROL_BYTES_MAX) {
            return Err(FrameError::Protocol);
        }
        if !opcode.is_control() && self.fragments.is_some() != (opcode == Opcode::Continuation) {
            return Err(FrameError::Protocol);
        }
        let length_bytes = match short_length {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let header_bytes = 2 + length_bytes + 4;
        let Some(extended) = bytes.get(2..2 + length_bytes) else {
            return Ok(Start::Needs(header_bytes));
        };
        let length = match length_bytes {
            0 => short_length as u64,
            _ => extended
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        if length >> 63 != 0 {
            return Err(FrameError::Protocol);
        }
        let before = self
            .fragments
            .as_ref()
            .map_or(0, |fragments| fragments.bytes.len());
        let room = (self.message_bytes_max - before) as u64;
        if !opcode.is_control() && length > room {
            return Err(FrameError::TooBig);
        }
        let Some(&[a, b, c, d]) = bytes.get(2 + length_bytes..header_bytes) else {
            return Ok(Start::Needs(header_bytes));
        };
        // Bounded by `message_bytes_max` or 125, so it fits.
        let payload_bytes = length as usize;
        Ok(Start::Header(Header {
            is_final,
            opcode,
            mask: [a, b, c, d],
            header_bytes,
            payload_bytes,
        }))
    }

    /// Handles one whole frame.
    fn frame(
        &mut self,
        header: Header,
        payload: &mut [u8],
        handle: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FrameError> {
        unmask(payload, header.mask);
        let payload = &*payload;
        match header.opcode {
            Opcode::Ping => Ok(handle(Incoming::Ping(payload))),
            Opcode::Pong => Ok(handle(Incoming::Pong)),
            Opcode::Close => {
                let close = parse_close(payload)?;
                // Nothing after a close frame counts.
                let _ = handle(Incoming::Close(close));
                Ok(ControlFlow::Break(()))
            }
            Opcode::Text if header.is_final => Ok(handle(Incoming::Text(utf8(payload)?))),
            Opcode::Binary if header.is_final => Ok(handle(Incoming::Binary(payload))),
            Opcode::Text | Opcode::Binary => {
                let is_text = header.opcode == Opcode::Text;
                let mut fragments = Box::new(Fragments {
                    is_text,
                    bytes: Vec::new(),
                    valid_bytes: 0,
                });
                fragments.push(payload)?;
                self.fragments = Some(fragments);
                Ok(ControlFlow::Continue(()))
            }
            Opcode::Continuation => {
                let Some(mut fragments) = self.fragments.take() else {
                    return Err(FrameError::Protocol);
                };
                fragments.push(payload)?;
                if !header.is_final {
                    self.fragments = Some(fragments);
                    return Ok(ControlFlow::Continue(()));
                }
                Ok(handle(match fragments.is_text {
                    true => Incoming::Text(utf8(&fragments.bytes)?),
                    false => Incoming::Binary(&fragments.bytes),
                }))
            }
        }
    }
}

impl Header {
    const fn frame_bytes(&self) -> usize {
        self.header_bytes + self.payload_bytes
    }
}

impl Fragments {
    /// Adds a fragment. Text is judged at once, so that a bad one ends before the rest of the message is sent.
    fn push(&mut self, payload: &[u8]) -> Result<(), FrameError> {
        self.bytes.extend_from_slice(payload);
        if !self.is_text {
            return Ok(());
        }
        match std::str::from_utf8(&self.bytes[self.valid_bytes..]) {
            Ok(text) => self.valid_bytes += text.len(),
            // Cut inside a character: the next fragment has the rest.
            Err(error) if error.error_len().is_none() => self.valid_bytes += error.valid_up_to(),
            Err(_) => return Err(FrameError::InvalidUtf8),
        }
        Ok(())
    }
}

fn utf8(payload: &[u8]) -> Result<&str, FrameError> {
    std::str::from_utf8(payload).map_err(|_| FrameError::InvalidUtf8)
}

fn parse_close(payload: &[u8]) -> Result<Option<(u16, &str)>, FrameError> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_sendable(code) {
                return Err(FrameError::Protocol);
            }
            Ok(Some((code, utf8(reason)?)))
        }
        [_] => Err(FrameError::Protocol),
    }
}

/// Whether a peer may send this close code (RFC 6455, 7.4, and the codes registered since).
fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Takes the mask off, eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Encodes one unfragmented, unmasked server frame.
pub(crate) fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + HEADER_BYTES_MAX);
    put(&mut frame, opcode, payload);
    frame.freeze()
}

/// Encodes one behind others.
pub(crate) fn put(frames: &mut BytesMut, opcode: Opcode, payload: &[u8]) {
    frames.put_u8(0x80 | opcode.bits());
    match payload.len() {
        length @ 0..=125 => frames.put_u8(length as u8),
        length @ 126..=0xffff => {
            frames.put_u8(126);
            frames.put_u16(length as u16);
        }
        length => {
            frames.put_u8(127);
            frames.put_u64(length as u64);
        }
    }
    frames.put_slice(payload);
}

/// How long a server frame of so much payload is.
pub(crate) const fn encoded_len(payload_bytes: usize) -> usize {
    payload_bytes
        + match payload_bytes {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => HEADER_BYTES_MAX,
        }
}

/// Encodes a close frame.
pub(crate) fn encode_close(close: Option<(u16, &str)>) -> Bytes {
    let Some((code, reason)) = close else {
        return encode(Opcode::Close, &[]);
    };
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    encode(Opcode::Close, &payload)
}

/// Takes an encoded server frame apart again, for transports that frame themselves.
pub(crate) fn split(frame: &Bytes) -> Option<(Opcode, Bytes)> {
    let (&first, &second) = (frame.first()?, frame.get(1)?);
    let header_bytes = match second {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    Some((
        Opcode::from_bits(first & 0x0f)?,
        frame.slice(header_bytes.min(frame.len())..),
    ))
}

#[cfg(test)]
mod tests;

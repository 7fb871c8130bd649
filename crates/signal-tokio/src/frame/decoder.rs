//! Takes the frames of a client apart.

use std::ops::ControlFlow;

use super::{FrameError, Incoming, Opcode};

/// The longest control frame payload the RFC allows.
const CONTROL_BYTES_MAX: usize = 125;

/// Reads masked client frames from whatever pieces they arrive in.
///
/// ```text
///             whole frame in the input: handled in place
///            ┌──┐
///            │  ▼      the input ends inside a frame
///  ──▶ at rest ─────────────────────────▶ partial frame
///            ▲                                │ the rest of the frame arrives
///            └────────────────────────────────┘
/// ```
/// Whether a message is fragmented is a second, independent dimension: control frames may come
/// between its fragments.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Nothing while it is at rest, which is nearly always.
    unfinished: Option<Box<Unfinished>>,
}

/// What waits for more input.
#[derive(Debug, Default)]
struct Unfinished {
    /// The bytes of a frame of which the end is missing. Empty while a frame is handled.
    frame: Vec<u8>,
    message: Option<Fragments>,
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
    /// The header is not complete; it has at least this many bytes.
    Needs(usize),
    Header(Header),
}

impl Decoder {
    /// Decodes `input`, which it unmasks in place, and hands each message, control frame and
    /// fragment to `handle` until that breaks. No message may be longer than `message_bytes_max`.
    pub(crate) fn decode(
        &mut self,
        mut input: &mut [u8],
        message_bytes_max: usize,
        handle: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        while !input.is_empty() {
            let unfinished = self.unfinished.as_deref_mut();
            let flow = if let Some(partial) = unfinished.filter(|waits| !waits.frame.is_empty()) {
                let Some((header, mut frame, rest)) = partial.complete(input, message_bytes_max)?
                else {
                    return Ok(());
                };
                if partial.message.is_none() {
                    self.unfinished = None;
                }
                input = rest;
                let payload = &mut frame[header.header_bytes..];
                self.frame(header, payload, message_bytes_max, handle)?
            } else {
                let header = match start(input, self.message(), message_bytes_max)? {
                    Start::Header(header) if header.frame_bytes() <= input.len() => header,
                    Start::Header(_) | Start::Needs(_) => {
                        let unfinished = self.unfinished.get_or_insert_default();
                        // Exactly what the rest needs, once the header is here.
                        unfinished.complete(input, message_bytes_max)?;
                        return Ok(());
                    }
                };
                let (frame, rest) = input.split_at_mut(header.frame_bytes());
                input = rest;
                let payload = &mut frame[header.header_bytes..];
                self.frame(header, payload, message_bytes_max, handle)?
            };
            if flow.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// How many bytes it keeps of a frame or message whose end is missing. Nothing at rest.
    pub(crate) fn held_bytes(&self) -> usize {
        let Some(unfinished) = self.unfinished.as_deref() else {
            return 0;
        };
        let message = unfinished.message.as_ref();
        size_of::<Unfinished>()
            + unfinished.frame.capacity()
            + message.map_or(0, |message| message.bytes.capacity())
    }

    /// The message of which some fragments have come.
    fn message(&self) -> Option<&Fragments> {
        self.unfinished.as_ref()?.message.as_ref()
    }

    /// Handles one whole frame.
    fn frame(
        &mut self,
        header: Header,
        payload: &mut [u8],
        message_bytes_max: usize,
        handle: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FrameError> {
        unmask(payload, header.mask);
        let payload = &*payload;
        match header.opcode {
            Opcode::Ping => Ok(handle(Incoming::Ping(payload))),
            Opcode::Pong => Ok(handle(Incoming::Pong(payload))),
            Opcode::Close => {
                let close = parse_close(payload)?;
                // Nothing after a close frame counts.
                let _ = handle(Incoming::Close(close));
                Ok(ControlFlow::Break(()))
            }
            Opcode::Text if header.is_final => Ok(handle(Incoming::Text(utf8(payload)?))),
            Opcode::Binary if header.is_final => Ok(handle(Incoming::Binary(payload))),
            Opcode::Text | Opcode::Binary => {
                let mut message = Fragments {
                    is_text: header.opcode == Opcode::Text,
                    bytes: Vec::new(),
                    valid_bytes: 0,
                };
                message.push(payload, message_bytes_max)?;
                self.unfinished.get_or_insert_default().message = Some(message);
                Ok(handle(Incoming::Fragment))
            }
            Opcode::Continuation => {
                let mut unfinished = self.unfinished.take().ok_or(FrameError::Protocol)?;
                let message = unfinished.message.as_mut().ok_or(FrameError::Protocol)?;
                message.push(payload, message_bytes_max)?;
                if !header.is_final {
                    self.unfinished = Some(unfinished);
                    return Ok(handle(Incoming::Fragment));
                }
                Ok(handle(match message.is_text {
                    true => Incoming::Text(utf8(&message.bytes)?),
                    false => Incoming::Binary(&message.bytes),
                }))
            }
        }
    }
}

impl Unfinished {
    /// Adds input to the partial frame; returns the frame and what follows it once it is whole.
    #[expect(
        clippy::type_complexity,
        reason = "a private helper; a struct would only rename the three"
    )]
    fn complete<'i>(
        &mut self,
        mut input: &'i mut [u8],
        message_bytes_max: usize,
    ) -> Result<Option<(Header, Vec<u8>, &'i mut [u8])>, FrameError> {
        loop {
            let wanted = match start(&self.frame, self.message.as_ref(), message_bytes_max)? {
                Start::Needs(bytes) => bytes,
                Start::Header(header) if header.frame_bytes() <= self.frame.len() => {
                    return Ok(Some((header, std::mem::take(&mut self.frame), input)));
                }
                Start::Header(header) => header.frame_bytes(),
            };
            if input.is_empty() {
                return Ok(None);
            }
            let missing = wanted - self.frame.len();
            // As much as the header announces, which is no more than may come, and not a byte more.
            self.frame.reserve_exact(missing);
            let taken = missing.min(input.len());
            let (head, rest) = input.split_at_mut(taken);
            self.frame.extend_from_slice(head);
            input = rest;
        }
    }
}

/// Reads a frame header and judges all that a header can be judged by.
fn start(
    bytes: &[u8],
    message: Option<&Fragments>,
    message_bytes_max: usize,
) -> Result<Start, FrameError> {
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
    if !opcode.is_control() && message.is_some() != (opcode == Opcode::Continuation) {
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
    // RFC 6455, 5.2: in as few bytes as it takes.
    let shortest = match length_bytes {
        0 => 0,
        2 => 126,
        _ => 1 << 16,
    };
    if length >> 63 != 0 || length < shortest {
        return Err(FrameError::Protocol);
    }
    let before = message.map_or(0, |message| message.bytes.len());
    let room = message_bytes_max.saturating_sub(before) as u64;
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

impl Header {
    const fn frame_bytes(&self) -> usize {
        self.header_bytes + self.payload_bytes
    }
}

impl Fragments {
    /// Adds a fragment. Text is judged at once, so that a bad one ends before the rest of the
    /// message is sent.
    fn push(&mut self, payload: &[u8], message_bytes_max: usize) -> Result<(), FrameError> {
        let length = self.bytes.len() + payload.len();
        if length > self.bytes.capacity() {
            // A quarter more each time, for there may be many; but never more than a message may
            // have.
            let more = self.bytes.capacity() / 4 + 64;
            let wanted = (self.bytes.capacity() + more).min(message_bytes_max);
            self.bytes
                .reserve_exact(wanted.max(length) - self.bytes.len());
        }
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
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
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
